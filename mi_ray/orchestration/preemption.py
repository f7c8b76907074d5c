"""Nodes that are about to be taken away: Ray calls them draining once it has been told (`deploy/spot_notice.sh`).

A training asks every few seconds, saves a checkpoint and ends its process. Ray, which starts nothing on such a
node, says of a process that ended there that it was preempted: Tune and Train try it again elsewhere and count no
failure.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from mi_ray.experiments.run.loop import Leaving

LEFT = 75
"""Exit code of a process that has left in order: for a while, try again (EX_TEMPFAIL)."""


def is_preempted() -> bool:
    """Whether this process's node is about to go; asks the cluster's head, in milliseconds."""
    return ray.get_runtime_context().get_node_id() in ray._private.state.state.get_draining_nodes()


@contextmanager
def leaving_in_order() -> Iterator[None]:
    """End this process where what is inside says that it leaves. A worker whose own node stays waits for Ray Train,
    which ends the whole team with the one that goes."""
    try:
        yield
    except Leaving as leaving:
        print(f"leaving a node that is about to go, {leaving}", flush=True)
        while not is_preempted():
            time.sleep(1)
        os._exit(LEFT)
