"""The script that a head starts MLflow with: on loopback alone, for hosts it knows, once, and away when told."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pytest
from mlflow import MlflowClient

SCRIPT = Path(__file__).parents[2] / "deploy" / "mlflow_server.sh"


@dataclass(frozen=True)
class Server:
    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def processes(self) -> list[psutil.Process]:
        process = psutil.Process(int((self.folder / "server.pid").read_text()))
        return [process, *process.children(recursive=True)]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "MLFLOW_PORT": str(self.port)}
        return subprocess.run(["bash", str(SCRIPT), *arguments], env=environment, capture_output=True, text=True)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("head") / "mlflow", free_port())
    ran = server.run("start", str(server.folder), str(server.folder / "elsewhere"))
    try:
        assert ran.returncode == 0, ran.stderr
        yield server
    finally:
        server.run("stop", str(server.folder))


def status(server: Server, host: str) -> int:
    asked = Request(f"{server.url}/api/2.0/mlflow/experiments/get?experiment_id=0", headers={"Host": host})
    try:
        with urlopen(asked) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


def test_it_listens_on_loopback_alone(server: Server):
    listening = {at.laddr for one in server.processes for at in one.net_connections("tcp") if at.status == "LISTEN"}
    assert {(at.ip, at.port) for at in listening} == {("127.0.0.1", server.port)}


@pytest.mark.parametrize(("host", "code"), [("127.0.0.1:5000", 200), ("localhost:8888", 200), ("evil.example", 403)])
def test_it_answers_hosts_of_the_tunnel_alone(server: Server, host: str, code: int):
    assert status(server, host) == code


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
    ran = Server(tmp_path / "mlflow", free_port()).run("start", str(tmp_path / "mlflow"))
    assert ran.returncode == 1
    assert "MLflow does not answer" in ran.stderr and "file is not a database" in ran.stderr


@pytest.mark.parametrize("arguments", [(), ("start",), ("begin", "folder")])
def test_anything_else_is_answered_with_what_it_takes(tmp_path: Path, arguments: tuple[str, ...]):
    ran = Server(tmp_path, free_port()).run(*arguments)
    assert ran.returncode == 2 and "start FOLDER [ARTIFACTS]" in ran.stderr


def test_stopped_it_is_gone_with_all_its_processes(server: Server):
    processes = server.processes
    assert server.run("stop", str(server.folder)).returncode == 0
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)
