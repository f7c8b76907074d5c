"""What a Ray cluster has: CPUs and GPUs of its nodes, and the size to which it may grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ray

from mi_ray.compute.numerics.cores import cores, count_gpus

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
    return Capacity((Share(float(slots or cores()), float(count_gpus())),))
