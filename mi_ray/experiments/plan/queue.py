"""The order of jobs: questions as soon as their encoder is committed, but the critical chain of jobs first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property
from heapq import heappop, heappush
from itertools import count

from mi_ray.experiments.plan.cost import job_work
from mi_ray.experiments.plan.plan import Job
from mi_ray.experiments.store.store import Store

Alike = list[tuple[float, int, Job]]
"""A heap of jobs of one kind: the longest chain first (its work below zero), of equals the one that was ready first."""


class Queue:
    """Jobs waiting for their upstream cell; both runners take their jobs from here.

    The longest chain goes first when it is critical, that is at least an even share of all the work that waits; while
    there is slack, what depends on committed cells goes first, so that results appear early and at no cost.
    """

    def __init__(self, jobs: Iterable[Job], store: Store, *, slots: int = 1) -> None:
        """``slots``: how many jobs run side by side."""
        self._jobs = {job.key: job for job in jobs}
        self._slots = slots
        self._work = {key: job_work(job) for key, job in self._jobs.items()}
        self._work_waiting = sum(self._work.values())
        self._below: dict[str, list[Job]] = defaultdict(list)
        for job in self._jobs.values():
            self._below[job.needs or ""].append(job)
        self._ready: dict[tuple[str, bool], Alike] = defaultdict(list)
        self._order = count()
        self._held = dict(self._jobs)
        for needed in list(self._below):
            if not needed or store.has(needed):
                self._release(needed)

    @property
    def empty(self) -> bool:
        """Whether no job waits any more (some may still be running)."""
        return not any(self._ready.values()) and not self._held

    def take(self, fits: Callable[[Job], bool] = lambda job: True) -> Job | None:
        """The next job that may start and ``fits``; None if there is none. ``fits`` is called with one job per kind."""
        fitting = [alike for alike in self._ready.values() if alike and fits(alike[0][-1])]
        if not fitting:
            return None
        heap = min(fitting, key=lambda alike: alike[0][:2])
        if -heap[0][0] < self._work_waiting / self._slots:  # slack: the longest chain is not critical
            heap = min(fitting, key=lambda alike: (alike[0][-1].needs is None, *alike[0][:2]))
        _, _, job = heappop(heap)
        self._work_waiting -= self._work[job.key]
        return job

    def take_beside(self, job: Job, fits: Callable[[Job], bool]) -> list[Job]:
        """More jobs of the kind of ``job``, which was taken: the next in order, while no job waits for them and each
        ``fits``, which is called once with it."""
        heap, taken = self._ready[job.kind, job.needs is None], list[Job]()
        while heap and not self.is_waited_for(heap[0][-1]) and fits(heap[0][-1]):
            taken.append(heappop(heap)[-1])
            self._work_waiting -= self._work[taken[-1].key]
        return taken

    def is_waited_for(self, job: Job) -> bool:
        """Whether a job of the plan needs a cell of ``job``."""
        return any(self._below.get(cell.key) for cell in job.cells)

    def put_back(self, job: Job) -> None:
        """A job that was taken is ready again."""
        self._work_waiting += self._work[job.key]
        self._push(job)

    def done(self, job: Job) -> None:
        """The job's cells are committed: what needs them may start."""
        for cell in job.cells:
            self._release(cell.key)

    def fail(self, job: Job) -> list[Job]:
        """The job failed: returns the jobs that can no longer start, and forgets them."""
        blocked: list[Job] = []
        for cell in job.cells:
            for below in self._below[cell.key]:
                if self._held.pop(below.key, None):
                    self._work_waiting -= self._work[below.key]
                    blocked += [below, *self.fail(below)]
        return blocked

    def _release(self, needed: str) -> None:
        for job in self._below[needed]:
            if self._held.pop(job.key, None):
                self._push(job)

    def _push(self, job: Job) -> None:
        heappush(self._ready[job.kind, job.needs is None], (-self._chains[job.key], next(self._order), job))

    @cached_property
    def _chains(self) -> dict[str, float]:
        """For each job, its own work and the longest chain of work that waits for it."""
        chains: dict[str, float] = {}

        def chain(job: Job) -> float:
            below = (chain(other) for cell in job.cells for other in self._below.get(cell.key, ()))
            chains[job.key] = self._work[job.key] + max(below, default=0.0)
            return chains[job.key]

        for root in self._jobs.values():
            if root.key not in chains:
                chain(root)
        return chains
