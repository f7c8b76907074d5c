"""A cluster of three hosts by `ray up deploy/onprem.yaml`, a tunnel to its head, and the smoke grid as a job on it."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import yaml

from tests.cluster.hosts import NETWORK, Hosts, hosts, missing

ROOT = Path(__file__).parents[2]
DASHBOARD, MLFLOW = "http://127.0.0.1:28265", "http://127.0.0.1:25000"
"""The head's ports 8265 and 5000, at this machine's end of the tunnel."""

SWEEP = ["python", "sweeps/infomin_grid.py", "--preset", "smoke", "--address", "auto",
         "--tracking-uri", "http://127.0.0.1:5000"]  # fmt: skip
SHARED = ["--store", "/mnt/shared/runs"]
SMALL = "ray start --num-cpus=1 --object-store-memory=100000000"
"""The hosts share this machine's cores and memory; each would count all of them."""


@dataclass(frozen=True)
class Cluster:
    """A running cluster, and the launcher's home: token, cluster file, tunnel."""

    hosts: Hosts
    home: Path

    @property
    def file(self) -> Path:
        return self.home / "onprem.yaml"

    def ray(self, *words: str, token: bool = True, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run the launcher's `ray`, with or without the token."""
        command = [str(Path(sys.executable).with_name("ray")), *words]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment(token), capture_output=True, text=True, timeout=timeout
        )

    def environment(self, token: bool) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        mode, home = ("token", self.home) if token else ("disabled", self.home / "stranger")
        return kept | {"HOME": str(home), "RAY_TMPDIR": str(self.home), "RAY_AUTH_MODE": mode}

    def submit(self, *entrypoint: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Submit a job through the tunnel, and wait for its end."""
        pinned = ["--entrypoint-resources", '{"driver": 1}']
        runtime = ["--working-dir", ".", "--runtime-env-json", json.dumps({"env_vars": environment})]
        return self.ray("job", "submit", "--address", DASHBOARD, *runtime, *pinned, "--", *entrypoint)

    def on_head(self, code: str) -> str:
        """The output of Python code on the head, connected to Ray."""
        command = f"~/venv/bin/python -c 'import ray; ray.init(\"auto\"); {code}' 2>/dev/null"
        return self.hosts.run("head", f"export RAY_AUTH_MODE=token RAY_SCHEDULER_EVENTS=0; {command}")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running cluster, taken down afterwards."""
    if reason := missing():
        pytest.skip(reason)
    with hosts(tmp_path_factory.mktemp("hosts")) as up:
        made = Cluster(up, tmp_path_factory.mktemp("launcher"))
        _prepare(made)
        started = made.ray("up", "-y", "--disable-usage-stats", str(made.file))
        assert started.returncode == 0, started.stdout + started.stderr
        with _tunnel(made):
            yield made


@pytest.fixture(scope="session")
def job(cluster: Cluster) -> subprocess.CompletedProcess[str]:
    """The smoke grid, submitted once all hosts are there."""
    _await_workers(cluster)
    return cluster.submit(*SWEEP, *SHARED)


def _prepare(cluster: Cluster) -> None:
    """The shipped file with FILL-IN replaced, and a token that only its owner can read."""
    addresses = list(cluster.hosts.addresses.values())
    filled = yaml.safe_load((ROOT / "deploy" / "onprem.yaml").read_text())
    filled["provider"] |= {"head_ip": addresses[0], "worker_ips": addresses[1:]}
    filled["auth"] = {"ssh_user": "root", "ssh_private_key": str(cluster.hosts.key)}
    for name in ("head_start_ray_commands", "worker_start_ray_commands"):
        filled[name] = [command.replace("ray start", SMALL) for command in filled[name]]
    filled["setup_commands"].append(f"bash ~/mi-ray/deploy/firewall.sh close {NETWORK}.0/24")
    cluster.file.write_text(yaml.safe_dump(filled))
    (cluster.home / ".ray").mkdir()
    (cluster.home / "stranger").mkdir()
    token = cluster.home / ".ray" / "auth_token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))


@contextmanager
def _tunnel(cluster: Cluster) -> Iterator[None]:
    """The tunnels of `ray dashboard` and `ray attach -p 5000`."""
    ends = [word for at, port in ((28265, 8265), (25000, 5000)) for word in ("-L", f"{at}:127.0.0.1:{port}")]
    tunnel = subprocess.Popen(cluster.hosts.ssh("head", "-N", "-o", "ExitOnForwardFailure=yes", *ends))
    try:
        wait_for(lambda: _answers(f"{MLFLOW}/health"), "MLflow through the tunnel", seconds=30)
        yield
    finally:
        tunnel.terminate()
        tunnel.wait()


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False


def _await_workers(cluster: Cluster) -> None:
    alive = 'print(sum(node["Alive"] for node in ray.nodes()))'
    wanted = len(cluster.hosts.addresses)
    wait_for(lambda: int(cluster.on_head(alive)) == wanted, "every host in the cluster", seconds=180)


def wait_for(there: Callable[[], bool], what: str, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < until, f"after {seconds:g} s there is not yet {what}"
        time.sleep(1)
