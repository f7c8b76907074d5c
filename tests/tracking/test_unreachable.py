"""A server that does not answer costs a sweep seconds and no cell, because a queue separates the two."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mi_ray.experiments.plan.plan import Plan
from mi_ray.experiments.store.store import Store
from mi_ray.tracking.background import BackgroundRecorder
from mi_ray.tracking.reach import Unreachable
from mi_ray.tracking.recorder import Recorder
from tests.mirrors import by_key

NewRecorder = Callable[..., Recorder]


@pytest.fixture
def closed_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def silent_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A port that accepts connections and never answers; MLflow's timeout is shortened."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("server", ["closed_port", "silent_server"])
def test_a_dead_server_costs_seconds_and_counts_every_cell_as_unsynced(
    new_recorder: NewRecorder, plan: Plan, store: Store, request: pytest.FixtureRequest, server: str
) -> None:
    started = time.monotonic()
    recorder = BackgroundRecorder(new_recorder(request.getfixturevalue(server)), store)
    recorder.begin()
    for cell in plan.cells.values():
        recorder.enqueue(cell)
    assert recorder.drain(plan) == len(plan.cells)
    assert time.monotonic() - started < 15
    assert recorder.failure and "\n" not in recorder.failure and "127.0.0.1" in recorder.failure


def test_a_dead_server_is_one_exception_to_the_caller(
    new_recorder: NewRecorder, plan: Plan, store: Store, closed_port: str
) -> None:
    recorder = new_recorder(closed_port)
    for call in (
        recorder.begin,
        lambda: recorder.mirror(next(iter(plan.cells.values())), store),
        lambda: recorder.attach([]),
    ):
        with pytest.raises(Unreachable, match="Connection refused"):
            call()


def test_a_database_that_cannot_be_made_is_unreachable_at_once(new_recorder: NewRecorder, tmp_path: Path) -> None:
    (tmp_path / "folder.db").mkdir()
    (tmp_path / "file").touch()
    started = time.monotonic()
    for place in ("folder.db", "file/mlflow.db"):
        with pytest.raises(Unreachable):
            new_recorder(f"sqlite:///{tmp_path}/{place}").begin()
    assert time.monotonic() - started < 2


def test_told_cells_are_mirrored_while_the_sweep_goes_on_and_drain_brings_the_rest(
    new_recorder: NewRecorder, plan: Plan, store: Store
) -> None:
    recorder = BackgroundRecorder(new_recorder(), store)
    recorder.begin()
    for cell in list(plan.cells.values())[:4]:
        recorder.enqueue(cell)
    assert recorder.drain(plan) == 0 and recorder.failure is None
    assert by_key(recorder.recorder).keys() == plan.cells.keys()


def test_after_a_failure_the_background_rests_until_drain_brings_everything(
    new_recorder: NewRecorder, plan: Plan, store: Store, tmp_path: Path
) -> None:
    database, recorder = tmp_path / "mlflow.db", BackgroundRecorder(new_recorder(), store)
    database.unlink()
    database.mkdir()
    recorder.begin()
    assert recorder.failure
    recorder.enqueue(next(iter(plan.cells.values())))
    database.rmdir()
    assert recorder.drain(plan) == 0 and recorder.failure is None
    assert by_key(recorder.recorder).keys() == plan.cells.keys()
