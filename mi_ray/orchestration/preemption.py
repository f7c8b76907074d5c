"""Preemption: nodes that the cloud takes back. `deploy/spot_notice.sh` tells Ray, which marks the node as draining.

A training checks every few seconds; on a draining node it saves a checkpoint and ends its process. Ray starts nothing
new on a draining node, and counts a process that ends there as preempted: Tune and Train retry it on another node
without counting a failure.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from mi_ray.experiments.declare.checks import say
from mi_ray.experiments.run.loop import STOPPING, Leaving

LEFT = 75
"""Exit code of a process that leaves a draining node (EX_TEMPFAIL)."""


def is_preempted() -> bool:
    """Whether this process's node is draining; a request of milliseconds to the cluster's head."""
    return ray.get_runtime_context().get_node_id() in ray._private.state.state.get_draining_nodes()


@contextmanager
def leaving_in_order() -> Iterator[None]:
    """End this process when the block raises `Leaving`, or raise that where the run is to stop.

    All workers of a training raise it together. A worker whose own node is not draining does not exit, since that would
    count as a failure: it waits until Ray Train ends it along with the worker whose node drains.
    """
    try:
        yield
    except Leaving as leaving:
        if not STOPPING.asked:
            say(f"leaving a node that is about to go, {leaving}")
        while not STOPPING.asked and not is_preempted():
            time.sleep(1)
        if STOPPING.asked:
            raise
        os._exit(LEFT)
