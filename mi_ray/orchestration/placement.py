"""What a job occupies while it runs, and how many jobs a cluster holds at once."""

from __future__ import annotations

from dataclasses import dataclass

from mi_ray.experiments.plan import Job
from mi_ray.orchestration.cluster import Capacity

ON_GPU = {"training": 1.0, "embedding": 1.0, "views": 1.0}
"""GPUs per job by kind, on clusters that have any; kinds not named here ask a processor core only."""


@dataclass(frozen=True)
class Share:
    """Cores and GPUs of one job."""

    cpus: float
    gpus: float


def share(job: Job, capacity: Capacity) -> Share:
    """What ``job`` occupies on a cluster of this capacity: one core, and a GPU where its kind uses one."""
    return Share(cpus=1.0, gpus=ON_GPU.get(job.kind, 0.0) if capacity.gpus else 0.0)


def training_slots(capacity: Capacity) -> int:
    """How many trainings run side by side."""
    return max(1, int(capacity.gpus or capacity.cpus))


class Occupancy:
    """Keeps count of what the running jobs occupy."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._taken: dict[str, Share] = {}

    def fits(self, job: Job) -> bool:
        """Whether ``job`` fits beside those running."""
        wanted = share(job, self._capacity)
        cpus = sum(taken.cpus for taken in self._taken.values()) + wanted.cpus
        gpus = sum(taken.gpus for taken in self._taken.values()) + wanted.gpus
        return cpus <= self._capacity.cpus and gpus <= self._capacity.gpus

    def take(self, job: Job) -> None:
        """``job`` starts."""
        self._taken[job.key] = share(job, self._capacity)

    def free(self, job: Job) -> None:
        """``job`` has ended."""
        self._taken.pop(job.key, None)
