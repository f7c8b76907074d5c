"""A sweep whose store is a bucket, in processes of its own: computed once, on whatever machine it is asked again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from analysis import command, infomin_heatmap, report
from sweeps.infomin_grid import STUDY
from tests.buckets import new_bucket, stamps

ROOT = Path(__file__).parents[1]
SMALL = ["--preset", "smoke", "--axis", "pairing=color", "--axis", "task=color", "--axis", "views=2000"]


def sweep(*flags: str, cache: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    changed = os.environ | {"MI_RAY_CACHE": str(cache), "OMP_NUM_THREADS": "1"} | environment
    called = [sys.executable, str(ROOT / "sweeps" / "infomin_grid.py"), *SMALL, "--on", "here", *flags]
    return subprocess.run(called, env=changed, capture_output=True, text=True, timeout=240)


def draw(*flags: str) -> int:
    return command.main(STUDY, infomin_heatmap.draw, [*SMALL, *flags])


def stored_cells(names: Iterable[str]) -> set[str]:
    """Cells that have a manifest, as names below the bucket's address."""
    return {name.removesuffix("/manifest.json") for name in names if re.fullmatch("cells/[^/]+/manifest.json", name)}


def addresses(cache: Path) -> set[str]:
    """Where MLflow's runs, in the database of a machine's own folder, say that their cells are."""
    (database,) = cache.rglob("mlflow.db")
    client = MlflowClient(f"sqlite:///{database}")
    (experiment,) = client.search_experiments(filter_string="name = 'infomin_grid'")
    runs = client.search_runs([experiment.experiment_id])
    return {run.data.tags["store"] for run in runs if "cell_key" in run.data.tags}


@pytest.fixture
def place(s3: str) -> str:
    return new_bucket()


def test_what_one_machine_computed_another_finds_draws_and_reports(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    here, there = tmp_path / "here", tmp_path / "there"
    first = sweep("--store", place, cache=here)
    assert first.returncode == 0, first.stderr
    assert "computed: 4 cells" in first.stdout and f"store:    {place}" in first.stdout
    before = {name: stamp for name, stamp in stamps(place).items() if not name.startswith("driver/")}
    assert {name.split("/")[0] for name in before} == {"cells", "data"}, "attempts are swept"
    again = sweep("--store", place, cache=there)
    assert again.returncode == 0, again.stderr
    assert "0 cells: everything was in the store" in again.stdout
    assert before.items() <= stamps(place).items()
    assert addresses(here) == addresses(there) == {f"{place}/{name}" for name in stored_cells(before)}
    assert not list(there.rglob("encoder.safetensors")), "what nobody reads is not brought"
    monkeypatch.setenv("MI_RAY_CACHE", str(there))
    assert draw("--store", place, "--out", str(tmp_path / "figures")) == 0
    assert (tmp_path / "figures" / "infomin-estimate.png").is_file()
    assert report.main(["--store", place]) == 0
    (page,) = there.rglob("report.html")
    assert "data digest" in page.read_text()


@pytest.mark.parametrize("main", [draw, lambda *flags: report.main(flags)], ids=["figures", "report"])
def test_figures_and_report_refuse_a_bucket_that_is_not_there(s3: str, main: Callable[..., int], capsys: Any):
    assert main("--store", "s3://nowhere/runs") == 1
    told = capsys.readouterr()
    assert told.err.startswith("store: 's3://nowhere/runs' cannot be reached") and told.err.count("\n") == 1
    assert told.out == ""


def test_a_sweep_refuses_a_bucket_that_is_not_there_in_one_line_before_anything_starts(s3: str, tmp_path: Path):
    refused = sweep("--store", "s3://nowhere/runs", cache=tmp_path / "cache")
    assert refused.returncode == 2 and refused.stdout == "infomin_grid  preset smoke, store s3://nowhere/runs\n"
    assert "store: 's3://nowhere/runs' cannot be reached" in refused.stderr and refused.stderr.count("\n") == 1
    assert not (tmp_path / "cache").exists()


def test_a_sweep_refuses_a_bucket_without_credentials_in_one_line(place: str, tmp_path: Path):
    none = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
    refused = sweep("--store", place, cache=tmp_path / "cache", HOME=str(tmp_path), **none)
    assert refused.returncode == 2 and "NoCredentialsError" in refused.stderr and refused.stderr.count("\n") == 1
