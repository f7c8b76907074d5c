"""Preemption: a training saves, and resumes on another node without losing a step or counting a failure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import ray
from ray._private.state import available_resources_per_node

from tests.faults.matrix import PATIENCE
from tests.faults.nodes import Nodes, nodes
from tests.orchestration.conftest import ROOT, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
FLAGS = ("--only", "training*color*", "--axis", "views=60000", "--gpus", "0")


@pytest.fixture
def cluster() -> Iterator[Nodes]:
    """A head without cores for cells, and three nodes with one core each; a data-parallel trial is on the head."""
    with nodes({"num_cpus": 0}, 3 * [{"num_cpus": 1}]) as running:
        ray.init(address=running.address)
        yield running
        ray.shutdown()


class Metadata(BaseHTTPRequestHandler):
    """AWS's metadata service on an instance that will be taken back."""

    def do_PUT(self) -> None:
        self._answer("a-token" if self.path == "/latest/api/token" else "")

    def do_GET(self) -> None:
        is_notice = self.path == "/latest/meta-data/spot/instance-action"
        known = self.headers["X-aws-ec2-metadata-token"] == "a-token"
        self._answer('{"action": "terminate"}' if is_notice and known else "")

    def _answer(self, text: str) -> None:
        self.send_response(200 if text else 404)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None: ...


@contextmanager
def notice() -> Iterator[str]:
    """The address of a running metadata service."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def tell(cluster: Nodes, node_id: str) -> None:
    """Run the script that a node runs when the cloud takes it back."""
    with notice() as url:
        subprocess.run(
            [ROOT / "deploy" / "spot_notice.sh", "aws", "--address", cluster.address, "--node-id", node_id],
            env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "METADATA_URL": url},
            check=True,
            timeout=60,
        )


def node_of_training() -> str:
    """A node with an occupied core."""
    free = available_resources_per_node()
    nodes = [node["NodeID"] for node in ray.nodes() if node["Resources"].get("CPU")]
    return next(node for node in nodes if free[node].get("CPU", 0) < 0.5)


def progress(store: Path, attempt: int) -> float:
    files = list(store.glob(f"work/training-*/{attempt}/progress"))
    return float(files[0].read_text().partition("\n")[0] or 0) if files else 0.0


@pytest.mark.fault("F11", "a spot notice to the node of a training")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_training_leaves_a_node_that_is_taken_back_and_loses_nothing(cluster: Nodes, tmp_path: Path, workers: int):
    store = tmp_path / "runs"
    driver = start(*FLAGS, "--workers", str(workers), "--address", cluster.address, store=store)
    while not progress(store, 1):
        assert driver.poll() is None, driver.communicate()
        time.sleep(0.2)
    tell(cluster, node_of_training())
    while not list(store.glob("work/training-*/2")):
        assert driver.poll() is None, driver.communicate()
        time.sleep(0.2)
    left = progress(store, 1)
    (checkpoint,) = store.glob("work/training-*/1/checkpoints/*-*.safetensors")
    out, err = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 0, err
    (manifest,) = store.glob("cells/training-*/manifest.json")
    assert json.loads(manifest.read_text())["attempt"] > 1, out + err
    steps = json.loads(manifest.with_name("result.json").read_text())["steps"]
    assert int(checkpoint.name.partition("-")[0]) == pytest.approx(left * steps, abs=1)
