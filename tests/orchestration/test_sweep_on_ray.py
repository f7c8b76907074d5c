"""The main sweep at smoke size: Ray, MLflow, figures, and the same sweep without Ray."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mi_ray.experiments.store.store import Store
from tests.orchestration.conftest import ROOT, Smoke, sweep

pytestmark = pytest.mark.ray

KINDS = {"training": 4, "embedding": 4, "evaluation": 16, "estimation": 16}


def results(store: Path) -> dict[str, dict]:
    cells = Store(store)
    return {path.name: cells.read(path.name).result for path in cells.cells.iterdir()}


def figures(store: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in store.glob("figures/**/*") if p.is_file()}


def runs(store: Path) -> list:
    client = MlflowClient(f"sqlite:///{store}/mlflow.db")
    experiment = client.get_experiment_by_name("infomin_grid")
    return list(client.search_runs([experiment.experiment_id], max_results=1000))


def test_a_smoke_sweep_computes_every_cell_once(smoke: Smoke):
    assert smoke.ran.code == 0, smoke.ran.err
    kinds = [path.name.partition("-")[0] for path in (smoke.store / "cells").iterdir()]
    assert {kind: kinds.count(kind) for kind in KINDS} == KINDS
    attempts = {Store(smoke.store).read(p.name).manifest["attempt"] for p in (smoke.store / "cells").iterdir()}
    assert attempts == {1}


def test_nothing_is_left_behind_in_the_store(smoke: Smoke):
    assert list((smoke.store / "work").iterdir()) == []


def test_estimation_of_the_first_encoder_starts_before_the_last_training_ends(smoke: Smoke):
    cells = [Store(smoke.store).read(path.name).manifest for path in (smoke.store / "cells").iterdir()]
    first_estimation = min(cell["started_at"] for cell in cells if cell["kind"] == "estimation")
    last_training = max(cell["committed_at"] for cell in cells if cell["kind"] == "training")
    assert first_estimation < last_training


def test_the_run_reports_its_own_orchestration(smoke: Smoke):
    assert re.search(r"orchestration \d+ s of \d+ s wall \(busiest slot worked \d+ s\)", smoke.ran.out)


def test_mlflow_holds_one_run_per_cell_below_one_sweep_run(smoke: Smoke):
    tags = [run.data.tags for run in runs(smoke.store)]
    keys = [tag["cell_key"] for tag in tags if "cell_key" in tag]
    assert sorted(keys) == sorted(path.name for path in (smoke.store / "cells").iterdir())
    assert len(tags) == len(keys) + 1


def test_again_is_free_and_draws_the_same_figures(smoke: Smoke):
    before, drawn, logged = results(smoke.store), figures(smoke.store), len(runs(smoke.store))
    again = sweep(store=smoke.store)
    assert again.code == 0, again.err
    assert "0 cells" in again.out
    assert results(smoke.store) == before
    assert figures(smoke.store) == drawn and len(drawn) == 12
    assert len(runs(smoke.store)) == logged


def test_a_second_seed_adds_only_its_own_cells(smoke: Smoke):
    listed = sweep("--axis", "seed=0,1", "--dry-run", store=smoke.store)
    assert listed.code == 0, listed.err
    assert "80 cells, 40 done" in listed.out
    assert all("seed=1" in line for line in listed.out.splitlines() if line.startswith("to do"))


@pytest.fixture(scope="module")
def bare_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """site-packages without ray, optuna and mlflow."""
    site = tmp_path_factory.mktemp("bare")
    packages = next(Path(p) for p in sys.path if p.endswith("site-packages"))
    for entry in packages.iterdir():
        if not re.match(r"(ray|optuna|mlflow)", entry.name):
            (site / entry.name).symlink_to(entry)
    return site


ONE_ENCODER = ("--axis", "pairing=color", "--axis", "task=color,digit")


def test_the_serial_twin_needs_no_ray_and_gives_the_same_numbers(smoke: Smoke, bare_site: Path, tmp_path: Path):
    store = serial_twin(bare_site, tmp_path / "runs", *ONE_ENCODER)
    of_one, of_all = results(store), results(smoke.store)
    assert len(of_one) == 6 and of_one == {key: of_all[key] for key in of_one}
    assert len(runs(store)) == 7


@pytest.mark.slow
def test_the_whole_serial_twin_gives_the_same_numbers_and_figures(smoke: Smoke, bare_site: Path, tmp_path: Path):
    store = serial_twin(bare_site, tmp_path / "runs")
    assert results(store) == results(smoke.store)
    assert len(runs(store)) == 41
    assert figures(store) == figures(smoke.store)


def serial_twin(bare_site: Path, store: Path, *axes: str) -> Path:
    """The store of a smoke sweep without Ray and MLflow, which the same command where they are has mirrored."""
    environment = os.environ | {"PYTHONPATH": f"{bare_site}:{ROOT}", "OMP_NUM_THREADS": "1"}
    find = "from importlib.util import find_spec; print(*map(find_spec, ['ray', 'optuna', 'mlflow']))"
    ran = subprocess.run([sys.executable, "-S", "-c", find], env=environment, capture_output=True, text=True)
    assert ran.stdout.split() == ["None"] * 3
    command = [sys.executable, "-S", str(ROOT / "sweeps" / "infomin_grid.py"), "--preset", "smoke", *axes]
    twin = subprocess.run(
        [*command, "--on", "here", "--store", str(store)], env=environment, capture_output=True, text=True, timeout=240
    )
    assert twin.returncode == 0, twin.stderr
    refused = subprocess.run([*command, "--store", str(store)], env=environment, capture_output=True, text=True)
    assert refused.returncode == 2 and "ray is not installed" in refused.stderr
    mirrored = sweep(*axes, "--on", "here", store=store)
    assert mirrored.code == 0, mirrored.err
    return store
