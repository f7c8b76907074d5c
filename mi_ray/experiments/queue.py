"""Which job may start next: questions as soon as their encoder is committed, but long chains before it is too late."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

from mi_ray.experiments.cells import Store
from mi_ray.experiments.cost import job_work
from mi_ray.experiments.plan import Job


class Queue:
    """Jobs waiting for their upstream cell; both runners take their jobs from here.

    The longest chain goes first when it is critical, that is at least an even share of all the work that waits; while
    there is slack, what depends on committed cells goes first, so that results appear early and at no cost.
    """

    def __init__(self, jobs: Iterable[Job], store: Store, *, slots: int = 1) -> None:
        """``slots``: how many jobs run side by side."""
        self._slots = slots
        self._waiting = {job.key: job for job in jobs}
        self._all = dict(self._waiting)
        self._running: dict[str, Job] = {}
        self._store = store

    @cached_property
    def _chains(self) -> dict[str, float]:
        """For each job, its own work and the longest chain of work that waits for it."""
        below: dict[str, list[Job]] = {}
        for job in self._all.values():
            if job.needs:
                below.setdefault(job.needs, []).append(job)

        def chain(job: Job) -> float:
            return job_work(job) + max((chain(b) for cell in job.cells for b in below.get(cell.key, [])), default=0.0)

        return {key: chain(job) for key, job in self._all.items()}

    def take(self, fits: Callable[[Job], bool] = lambda job: True) -> Job | None:
        """The next job that may start and ``fits``, or None when all that wait are held up."""
        ready = [job for job in self._waiting.values() if self._may_start(job) and fits(job)]
        if not ready:
            return None
        job = self._most_urgent(ready)
        self._running[job.key] = self._waiting.pop(job.key)
        return job

    def _most_urgent(self, ready: list[Job]) -> Job:
        longest = max(ready, key=lambda job: self._chains[job.key])
        waiting = sum(job_work(job) for job in self._waiting.values())
        if self._chains[longest.key] >= waiting / self._slots:
            return longest
        return max(ready, key=lambda job: (job.needs is not None, self._chains[job.key]))

    def done(self, job: Job) -> None:
        """The job's cells are committed: what needs them may start."""
        self._running.pop(job.key, None)

    def fail(self, job: Job) -> list[Job]:
        """The job failed: returns the jobs that can no longer start, and forgets them."""
        self._running.pop(job.key, None)
        lost = {cell.key for cell in job.cells}
        blocked: list[Job] = []
        while found := [other for other in self._waiting.values() if other.needs in lost]:
            for other in found:
                blocked.append(self._waiting.pop(other.key))
                lost |= {cell.key for cell in other.cells}
        return blocked

    @property
    def empty(self) -> bool:
        """Whether no job waits any more (some may still be running)."""
        return not self._waiting

    def _may_start(self, job: Job) -> bool:
        return job.needs is None or self._store.has(job.needs)
