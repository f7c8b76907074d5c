"""The Ray cluster that a study runs on: an existing one, or a local one over this machine's cores."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import ray
import torch

from mi_ray.experiments.declare.checks import Refused

QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_SLOW_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "600",
    "TUNE_GLOBAL_CHECKPOINT_S": str(10**9),  # Tune's own state is never restored from
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}

MOST = "most_"
"""Before CPU or GPU: a resource of the head's own, how many the cluster may grow to (``cluster.yaml``)."""


@dataclass(frozen=True)
class Share:
    """Processor cores and GPUs."""

    cpus: float
    gpus: float

    def __add__(self, other: Share) -> Share:
        return Share(self.cpus + other.cpus, self.gpus + other.gpus)

    def __rmul__(self, times: int) -> Share:
        return Share(times * self.cpus, times * self.gpus)

    def __floordiv__(self, one: Share) -> int:
        """How many times ``one`` fits in here."""
        times = [(have + SLACK) // want for have, want in ((self.cpus, one.cpus), (self.gpus, one.gpus)) if want]
        return int(min(times))

    def __str__(self) -> str:
        return f"{self.cpus:g} CPU and {self.gpus:g} GPU"


SLACK = 1e-6
"""Sums of shares are as exact as Ray's own, a ten-thousandth of a core."""


@dataclass(frozen=True)
class Capacity:
    """What the cluster has on each of its nodes, and the most that it may grow to."""

    nodes: tuple[Share, ...]
    grows_to: Share | None = None

    @property
    def total(self) -> Share:
        """All nodes together."""
        return sum(self.nodes, Share(0.0, 0.0))

    @property
    def most(self) -> Share:
        """What there is, or may be once an autoscaler has added nodes."""
        total, may = self.total, self.grows_to or Share(0.0, 0.0)
        return Share(max(total.cpus, may.cpus), max(total.gpus, may.gpus))

    def places(self, one: Share) -> int:
        """How many of ``one`` find room, each on a node; by totals alone where nodes may be added."""
        here = sum(node // one for node in self.nodes)
        return max(here, self.most // one) if self.grows_to else here

    def __str__(self) -> str:
        nodes = ", ".join(f"{node}" for node in self.nodes)
        grows = f", and grows to {self.grows_to}" if self.grows_to else ""
        return f"{len(self.nodes)} node{'s' * (len(self.nodes) != 1)} with {nodes}{grows}"


@contextmanager
def connected(address: str | None) -> Iterator[Capacity]:
    """Connect to the cluster at ``address``, or start one here; disconnected (and stopped, if ours) afterwards."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        ray.init(**_arguments(address))
    except ConnectionError as error:
        raise Refused(f"address: {address!r} does not answer ({error}); allowed: a running Ray cluster") from error
    try:
        yield capacity()
    finally:
        _disconnect()


def _disconnect() -> None:
    """Leave Ray with the garbage collector at rest: an object of Ray's that another thread's collection frees while Ray
    shuts down ends the whole process."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        gc.collect()
        ray.shutdown()
    finally:
        if was_enabled:
            gc.enable()


def capacity() -> Capacity:
    """What the cluster that this process is connected to has now."""
    return capacity_of([node["Resources"] for node in ray.nodes() if node["Alive"]])


def capacity_of(nodes: Sequence[Mapping[str, float]]) -> Capacity:
    """What nodes with these resources have, and what their head says that there may be: Ray does not tell a driver."""
    most = Share(*(max((node.get(MOST + name, 0.0) for node in nodes), default=0.0) for name in ("CPU", "GPU")))
    return Capacity(tuple(map(_share, nodes)), most if most.cpus or most.gpus else None)


def free() -> Share:
    """What no job occupies at the moment."""
    return _share(ray.available_resources())


def _share(resources: Mapping[str, float]) -> Share:
    return Share(resources.get("CPU", 0.0), resources.get("GPU", 0.0))


def local() -> Capacity:
    """What a cluster that is started here will have."""
    return Capacity((Share(float(os.cpu_count() or 1), float(torch.cuda.device_count())),))


def _arguments(address: str | None) -> dict:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    if address is not None:
        return {"address": address, **quiet}
    return {"address": "local", "num_cpus": os.cpu_count(), "include_dashboard": False, **quiet}
