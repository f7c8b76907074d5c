"""A study is killed in the middle: the same command resumes it, and computes nothing twice."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient

from mi_ray.experiments.store.store import Store
from tests.faults.matrix import PATIENCE
from tests.orchestration.conftest import start, sweep

SMALL = ("--axis", "pairing=color,digit", "--axis", "task=color,digit", "--axis", "views=4000")
CELLS = 2 * (1 + 1 + 2 + 2)


def wait_for(process: subprocess.Popen[str], line: str) -> None:
    for printed in process.stdout:
        if line in printed:
            return
    raise AssertionError(f"{line!r} was never printed: {process.stderr.read()}")


def committed(store: Path) -> dict[str, dict]:
    cells = Store(store)
    return {p.name: cells.read(p.name).manifest for p in cells.cells.iterdir()} if cells.cells.is_dir() else {}


def kill_and_go_on(store: Path, *where: str) -> None:
    """kill -9 the driver in its second training, then run the same command."""
    driver = start(*SMALL, *where, store=store)
    wait_for(driver, "done    training")
    wait_for(driver, "start   training")
    time.sleep(1)
    descendants = psutil.Process(driver.pid).children(recursive=True)
    driver.kill()
    driver.communicate()
    before = committed(store)
    assert 1 <= len(before) < CELLS
    again = sweep(*SMALL, *where, store=store)
    assert again.code == 0, again.err
    after = committed(store)
    assert len(after) == CELLS
    assert {key: after[key] for key in before} == before
    gone = [child for child in descendants if not child.is_running() or child.status() == psutil.STATUS_ZOMBIE]
    assert len(gone) == len(descendants)


def runs_by_cell(store: Path) -> list[str]:
    client = MlflowClient(f"sqlite:///{store}/mlflow.db")
    experiment = client.get_experiment_by_name("infomin_grid")
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    return sorted(run.data.tags["cell_key"] for run in runs if "cell_key" in run.data.tags)


@pytest.mark.slow
@pytest.mark.fault("F9", "kill -9 of the driver in its second training, with --on here")
def test_a_driver_killed_in_its_second_training_goes_on_without_ray(tmp_path: Path):
    kill_and_go_on(tmp_path / "runs", "--on", "here")
    assert runs_by_cell(tmp_path / "runs") == sorted(committed(tmp_path / "runs"))


@pytest.mark.slow
@pytest.mark.fault("F9", "kill -9 of the driver on Ray after its first training")
def test_a_driver_killed_in_its_second_training_goes_on_with_ray(tmp_path: Path):
    store = tmp_path / "runs"
    driver = start(*SMALL, store=store)
    wait_for(driver, "done    training")
    driver.kill()
    driver.communicate()
    before = committed(store)
    again = sweep(*SMALL, store=store)
    assert again.code == 0, again.err
    after = committed(store)
    assert len(after) == CELLS and before
    assert {key: after[key] for key in before} == before
    assert runs_by_cell(store) == sorted(after)


def trial_of(driver: subprocess.Popen[str]) -> psutil.Process | None:
    """A Ray worker of this driver that runs a Tune trial."""
    for child in psutil.Process(driver.pid).children(recursive=True):
        with suppress(psutil.Error):
            if "JobTrial" in " ".join(child.cmdline()):
                return child
    return None


@pytest.mark.slow
@pytest.mark.fault("F5", "kill -9 of a Tune trial in mid-training")
def test_a_worker_killed_in_mid_training_is_tried_again(tmp_path: Path):
    store = tmp_path / "runs"
    driver = start(*SMALL[:-1], "views=12000", store=store)  # long enough to be found in its middle
    wait_for(driver, "start   training")
    while not (any((store / "work").glob("training-*/1/progress")) and (worker := trial_of(driver))):
        assert driver.poll() is None, driver.communicate()
        time.sleep(0.01)
    os.kill(worker.pid, signal.SIGKILL)
    _, err = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 0, err
    attempts = [manifest["attempt"] for manifest in committed(store).values()]
    assert len(attempts) == CELLS
    assert max(attempts) > 1


@pytest.mark.fault("F10", "SIGTERM to the driver in a training")
@pytest.mark.parametrize("where", [("--on", "here"), pytest.param((), marks=pytest.mark.slow)], ids=["here", "ray"])
def test_sigterm_stops_in_order_and_says_how_to_go_on(tmp_path: Path, where: tuple[str, ...]):
    store = tmp_path / "runs"
    driver = start(*SMALL, *where, store=store)
    wait_for(driver, "start   training")
    time.sleep(1)
    driver.terminate()
    out, err = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 130
    assert "the same command goes on" in err
    first = next(line for line in err.splitlines() if line.startswith("infomin_grid: "))
    assert re.match(r"infomin_grid: stopping; saving \d trainings?(, losing [\w, ]+)?; again: at once$", first)
    saved = re.findall(r"saved   (.*)  at step (\d+) of ", out)
    assert saved and all(name.startswith("training ") and int(step) > 0 for name, step in saved)


@pytest.mark.slow
@pytest.mark.fault("F10", "SIGTERM to a driver that ignores Ctrl-C")
def test_sigterm_stops_a_sweep_that_a_shell_started_in_the_background(tmp_path: Path):
    """Processes started by such a shell ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        driver = start(*SMALL, "--on", "here", store=tmp_path / "runs")
    finally:
        signal.signal(signal.SIGINT, before)
    wait_for(driver, "start   training")
    driver.terminate()
    driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 130


@pytest.mark.fault("F21", "a second driver in the same store")
def test_a_second_driver_is_refused_by_name(tmp_path: Path):
    store = tmp_path / "runs"
    driver = start(*SMALL, "--on", "here", store=store)
    wait_for(driver, "start   training")
    second = sweep(*SMALL, "--on", "here", store=store)
    driver.kill()
    driver.communicate()
    assert second.code == 2
    assert f"in use by process {driver.pid} on " in second.err


@pytest.mark.fault("F31", "a training that diverges")
def test_a_training_that_diverges_blocks_its_own_questions_and_no_others(tmp_path: Path):
    axes = ("--axis", "pairing=color", "--axis", "task=color", "--axis", "learning_rate=0.001,1e30")
    ran = sweep(*axes, "--on", "here", store=tmp_path / "runs")
    assert ran.code == 1
    assert "Diverged: loss is" in ran.out
    kinds = sorted(manifest["kind"] for manifest in committed(tmp_path / "runs").values())
    assert kinds == ["embedding", "estimation", "evaluation", "training"]
