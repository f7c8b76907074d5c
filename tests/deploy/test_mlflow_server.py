"""The script that starts MLflow on a head: on loopback only, for allowed hosts, only once, and stopped on request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pytest
from mlflow import MlflowClient

from tests.servers import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(
        tmp_path_factory.mktemp("head") / "mlflow", variables={"MLFLOW_ALLOWED_HOSTS": "mlflow.lab,*.lab:443"}
    )
    try:
        yield server.start()
    finally:
        server.stop()


def status(server: Server, **headers: str) -> int:
    """HTTP status of a request that would change an experiment, as a page in a browser could send it."""
    body = json.dumps({"experiment_id": "0", "key": "seen", "value": "true"}).encode()
    address = f"{server.url}/api/2.0/mlflow/experiments/set-experiment-tag"
    request = Request(address, body, {"Content-Type": "application/json", **headers})
    try:
        with urlopen(request) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


def test_it_listens_on_loopback_alone(server: Server):
    listening = {at.laddr for one in server.processes for at in one.net_connections("tcp") if at.status == "LISTEN"}
    assert {(at.ip, at.port) for at in listening} == {("127.0.0.1", server.port)}


HOSTS = {"127.0.0.1:5000": 200, "localhost:8888": 200, "mlflow.lab": 200, "a.lab:443": 200, "b.lab": 403, "evil": 403}


@pytest.mark.parametrize(("host", "code"), HOSTS.items())
def test_it_answers_to_the_names_of_the_tunnel_and_those_it_was_told_alone(server: Server, host: str, code: int):
    assert status(server, Host=host) == code


@pytest.mark.parametrize(("origin", "code"), [("http://localhost:5000", 200), ("http://evil.example", 403)])
def test_a_page_from_elsewhere_changes_nothing(server: Server, origin: str, code: int):
    assert status(server, Origin=origin) == code


def test_artifacts_go_through_it_to_where_they_belong(server: Server, tmp_path: Path):
    client = MlflowClient(server.url)
    run = client.create_run(client.create_experiment("proxied"))
    (tmp_path / "figure.csv").write_text("a,b\n")
    client.log_artifact(run.info.run_id, str(tmp_path / "figure.csv"))
    assert run.info.artifact_uri.startswith("mlflow-artifacts:/")
    assert [file.read_text() for file in (server.folder / "elsewhere").rglob("figure.csv")] == ["a,b\n"]


def test_it_runs_no_jobs(server: Server):
    assert all("huey" not in " ".join(one.cmdline()) for one in server.processes)
    assert server.processes[0].environ()["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"


def test_started_again_it_stays_the_same(server: Server):
    before = (server.folder / "server.pid").read_text()
    ran = server.run("start", str(server.folder))
    assert (ran.returncode, (server.folder / "server.pid").read_text()) == (0, before)


def test_its_folder_is_its_owner_s_alone(server: Server):
    assert server.folder.stat().st_mode & 0o777 == 0o700


def test_a_server_that_cannot_start_says_why(tmp_path: Path):
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db").write_text("no database")
    ran = Server(tmp_path / "mlflow").run("start", str(tmp_path / "mlflow"))
    assert ran.returncode == 1
    assert "MLflow does not answer" in ran.stderr and "file is not a database" in ran.stderr


@pytest.mark.parametrize("arguments", [(), ("start",), ("begin", "folder")])
def test_anything_else_is_answered_with_what_it_takes(tmp_path: Path, arguments: tuple[str, ...]):
    ran = Server(tmp_path).run(*arguments)
    assert ran.returncode == 2 and "start FOLDER [ARTIFACTS]" in ran.stderr


@pytest.mark.parametrize(("name", "value"), [("MLFLOW_AUTH", "yes"), ("MLFLOW_ALLOWED_HOSTS", "mlflow.lab,*")])
def test_what_would_leave_it_open_is_refused(tmp_path: Path, name: str, value: str):
    ran = Server(tmp_path / "mlflow", variables={name: value}).run("start", str(tmp_path / "mlflow"))
    assert ran.returncode == 2 and f"{name}: '{value}' is not allowed; allowed: " in ran.stderr
    assert not (tmp_path / "mlflow").exists()


def test_stopped_it_is_gone_with_all_its_processes(server: Server):
    processes = server.processes
    assert server.run("stop", str(server.folder)).returncode == 0
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)
