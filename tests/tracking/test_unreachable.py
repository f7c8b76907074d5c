"""A server that does not answer costs a sweep seconds and no cell, because a queue separates the two."""

from __future__ import annotations

import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from mi_ray.experiments.plan.plan import Plan
from mi_ray.experiments.store.store import Store
from mi_ray.tracking import background, sqlite
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


@pytest.mark.fault("F13", "a server that refuses or hangs")
@pytest.mark.parametrize("server", ["closed_port", "silent_server"])
def test_a_dead_server_costs_seconds_and_counts_every_cell_as_unsynced(
    new_recorder: NewRecorder, plan: Plan, store: Store, request: pytest.FixtureRequest, server: str
) -> None:
    started = time.monotonic()
    told: list[str] = []
    recorder = BackgroundRecorder(new_recorder(request.getfixturevalue(server)), store, told.append)
    recorder.begin()
    assert len(told) == 1 and "127.0.0.1" in told[0] and "\n" not in told[0]
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


@pytest.mark.fault("F13", "a database that another program holds locked")
def test_after_a_failure_the_background_rests_until_drain_brings_everything(
    new_recorder: NewRecorder, plan: Plan, store: Store, tmp_path: Path
) -> None:
    told: list[str] = []
    recorder = BackgroundRecorder(new_recorder(), store, told.append)
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        recorder.begin()
        assert recorder.failure and "locked by another program" in recorder.failure
        assert len(told) == 1 and told[0].startswith(recorder.failure)
        recorder.enqueue(next(iter(plan.cells.values())))
    assert recorder.drain(plan) == 0 and recorder.failure is None
    assert by_key(recorder.recorder).keys() == plan.cells.keys()


@pytest.mark.fault("F13", "an outage that ends while the sweep goes on")
def test_what_was_missed_in_an_outage_is_mirrored_with_the_next_cell_after_it(
    new_recorder: NewRecorder, plan: Plan, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "RESTS", 0.0)
    monkeypatch.setattr(sqlite, "LOCK_SECONDS", 0.1)
    told: list[str] = []
    recorder, cells = BackgroundRecorder(new_recorder(), store, told.append), list(plan.cells.values())
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        recorder.begin()
        recorder.enqueue(cells[0])
    recorder.enqueue(cells[1])
    until = time.monotonic() + 30
    while len(told) < 2:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert told[1].startswith("MLflow answers again: ")
    assert recorder.drain(plan) == 0


@pytest.mark.fault("F13", "an outage that begins in the middle of a sweep")
def test_an_outage_in_the_middle_is_told_when_it_begins(
    new_recorder: NewRecorder, plan: Plan, store: Store, tmp_path: Path
) -> None:
    told: list[str] = []
    recorder, moved = BackgroundRecorder(new_recorder(), store, told.append), tmp_path / "mlflow.db.away"
    recorder.begin()
    (tmp_path / "mlflow.db").rename(moved)
    (tmp_path / "mlflow.db").mkdir()
    recorder.enqueue(next(iter(plan.cells.values())))
    until = time.monotonic() + 40
    while not told:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert "the computation goes on" in told[0]
    assert recorder.drain(plan) == len(plan.cells) and "is a folder" in str(recorder.failure)


class Failing(BaseHTTPRequestHandler):
    """Answers every request with 500."""

    def do_GET(self) -> None:
        self.send_error(500)

    do_POST = do_GET

    def log_message(self, *arguments: object) -> None: ...


@pytest.mark.fault("F13", "every request is answered with 500")
def test_a_server_that_only_fails_is_an_outage(new_recorder: NewRecorder, plan: Plan, store: Store) -> None:
    told: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Failing) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        recorder = BackgroundRecorder(new_recorder(f"http://127.0.0.1:{server.server_port}"), store, told.append)
        recorder.begin()
        assert len(told) == 1 and "500" in told[0]
        assert recorder.drain(plan) == len(plan.cells)
        server.shutdown()


@pytest.mark.fault("F13", "a proxy that is not there")
def test_a_dead_proxy_is_named_with_the_way_around_it(
    new_recorder: NewRecorder, closed_port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", closed_port.replace("//", "//user:secret@"))
    with pytest.raises(Unreachable) as raised:
        new_recorder("http://mlflow.example:5000").begin()
    assert f"through the proxy {closed_port} of the environment" in str(raised.value)
    assert "NO_PROXY=mlflow.example" in str(raised.value) and "secret" not in str(raised.value)
