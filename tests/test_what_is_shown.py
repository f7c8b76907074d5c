"""A real sweep, in a process of its own: screen, csv, MLflow and report state the same, of the same cells."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from analysis.page import page as report_page
from analysis.page.collect import collect

ROOT = Path(__file__).parents[1]
SMALL = [
    "--preset", "smoke", "--axis", "arch=test_resnet", "--axis", "pairing=color", "--axis", "train_images=1024",
    "--on", "here",
]  # fmt: skip
TWO = ["--axis", "task=color,digit", "--axis", "k_tr=8,32"]
TICKED = re.compile(r"\d\.\d\d–\d\.\d\d ✓")


def sweep(store: Path, *flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    called = [sys.executable, str(ROOT / "sweeps" / "infomin_grid.py"), *SMALL, "--store", str(store), *flags]
    changed = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    return subprocess.run(called, env=changed, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A store and what the screen said."""
    store = tmp_path_factory.mktemp("swept")
    done = sweep(store, *TWO)
    assert done.returncode == 0, done.stderr
    return store, done.stdout


def estimates(store: Path) -> pd.DataFrame:
    return pd.read_csv(store / "figures/infomin_grid/smoke/infomin-estimate.csv").fillna({"nominal_outside": ""})


def runs_of(store: Path) -> list[Run]:
    client = MlflowClient(f"sqlite:///{store}/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'infomin_grid'")
    return client.search_runs([experiment.experiment_id])


def test_both_k_tr_stand_apart_on_the_screen_and_in_the_table(swept: tuple[Path, str]) -> None:
    store, screen = swept
    headings = re.findall(r"^(.*) \(.*rows: task, columns: pairing$", screen, re.MULTILINE)
    assert headings == [
        f"{value}; k_tr={k_tr}"
        for value in ("linear balanced accuracy", "post-training estimate, bits")
        for k_tr in (8, 32)
    ]  # fmt: skip
    rows = estimates(store)
    assert sorted(rows["k_tr"]) == [8, 8, 32, 32] and set(rows["n_seeds_asked"]) == {1}


def test_every_tick_stands_beside_a_bracket_and_every_nominal_value_outside_one_says_so(
    swept: tuple[Path, str],
) -> None:
    store, screen = swept
    assert "✓ certified" in screen and TICKED.search(screen)
    for line in screen.splitlines():
        legend = line.startswith("✓ certified")
        assert legend or line.count("✓") == len(TICKED.findall(line)), line
    for _, row in estimates(store).iterrows():
        limits = f"{row['lower_bits']:.2f}–{row['upper_bits']:.2f}"
        assert row["certified"] == row["statement"].startswith(f"{limits} ✓") == ("✓" in row["statement"])
        outside = not row["lower_bits"] <= row["value"] <= row["upper_bits"]
        assert outside == bool(row["nominal_outside"]) == any(word in row["statement"] for word in ("below", "above"))
        assert row["statement"] in screen


def test_mlflow_and_the_report_state_what_the_csv_states(swept: tuple[Path, str]) -> None:
    store, _ = swept
    rows = estimates(store)
    told = [run.data.tags for run in runs_of(store) if run.data.tags["kind"] == "estimation"]
    assert sorted(tags["statement"] for tags in told) == sorted(rows["statement"])
    assert sorted(tags.get("nominal_outside", "") for tags in told) == sorted(rows["nominal_outside"])
    page = report_page.page(collect(store))
    assert all(statement in page for statement in rows["statement"])
    assert f"{rows['certified'].sum()} of 4 certified" in page


def test_no_two_runs_and_no_two_cells_have_a_name_in_common(swept: tuple[Path, str]) -> None:
    store, screen = swept
    names = [run.info.run_name for run in runs_of(store)]
    assert len(set(names)) == len(names) == 1 + 12
    cells = pd.read_csv(store / "figures/infomin_grid/smoke/cells.csv")
    assert cells["name"].is_unique and len(cells) == 12
    assert len(set(re.findall(r"  done    (.*?)  in ", screen))) == screen.count("  done    ") == 10


def test_a_run_that_commits_nothing_says_that_it_computed_nothing(tmp_path: Path) -> None:
    flags = ["--axis", "task=color"]
    failed = sweep(tmp_path, *flags, MI_RAY_FAILPOINT="train.step:raise@2")
    assert failed.returncode == 1, failed.stderr
    assert "computed: 0 cells; 4 were not in the store" in failed.stdout.replace("  ", " ")
    assert "[0/4, 1 failed, 3 blocked" in failed.stdout and "failed training: RuntimeError" in failed.stdout
    later = sweep(tmp_path, *flags, MI_RAY_FAILPOINT="commit.before_rename:raise@3")
    assert "failed estimation: RuntimeError" in later.stdout
    assert "computed: 3 cells; 4 were not in the store" in later.stdout.replace("  ", " ")
    last = sweep(tmp_path, *flags)
    assert "computed: 1 cell\n" in last.stdout
