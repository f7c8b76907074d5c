"""Trainings are followed while they run, and each point of a curve is logged once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mi_ray.experiments.plan.plan import Plan
from mi_ray.experiments.store.store import Store
from mi_ray.tracking import background, sqlite
from mi_ray.tracking.background import BackgroundRecorder
from mi_ray.tracking.reach import sqlite_uri
from mi_ray.tracking.recorder import Recorder
from tests.committed import commit, plan_of

SWEEP = Path(__file__).parents[2] / "sweeps" / "infomin_grid.py"


@pytest.fixture
def plan() -> Plan:
    return plan_of(pairing=("color",), task=("color",))


def recorder_of(tmp_path) -> Recorder:
    uri = sqlite_uri(tmp_path / "mlflow.db")
    made = Recorder(uri, experiment="infomin_grid", sweep="infomin_grid/smoke", artifacts=tmp_path / "artifacts")
    made.begin()
    return made


def live_runs(recorder: Recorder) -> list:
    found = MlflowClient(recorder.tracking_uri).search_runs([recorder.experiment_id])
    return [run for run in found if "live" in run.data.tags]


def curve(recorder: Recorder) -> list[tuple[int, float]]:
    (run,) = live_runs(recorder)
    history = MlflowClient(recorder.tracking_uri).get_metric_history(run.info.run_id, "history/loss_nats")
    return [(point.step, point.value) for point in history]


def values(step: int) -> dict[str, float]:
    return {"step": step, "loss_nats": 5.0 - step / 10, "views_per_second": float("inf")}


def test_a_training_is_followed_step_by_step_and_its_live_run_goes_when_it_is_mirrored(tmp_path, plan):
    store, recorder = Store(tmp_path / "runs"), recorder_of(tmp_path)
    store.prepare()
    cell = next(cell for cell in plan.cells.values() if cell.kind == "training")
    recorder.log_live(cell, {})
    assert not live_runs(recorder)
    for step in (3, 3, 6):
        recorder.log_live(cell, values(step))
    assert curve(recorder) == [(3, 4.7), (6, 4.4)]
    again = recorder_of(tmp_path)  # another process, after a kill
    for step in (5, 6, 9):
        again.log_live(cell, values(step))
    assert curve(again) == [(3, 4.7), (6, 4.4), (9, 4.1)]
    (run,) = live_runs(again)
    assert run.info.run_name.startswith("running: training pairing=color") and run.data.params["k_tr"] == "64"
    assert "history/views_per_second" not in run.data.metrics and run.info.status == "RUNNING"
    commit(cell, store)
    again.mirror(cell, store)
    assert not live_runs(again)
    again.log_live(cell, values(12))
    assert not live_runs(again), "a training that is over is not followed"


def test_what_probes_find_is_logged_once_at_its_own_step_and_stays_with_the_training(tmp_path, plan):
    store, recorder = Store(tmp_path / "runs"), recorder_of(tmp_path)
    store.prepare()
    cell, name = next(cell for cell in plan.cells.values() if cell.kind == "training"), "online_knn_accuracy_color"
    found = [{"step": 2, name: 0.25}, {"step": 5, name: 0.75}]
    recorder.log_live(cell, values(3), found[:1])
    recorder.log_live(cell, values(3), found)
    recorder_of(tmp_path).log_live(cell, values(6), found)
    client = MlflowClient(recorder.tracking_uri)
    (run,) = live_runs(recorder)
    assert points(client, run, name) == [(2, 0.25), (5, 0.75)] and len(curve(recorder)) == 2
    for row in reversed(found):
        store.note_probe(cell.key, row)
    commit(cell, store)
    recorder.mirror(cell, store)
    (kept,) = client.search_runs([recorder.experiment_id], f"tags.cell_key = '{cell.key}'")
    assert points(client, kept, name) == [(2, 0.25), (5, 0.75)]


def points(client: MlflowClient, run, name: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, f"history/{name}")]


def test_the_thread_follows_what_the_store_says_of_a_running_training(tmp_path, plan, monkeypatch):
    monkeypatch.setattr(background, "LIVE_SECONDS", 0.05)
    store, recorder = Store(tmp_path / "runs"), recorder_of(tmp_path)
    store.prepare()
    cell = next(cell for cell in plan.cells.values() if cell.kind == "training")
    attempt = store.attempt(cell.key)
    mirror = BackgroundRecorder(recorder, store)
    mirror.begin()
    mirror.began(cell)
    attempt.report_progress(0.5, values(4))
    assert store.progress(cell.key) == 0.5 and store.latest(cell.key)["loss_nats"] == 4.6
    for _ in range(200):
        if live_runs(recorder) and curve(recorder):
            break
        background.time.sleep(0.05)
    assert curve(recorder) == [(4, 4.6)]
    mirror.ended(cell)
    attempt.report_progress(0.6, values(5))
    background.time.sleep(0.3)
    assert curve(recorder) == [(4, 4.6)]
    assert mirror.drain(plan) == 0


def test_a_live_run_of_a_training_that_was_not_committed_ends_with_its_driver_and_goes_on_with_the_next(tmp_path, plan):
    cell = next(cell for cell in plan.cells.values() if cell.kind == "training")
    first, other = recorder_of(tmp_path), recorder_of(tmp_path)
    first.log_live(cell, values(3))
    other.finish("FAILED")
    assert [run.info.status for run in live_runs(first)] == ["RUNNING"], "it is the first driver's"
    first.finish("KILLED")
    assert [run.info.status for run in live_runs(first)] == ["KILLED"]
    again = recorder_of(tmp_path)
    again.log_live(cell, values(6))
    assert [run.info.status for run in live_runs(again)] == ["RUNNING"] and len(curve(again)) == 2


def test_a_training_is_followed_again_after_an_outage_without_a_cell_that_ends(tmp_path, plan, monkeypatch):
    monkeypatch.setattr(background, "LIVE_SECONDS", 0.05)
    monkeypatch.setattr(background, "RESTS", 0.0)
    monkeypatch.setattr(sqlite, "LOCK_SECONDS", 0.1)
    told: list[str] = []
    store, recorder = Store(tmp_path / "runs"), recorder_of(tmp_path)
    store.prepare()
    cell = next(cell for cell in plan.cells.values() if cell.kind == "training")
    mirror = BackgroundRecorder(recorder, store, told.append)
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        mirror.begin()
        mirror.began(cell)
        store.attempt(cell.key).report_progress(0.5, values(4))
        background.time.sleep(0.3)
        assert len(told) == 1, "each failure after the first is silent"
    until = background.time.monotonic() + 30
    while len(told) < 2 or not (live_runs(recorder) and curve(recorder)):
        assert background.time.monotonic() < until
        background.time.sleep(0.05)
    assert curve(recorder) == [(4, 4.6)] and told[1].startswith("MLflow answers again: ")
    assert mirror.drain(plan) == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_in_a_laptop_run_mlflow_shows_the_loss_of_a_running_training_within_15_seconds_of_its_step(tmp_path):
    store, shown = Store(tmp_path / "runs"), dict[int, float]()
    command = [str(SWEEP), "--preset", "laptop", "--only", "training*color*", "--store", str(store.root)]
    reported: dict[int, float] = {}
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as driver:
        try:
            until = background.time.time() + 500
            while len(shown) < 8:
                assert driver.poll() is None and background.time.time() < until
                note_reports(store, reported)
                shown |= dict(points_in(store.root / "mlflow.db"))
                background.time.sleep(0.2)
        finally:
            driver.terminate()
    steps = sorted(reported.keys() & shown.keys())
    assert len(steps) >= 6
    # a step after one that was reported is shown with the next point
    delays = [shown[step] - reported[before] for before, step in pairwise(steps)]
    assert max(delays) < 15, f"delays of {', '.join(f'{delay:.1f} s' for delay in delays)}"
    print("longest delay", f"{max(delays):.1f} s")


def note_reports(store: Store, reported: dict[int, float]) -> None:
    """Note when the running training has reported a step."""
    for path in store.root.glob("work/training-*/*/progress"):
        with suppress(OSError):
            if step := store.latest(path.parents[1].name).get("step"):
                reported.setdefault(int(step), path.stat().st_mtime)


POINTS = """SELECT metrics.step, metrics.timestamp FROM metrics JOIN tags ON tags.run_uuid = metrics.run_uuid
WHERE metrics.key = 'history/loss_nats' AND tags.key = 'live'"""


def points_in(database: Path) -> list[tuple[int, float]]:
    """Steps of the losses of all live runs, and when they were logged."""
    if not database.is_file():
        return []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)) as connection:
        return [(step, at_ms / 1000) for step, at_ms in connection.execute(POINTS)]
