"""The links that a sweep prints open, in a fresh browser, on the cells of its plan and on their chart."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mi_ray.experiments.plan.plan import build
from mi_ray.experiments.store.store import Store
from mi_ray.running.recording import LOCAL
from mi_ray.tracking.page import described
from mi_ray.tracking.reach import sqlite_uri
from mi_ray.tracking.recorder import Recorder
from mi_ray.tracking.views import views
from sweeps.infomin_grid import STUDY
from tests.browser.conftest import Watched
from tests.browser.screenshots import LARGEST, of_mlflow
from tests.committed import DIGEST, commit_all
from tests.servers import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PICTURE = Path(__file__).parents[2] / "docs" / "infomin-estimate.png"


DRAWN = """canvas => {
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return pixels.filter((value, i) => i % 4 == 3 && value > 0).length;
}"""
"""Pixels of a canvas that are not transparent."""


@dataclass
class Served:
    """A running server with the mirror of a sweep; ``links``: titles and addresses."""

    base: str
    links: dict[str, str]
    sweep: str
    store: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The smoke preset's cells with made-up numbers, mirrored and served by ``mi-ray ui``."""
    folder = tmp_path_factory.mktemp("runs")
    store, plan = Store(folder), build(STUDY.questions(STUDY.grid("smoke", {})), lambda data: DIGEST)
    commit_all(plan.cells.values(), store)
    recorder = Recorder(
        sqlite_uri(folder / "mlflow.db"),
        experiment=STUDY.name,
        sweep="infomin_grid/smoke",
        artifacts=folder / "artifacts",
    )
    assert recorder.mirror_all(plan, store) == 0
    recorder.attach([PICTURE])
    recorder.describe(*described("Does it?", "It does.", plan, STUDY.axes, [PICTURE.name]))
    port = free_port()
    base = LOCAL.replace("5000", str(port))
    matrix = STUDY.matrix
    kept = recorder.save_views(
        plan, list(views(plan, "infomin_grid/smoke", (matrix.column, matrix.row), matrix.measures)), base
    )
    command = [sys.executable, "-c", "from mi_ray.commands.main import main; main()"]
    server = subprocess.Popen(
        [*command, "ui", "--store", str(folder), "--port", str(port)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    told = [server.stdout.readline() for _ in range(2 + len(kept))]  # the links come once the server answers
    assert all(any(address in line for line in told) for _, address in kept), told
    run = f"{base}/#/experiments/{recorder.experiment_id}/runs/{recorder.sweep_run_id}"
    yield Served(base, dict(kept), run, folder)
    server.terminate()
    server.wait(30)


def texts(page, selector: str) -> list[str]:
    return [" ".join(text.split()) for text in page.locator(selector).all_inner_texts()]


def test_the_link_opens_the_sixteen_estimations_with_their_columns(served: Served, fresh: Watched):
    page = fresh.page
    page.goto(served.links["infomin_grid/smoke: estimations"])
    page.wait_for_selector(".ag-center-cols-container .ag-row", timeout=60_000)
    page.wait_for_timeout(2000)
    assert page.locator(".ag-center-cols-container .ag-row").count() == 16
    heads = " ".join(texts(page, ".ag-header-cell"))
    for name in ("pairing", "task", "nominal_bits", "lower_bits", "upper_bits", "certified"):
        assert name in heads
    assert "16 matching runs" in page.inner_text("body")


def test_the_link_opens_sixteen_lines_of_parallel_coordinates(served: Served, fresh: Watched):
    page = fresh.page
    page.goto(served.links["infomin_grid/smoke: estimations, chart"])
    page.wait_for_selector("text=post-training estimate", timeout=60_000)
    page.wait_for_timeout(3000)
    canvas = page.locator(".parcoords canvas.foreground, canvas.foreground").first
    drawn = canvas.evaluate(DRAWN)
    assert drawn > 500, "the lines of the chart"
    body = page.inner_text("body")
    assert "16 matching runs" in body and "Showing all runs" in body


def test_the_sweeps_own_run_tells_verdict_counts_and_shows_the_heatmap(served: Served, fresh: Watched):
    page = fresh.page
    page.goto(f"{served.sweep}?workflowType=machine_learning")
    page.wait_for_selector("text=It does.", timeout=60_000)
    picture = page.locator(f"img[src*='{PICTURE.name}']")
    picture.wait_for(timeout=20_000)
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    assert "16 estimation" in page.inner_text("body")


def test_screenshots_for_the_docs_are_small_and_not_blank(served: Served, chromium, tmp_path: Path):
    written = of_mlflow(chromium, served.store, served.base, tmp_path)
    assert [path.name for path in written] == ["mlflow-table.png", "mlflow-chart.png"]
    assert all(10_000 < path.stat().st_size <= LARGEST for path in written)
