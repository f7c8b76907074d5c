"""The Ray cluster of a study: an existing one, or a local one with all cores and GPUs of this machine."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray
import torch

from mi_ray.compute.numerics.cores import cores
from mi_ray.experiments.declare.checks import Refused

QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_SLOW_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "600",
    "TUNE_GLOBAL_CHECKPOINT_S": str(10**9),  # Tune's own state is never restored from
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Environment variables that silence Ray and Tune, set before `ray.init` unless the environment has others."""

SILENT: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
"""Arguments of `ray.init` with the same aim."""

MOST = "most_"
"""Prefix of two custom resources of the head, ``most_CPU`` and ``most_GPU``: the size to which the autoscaler may grow
the cluster (``cluster.yaml``)."""


@dataclass(frozen=True)
class Share:
    """An amount of CPU cores and GPUs."""

    cpus: float
    gpus: float

    def __add__(self, other: Share) -> Share:
        return Share(self.cpus + other.cpus, self.gpus + other.gpus)

    def __rmul__(self, times: int) -> Share:
        return Share(times * self.cpus, times * self.gpus)

    def __floordiv__(self, part: Share) -> int:
        """The number of times that ``part`` fits into this share."""
        times = [(have + SLACK) // want for have, want in ((self.cpus, part.cpus), (self.gpus, part.gpus)) if want]
        return int(min(times))

    def __str__(self) -> str:
        return f"{self.cpus:g} CPU and {self.gpus:g} GPU"


SLACK = 1e-6
"""Tolerance of sums of shares; Ray counts in units of 1e-4 cores."""


@dataclass(frozen=True)
class Capacity:
    """CPUs and GPUs of each node, and the size to which an autoscaler may grow the cluster (None: it does not grow)."""

    nodes: tuple[Share, ...]
    grows_to: Share | None = None

    @property
    def total(self) -> Share:
        """Sum over the nodes."""
        return sum(self.nodes, Share(0.0, 0.0))

    @property
    def most(self) -> Share:
        """The total now, or after the autoscaler has added nodes if that is more."""
        total, grown = self.total, self.grows_to or Share(0.0, 0.0)
        return Share(max(total.cpus, grown.cpus), max(total.gpus, grown.gpus))

    def places(self, part: Share) -> int:
        """The number of times that ``part`` fits, each on a single node; if nodes may be added, at least as often as it
        fits into `most`."""
        now = sum(node // part for node in self.nodes)
        return max(now, self.most // part) if self.grows_to else now

    def __str__(self) -> str:
        nodes = ", ".join(f"{node}" for node in self.nodes)
        grows = f", and grows to {self.grows_to}" if self.grows_to else ""
        return f"{len(self.nodes)} node{'s' * (len(self.nodes) != 1)} with {nodes}{grows}"


@contextmanager
def connected(address: str | None, slots: int | None = None) -> Iterator[Capacity]:
    """Connect to the cluster at ``address``, or start a local one (None), for the block; then disconnect.

    A local cluster has ``slots`` CPUs, or those that this process may use, and is stopped at the end. Refused if
    nothing answers at ``address``.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        if address is None:
            ray.init(address="local", num_cpus=slots or cores(), include_dashboard=False, **SILENT)
        else:
            ray.init(address=address, **SILENT)
    except ConnectionError as error:
        raise Refused(f"address: {address!r} does not answer ({error}); allowed: a running Ray cluster") from error
    try:
        yield capacity()
    finally:
        disconnect()


def disconnect() -> None:
    """Shut Ray down with the garbage collector off.

    If another thread's garbage collection frees an object of Ray's during the shutdown, Ray aborts the process.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        gc.collect()
        ray.shutdown()
    finally:
        if was_enabled:
            gc.enable()


def capacity() -> Capacity:
    """Capacity of the connected cluster now."""
    return capacity_of([node["Resources"] for node in ray.nodes() if node["Alive"]])


def capacity_of(nodes: Sequence[Mapping[str, float]]) -> Capacity:
    """Capacity of nodes with these Ray resources.

    The size to which the cluster may grow is a resource of its head (`MOST`), because Ray does not tell it to a driver.
    """
    most = Share(*(max((node.get(MOST + name, 0.0) for node in nodes), default=0.0) for name in ("CPU", "GPU")))
    return Capacity(tuple(map(_share, nodes)), most if most.cpus or most.gpus else None)


def free() -> Share:
    """CPUs and GPUs of the connected cluster that no trial or worker occupies now."""
    return _share(ray.available_resources())


def _share(resources: Mapping[str, float]) -> Share:
    return Share(resources.get("CPU", 0.0), resources.get("GPU", 0.0))


def local(slots: int | None = None) -> Capacity:
    """Capacity of a cluster that `connected` would start on this machine."""
    return Capacity((Share(float(slots or cores()), float(torch.cuda.device_count())),))
