"""Two nodes that share only a folder or a bucket: both compute, one is lost, and its training resumes on the other."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mi_ray.experiments.store.store import Store, store_at
from tests.buckets import new_bucket
from tests.faults.matrix import PATIENCE
from tests.faults.nodes import Nodes, nodes
from tests.orchestration.conftest import start, sweep

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

FLAGS = ("--axis", "pairing=color,digit", "--axis", "task=color", "--axis", "views=60000")
TRAININGS, CELLS = 2, 2 * 4
NODES = ("one", "other")


@pytest.fixture
def cluster(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    """A head that computes nothing, and two nodes of one core; nodes and driver have separate caches."""
    monkeypatch.setenv("MI_RAY_CACHE", str(tmp_path / "driver"))
    caches = [{"MI_RAY_CACHE": str(tmp_path / name)} for name in NODES]
    with nodes({"num_cpus": 0}, [{"num_cpus": 1, "env_vars": cache} for cache in caches]) as running:
        yield running


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, cluster: Nodes, tmp_path: Path) -> Store:
    return store_at(new_bucket() if request.param == "bucket" else tmp_path / "runs")


def keys(store: Store, kind: str) -> set[str]:
    """Keys of cells that were begun (``work``) or committed (``cells``)."""
    if store.bucket:
        return {name.split("/")[0] for name in store.bucket.below(kind)}
    return {path.name for path in (store.root / kind).glob("*-*/")}


def trained_so_far(store: Store) -> int:
    return sum(store.progress(key) > 0 for key in keys(store, "work") if key.startswith("training"))


def test_both_nodes_compute_and_what_a_lost_one_had_begun_goes_on_at_the_other(
    store: Store, cluster: Nodes, tmp_path: Path
):
    driver = start(*FLAGS, "--address", cluster.address, store=store.name)
    while trained_so_far(store) < TRAININGS:
        assert driver.poll() is None, driver.communicate()
        time.sleep(1)
    cluster.kill(cluster.ids[0])
    out, err = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 0, err
    cells = {key: store.read(key) for key in keys(store, "cells")}
    assert len(cells) == CELLS
    attempts = Counter(cell.manifest["attempt"] for key, cell in cells.items() if key.startswith("training"))
    assert attempts == {1: 1, 2: 1}, out
    assert keys(store, "work") <= {key for key in keys(store, "work") if key.startswith("tune-")}, "swept"
    if store.bucket:
        for name in NODES:
            assert list((tmp_path / name).rglob("manifest.json")), f"node {name!r} read images or cells here"
        assert not list((tmp_path / "driver").rglob("encoder.safetensors")), "the driver computed nothing"
    again = sweep(*FLAGS, "--on", "here", store=store.name)
    assert again.code == 0 and "0 cells: everything was in the store" in again.out, again.err
