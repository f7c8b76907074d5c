"""The capacity of a cluster, and leaving it."""

import subprocess
import sys

import pytest

from mi_ray.orchestration.cluster import Share, capacity_of

HEAD = {"driver": 1.0, "most_CPU": 32.0, "most_GPU": 8.0}


@pytest.mark.parametrize(
    ("nodes", "most"),
    [
        ([{"CPU": 2.0, "memory": 1e9}], Share(2.0, 0.0)),
        ([HEAD], Share(32.0, 8.0)),
        ([HEAD, {"CPU": 4.0, "GPU": 1.0}], Share(32.0, 8.0)),
        ([HEAD, {"CPU": 48.0, "GPU": 12.0}], Share(48.0, 12.0)),
    ],
)
def test_a_cluster_that_starts_without_workers_counts_for_what_it_may_grow_to(nodes: list, most: Share):
    assert capacity_of(nodes).most == most


def test_a_cluster_that_does_not_grow_has_what_its_nodes_have():
    capacity = capacity_of([{"CPU": 2.0}, {"CPU": 4.0, "GPU": 1.0}])
    assert capacity.grows_to is None and capacity.nodes == (Share(2.0, 0.0), Share(4.0, 1.0))


LEAVES = """
import gc, threading, time
import ray
from mi_ray.orchestration.connection import connected

class Cycle:
    def __init__(self):
        self.me, self.ref = self, ray.put(0)

def collect(held):
    while held:
        held.pop()
        if gc.isenabled():
            gc.collect()

with connected(None):
    held = [Cycle() for _ in range(2000)]
    threading.Thread(target=collect, args=(held,), daemon=True).start()
    time.sleep(0.05)
print("left in order")
"""


@pytest.mark.ray
def test_a_driver_leaves_in_order_while_another_of_its_threads_frees_what_is_rays():
    """Ray aborts a process in which an object is freed between the two steps of its shutdown."""
    left = subprocess.run([sys.executable, "-c", LEAVES], capture_output=True, text=True, timeout=120)
    assert (left.returncode, left.stdout) == (0, "left in order\n"), left.stderr
