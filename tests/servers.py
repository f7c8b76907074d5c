"""Real servers for tests: MLflow's, started by `deploy/mlflow_server.sh`, and a PostgreSQL server for it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from pwd import getpwnam

import psutil

SCRIPT = Path(__file__).parents[1] / "deploy" / "mlflow_server.sh"
PASSWORD = "a secret word"
DATABASE = f"CREATE ROLE mlflow LOGIN PASSWORD '{PASSWORD}';\nCREATE DATABASE mlflow OWNER mlflow;\n"
"""As in `docs/tracking.md`."""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@dataclass(frozen=True)
class Server:
    """An MLflow server with its own folder and port."""

    folder: Path
    port: int = field(default_factory=free_port)
    variables: dict[str, str] = field(default_factory=dict)
    """Environment variables."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def processes(self) -> list[psutil.Process]:
        process = psutil.Process(int((self.folder / "server.pid").read_text()))
        return [process, *process.children(recursive=True)]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "MLFLOW_PORT": str(self.port)} | self.variables
        return subprocess.run(["bash", str(SCRIPT), *arguments], env=environment, capture_output=True, text=True)

    def start(self) -> Server:
        ran = self.run("start", str(self.folder), str(self.folder / "elsewhere"))
        assert ran.returncode == 0, ran.stderr
        return self

    def stop(self) -> None:
        self.run("stop", str(self.folder))

    def kill(self) -> None:
        """Kill all processes at once, as a power failure would."""
        processes = self.processes
        os.killpg(processes[0].pid, signal.SIGKILL)
        psutil.wait_procs(processes, timeout=10)


def without_postgres() -> str | None:
    """Reason why PostgreSQL cannot be started here; None if it can."""
    absent = [name for name in ("initdb", "postgres") if shutil.which(name) is None]
    if absent:
        return f"PostgreSQL's {' and '.join(absent)} are not on the PATH"
    return None if find_spec("psycopg2") else "psycopg2 is not installed (the extra `postgres`)"


class Postgres:
    """A PostgreSQL server. It refuses to run as root, so root runs it as `postgres` or `nobody`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mi-ray-postgres-"))
        self.port = free_port()
        if self._as:
            shutil.chown(self.folder, self._user)
        self._call("initdb", "-D", self.data, "-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256")
        flags = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k", str(self.folder), "-p", str(self.port)]
        command = [*self._as, self._binary("postgres"), "-D", self.data, *flags]
        with (self.folder / "log").open("w") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._wait()
        self._call("psql", *self._admin, "-v", "ON_ERROR_STOP=1", stdin=DATABASE)

    @property
    def data(self) -> str:
        return str(self.folder / "data")

    @property
    def uri(self) -> str:
        """Address without the password, which is in `password_file`."""
        return f"postgresql+psycopg2://mlflow@127.0.0.1:{self.port}/mlflow"

    @cached_property
    def password_file(self) -> Path:
        """Like ``~/.pgpass``; libpq reads it only if no other user can."""
        path = self.folder / "pgpass"
        path.write_text(f"127.0.0.1:{self.port}:mlflow:mlflow:{PASSWORD}\n")
        path.chmod(0o600)
        return path

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables of an MLflow server that uses it."""
        return {"MLFLOW_BACKEND_STORE_URI": self.uri, "PGPASSFILE": str(self.password_file)}

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(20)
        shutil.rmtree(self.folder)

    @cached_property
    def _user(self) -> str:
        try:
            return getpwnam("postgres").pw_name
        except KeyError:
            return "nobody"

    @cached_property
    def _as(self) -> list[str]:
        if os.geteuid() != 0:
            return []
        user = getpwnam(self._user)
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]

    @property
    def _admin(self) -> tuple[str, ...]:
        return ("-h", str(self.folder), "-p", str(self.port), "-U", "postgres", "-q")

    def _binary(self, name: str) -> str:
        return str(Path(shutil.which("initdb") or "").resolve().parent / name)

    def _call(self, name: str, *arguments: str, stdin: str = "") -> None:
        command = [*self._as, self._binary(name), *arguments]
        ran = subprocess.run(command, input=stdin, cwd=self.folder, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout + ran.stderr

    def _wait(self) -> None:
        until = time.monotonic() + 60
        while subprocess.run([self._binary("pg_isready"), *self._admin], capture_output=True).returncode:
            assert self._process.poll() is None and time.monotonic() < until, (self.folder / "log").read_text()
            time.sleep(0.1)
