"""The mirror through a real MLflow server with SQLite or PostgreSQL: the same table, each row once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pandas as pd
import pytest
from mlflow import MlflowClient

from mi_ray.experiments.plan.plan import Plan
from mi_ray.experiments.store.manifest import sealed_text
from mi_ray.experiments.store.store import Store
from mi_ray.tracking.mirror import read_cells
from mi_ray.tracking.recorder import PARENT, SWEEP, Recorder
from tests.committed import commit_all, plan_of
from tests.faults.matrix import PATIENCE
from tests.mirrors import by_key, everything, held, told_twice
from tests.servers import PASSWORD, Server

WRITER = Path(__file__).with_name("writers.py")


@pytest.fixture
def recorder(server: Server, request: pytest.FixtureRequest) -> Recorder:
    """An experiment for one test, on the server that tests share."""
    return again(server, request.node.name)


def again(server: Server, experiment: str) -> Recorder:
    return Recorder(server.url, experiment=experiment, sweep="infomin_grid/smoke", artifacts=None)


def test_the_same_comes_back_through_the_server_as_from_the_database_of_the_store(
    recorder: Recorder, looked_at: tuple[Recorder, Store], plan: Plan
) -> None:
    direct, store = looked_at
    assert recorder.mirror_all(plan, store) == 0
    tables = [
        read_cells(mirror.tracking_uri, mirror.experiment, plan.cells.keys()).sort_values("key", ignore_index=True)
        for mirror in (direct, recorder)
    ]
    pd.testing.assert_frame_equal(*tables, check_like=True)
    assert len(tables[0]) == len(plan.cells)
    assert everything(recorder) == everything(direct)


@pytest.mark.slow
def test_mirroring_twice_adds_no_run_and_no_row(
    recorder: Recorder, server: Server, looked_at: tuple[Recorder, Store], plan: Plan
) -> None:
    assert recorder.mirror_all(plan, looked_at[1]) == 0
    before = {run.info.run_id for run in held(recorder)}
    second = again(server, recorder.experiment)
    second.begin()
    assert second.mirror_all(plan, looked_at[1]) == 0
    assert {run.info.run_id for run in held(second)} == before
    assert everything(second) == everything(looked_at[0])


def test_figures_go_through_the_server(recorder: Recorder, server: Server, tmp_path: Path) -> None:
    (tmp_path / "figure.csv").write_text("task,value\n")
    recorder.attach([tmp_path / "figure.csv"])
    client = MlflowClient(server.url)
    run = client.get_run(recorder.sweep_run_id)
    assert run.info.artifact_uri.startswith("mlflow-artifacts:/")
    assert [file.path for file in client.list_artifacts(recorder.sweep_run_id, "figures")] == ["figures/figure.csv"]
    kept = list((server.folder / "elsewhere").rglob(f"{recorder.sweep_run_id}/**/figure.csv"))
    assert [file.read_text() for file in kept] == ["task,value\n"]


class LosesReplies(BaseHTTPRequestHandler):
    """Passes requests on to the server at ``port``, and loses the reply to every fifth that changes something."""

    port = 0
    changes = 0

    def do_GET(self) -> None:
        self._pass_on(loses=False)

    def do_POST(self) -> None:
        type(self).changes += 1
        self._pass_on(loses=self.changes % 5 == 0)

    do_PATCH = do_POST

    def _pass_on(self, loses: bool) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server = HTTPConnection("127.0.0.1", self.port, timeout=20)
        server.request(self.command, self.path, body, {**self.headers, "Host": f"127.0.0.1:{self.port}"})
        reply = server.getresponse()
        content = reply.read()
        if loses:
            self.close_connection = True
            return
        self.send_response(reply.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None: ...


@pytest.mark.slow
@pytest.mark.fault("F14", "every fifth reply of the server is lost after it did what was asked")
def test_replies_that_are_lost_double_nothing(
    sqlite_server: Server, looked_at: tuple[Recorder, Store], plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LosesReplies, "port", sqlite_server.port)
    with ThreadingHTTPServer(("127.0.0.1", 0), LosesReplies) as between:
        Thread(target=between.serve_forever, daemon=True).start()
        mirror = Recorder(
            f"http://127.0.0.1:{between.server_port}",
            experiment="lost replies",
            sweep="infomin_grid/smoke",  # which is the source of a run
            artifacts=None,
        )
        tries = 1
        while mirror.mirror_all(plan, looked_at[1]):
            tries += 1
            assert tries < 40
        between.shutdown()
    second = again(sqlite_server, "lost replies")
    second.experiment_id = mirror.experiment_id
    assert LosesReplies.changes > 5 and told_twice(second) == []
    assert len(held(second)) == len(plan.cells) + 1 and everything(second) == everything(looked_at[0])


@pytest.mark.slow
@pytest.mark.fault("F12", "kill -9 of the server in the middle")
def test_killed_on_the_way_and_started_again_it_holds_everything_once(
    recorder: Recorder, server: Server, looked_at: tuple[Recorder, Store], plan: Plan
) -> None:
    unsynced: list[int] = []
    mirror = Thread(target=lambda: unsynced.append(recorder.mirror_all(plan, looked_at[1])))
    mirror.start()
    until = time.monotonic() + 60
    while len(recorder._complete) < 3:
        assert mirror.is_alive() and time.monotonic() < until
    server.kill()
    mirror.join()
    server.start()
    assert 0 < unsynced[0] <= len(plan.cells) - 3
    second = again(server, recorder.experiment)
    assert second.mirror_all(plan, looked_at[1]) == 0
    assert len(held(second)) == len(plan.cells) + 1
    assert everything(second) == everything(looked_at[0])


@pytest.mark.slow
@pytest.mark.fault("F21", "three drivers with one database")
@pytest.mark.parametrize("served_by", ["sqlite_server", "two_process_server"])
def test_drivers_that_mirror_the_same_cells_at_once_make_one_run_of_each(
    served_by: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Two drivers have the same store; the third computed its cells itself, at another time."""
    server: Server = request.getfixturevalue(served_by)
    plans = [plan_of(seed=seeds) for seeds in ((0, 1), (1, 2), (0, 2))]
    for place, cells in (("one", plans), ("other", plans[2:])):
        for each in cells:
            commit_all(each.cells.values(), Store(tmp_path / place))
    for manifest in (tmp_path / "other").rglob("manifest.json"):
        fields = json.loads(manifest.read_text())
        manifest.write_text(sealed_text(fields | {"committed_at": fields["committed_at"] + 60, "seconds": 61.5}))
    stores = [tmp_path / "one", tmp_path / "one", tmp_path / "other"]
    name = request.node.name
    assert at_once(server, name, stores, ("0,1", "1,2", "0,2")) == [(0, "0 None\n")] * 3
    looked = again(server, name)
    looked.experiment_id = MlflowClient(server.url).get_experiment_by_name(name).experiment_id
    keys = {key for each in plans for key in each.cells}
    assert by_key(looked).keys() == keys and told_twice(looked) == []
    everyone = {run.info.run_id: run for run in held(looked)}
    assert len(everyone) == len(keys) + len(stores)
    assert all(run.data.tags[PARENT] in everyone for run in everyone.values() if SWEEP not in run.data.tags)


def at_once(server: Server, experiment: str, stores: list[Path], seeds: tuple[str, ...]) -> list[tuple[int, str]]:
    """Let drivers start, wait for each other and mirror; returns their exit codes and outputs."""
    go = stores[0].parent / "go"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}
    commands = [
        [sys.executable, str(WRITER), server.url, experiment, str(store), each, str(go)]
        for store, each in zip(stores, seeds, strict=True)
    ]
    drivers = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for command in commands]
    until = time.monotonic() + 100
    while len(list(go.parent.glob("go-*"))) < len(drivers):
        assert time.monotonic() < until and all(driver.poll() is None for driver in drivers)
        time.sleep(0.05)
    go.touch()
    outputs = [driver.communicate(timeout=PATIENCE)[0] for driver in drivers]
    return [(driver.returncode, text) for driver, text in zip(drivers, outputs, strict=True)]


def test_the_password_of_the_database_is_in_no_list_of_processes(postgres_server: Server) -> None:
    assert not [one for one in postgres_server.processes if PASSWORD in " ".join(one.cmdline())]
    assert PASSWORD not in (postgres_server.folder / "server.log").read_text()
