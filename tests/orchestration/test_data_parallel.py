"""Several Ray Train workers train the encoder that one would, commit it once, and are refused if they cannot fit."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from mi_ray.compute.numerics.cores import cores
from mi_ray.experiments.store.store import CommittedCell
from tests.faults.matrix import PATIENCE
from tests.orchestration.conftest import start, sweep
from tests.orchestration.test_interruptions import wait_for

ONE_ENCODER = ("--axis", "pairing=color", "--axis", "task=color")
TWO = ("--workers", "2")


def trainings(store: Path) -> list[CommittedCell]:
    return [CommittedCell(path) for path in sorted((store / "cells").glob("training-*"))]


@pytest.mark.slow
@pytest.mark.ray
def test_two_workers_train_the_encoder_of_one(tmp_path: Path):
    """Up to the order of sums in bfloat16: both see the same views of the same pairs, and give like estimates."""
    ran = sweep(*ONE_ENCODER, *TWO, store=tmp_path / "two")
    assert ran.code == 0, ran.err
    assert sweep(*ONE_ENCODER, "--on", "here", store=tmp_path / "one").code == 0
    (two,), (one,) = trainings(tmp_path / "two"), trainings(tmp_path / "one")
    assert (two.manifest["workers"], one.manifest["workers"]) == (2, 1) and two.key == one.key
    assert two.result["steps"] == one.result["steps"]
    assert two.history[0]["loss_nats"] == pytest.approx(one.history[0]["loss_nats"], abs=5e-3)
    assert two.result["in_training_bits"] == pytest.approx(one.result["in_training_bits"], abs=0.05)
    assert {path.name for path in two.path.iterdir()} == {path.name for path in one.path.iterdir()}
    accuracy = [CommittedCell(next((tmp_path / name / "cells").glob("evaluation-*"))).result for name in ("two", "one")]
    noise = sum(result["linear_standard_error"] ** 2 for result in accuracy) ** 0.5
    assert abs(accuracy[0]["linear_accuracy"] - accuracy[1]["linear_accuracy"]) <= max(3 * noise, 0.01)


@pytest.mark.slow
@pytest.mark.fault("F1", "kill -9 of a Ray Train worker in mid-training")
def test_a_worker_killed_in_mid_training_takes_its_team_back_to_the_checkpoint(tmp_path: Path):
    store = tmp_path / "runs"
    driver = start(*ONE_ENCODER, *TWO, "--axis", "views=8000", store=store)
    wait_for(driver, "start   training")
    while not any((store / "work").glob("training-*/1/progress")):
        assert driver.poll() is None
        time.sleep(0.1)
    below = psutil.Process(driver.pid).children(recursive=True)
    workers = [process for process in below if "RayTrainWorker" in " ".join(process.cmdline())]
    os.kill(workers[-1].pid, signal.SIGKILL)
    _, err = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 0, err
    (training,) = trainings(store)
    assert training.manifest["attempt"] == 2 and training.manifest["workers"] == 2


@pytest.mark.slow
def test_a_training_that_diverges_on_all_workers_is_not_tried_again(tmp_path: Path):
    ran = sweep(*ONE_ENCODER, *TWO, "--axis", "learning_rate=1e30", store=tmp_path)
    assert ran.code == 1 and "Diverged: loss is" in ran.out
    (folder,) = (tmp_path / "work").glob("training-*")
    assert [path.name for path in folder.iterdir()] == ["1"]


@pytest.mark.fault("F32", "more workers than the cluster has room for at once")
def test_more_workers_than_fit_are_refused_at_once_with_the_arithmetic(tmp_path: Path):
    has = cores()
    workers = has + 2
    before = time.monotonic()
    ran = sweep("--workers", str(workers), "--axis", f"k_tr={8 * workers}", store=tmp_path / "runs")
    seconds = time.monotonic() - before
    assert ran.code == 2
    assert f"workers: {workers} workers of 0.99 CPU and 0 GPU and a trial of 0.01 CPU and 0 GPU take" in ran.err
    assert f"the cluster has 1 node with {has} CPU and 0 GPU, room for {has}; allowed: {has} or fewer" in ran.err
    assert not (tmp_path / "runs").exists() and seconds < 60


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--workers", "0"), "workers: 0 is not allowed; allowed: 1 or more"),
        (("--workers", "2", "--on", "here"), "workers: 2 is not allowed; allowed: 1 with --on here"),
        (("--workers", "2", "--axis", "k_tr=63"), "workers: 2 is not allowed; allowed: a divisor of k_tr, 63"),
        (("--gpus", "0.5"), "gpus: a training takes 1 CPU and 0.5 GPU; the cluster has 1 node with"),
    ],
)
def test_flags_that_make_no_sense_are_refused(flags: tuple[str, ...], message: str, tmp_path: Path):
    ran = sweep(*flags, store=tmp_path / "runs")
    assert (ran.code, message in ran.err, (tmp_path / "runs").exists()) == (2, True, False), ran.err
