"""A cluster of several nodes on this machine with pretended GPUs: placement of half-GPU jobs, and a node that dies."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from ray.util import placement_group_table

from mi_ray.experiments.store.store import CommittedCell
from tests.faults.matrix import PATIENCE
from tests.faults.nodes import Nodes, nodes
from tests.orchestration.conftest import start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FLAGS = ("--gpus", "0.5", "--axis", "task=color", "--axis", "views=20000")
TRAININGS, CELLS = 4, 4 * 4


@pytest.fixture
def cluster() -> Iterator[Nodes]:
    """A head without GPUs and two nodes with one each."""
    with nodes({"num_cpus": 1, "num_gpus": 0}, 2 * [{"num_cpus": 2, "num_gpus": 1}]) as running:
        ray.init(address=running.address)
        yield running
        ray.shutdown()


def nodes_of_running_jobs() -> Counter[str]:
    """Number of half-GPU jobs on each node."""
    made = [group for group in placement_group_table().values() if group["state"] == "CREATED"]
    halves = [group for group in made if group["bundles"][0].get("GPU") == 0.5]
    return Counter(group["bundles_to_node_id"][0] for group in halves)


def committed(store: Path) -> dict[str, dict]:
    return {path.name: CommittedCell(path).manifest for path in (store / "cells").iterdir()}


@pytest.mark.fault("F6", "a node of two dies with its raylet")
def test_half_gpu_jobs_fill_both_gpus_and_a_dead_nodes_jobs_go_on_elsewhere(cluster: Nodes, tmp_path: Path):
    store = tmp_path / "runs"
    driver = start(*FLAGS, "--address", cluster.address, store=store)
    placed: Counter[str] = Counter()
    while sorted(placed.values()) != [2, 2]:
        assert driver.poll() is None, driver.communicate()
        placed = nodes_of_running_jobs()
        time.sleep(0.5)
    while len(list((store / "work").glob("training-*/1/progress"))) < TRAININGS:
        assert driver.poll() is None, driver.communicate()
        time.sleep(0.5)
    before = committed(store) if (store / "cells").is_dir() else {}
    cluster.kill(next(node_id for node_id in cluster.ids if node_id in placed))
    out, err = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 0, err
    after = committed(store)
    assert len(after) == CELLS and {key: after[key] for key in before} == before
    attempts = Counter(manifest["attempt"] for manifest in after.values() if manifest["kind"] == "training")
    assert attempts == {1: 2, 2: 2}, out
