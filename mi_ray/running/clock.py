"""Time of a run, from its events alone: the busy time of slots, the share of orchestration, and the time to go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from math import exp, isfinite
from statistics import median

from mi_ray.experiments.declare import Data, Labelled, OwnImages
from mi_ray.experiments.declare.checks import say
from mi_ray.experiments.plan.cost import DEFAULT_RATE, job_work, rates
from mi_ray.experiments.plan.plan import Job
from mi_ray.experiments.store.store import CommittedCell

Clock = Callable[[], float]
"""A monotonic clock in seconds, of any origin."""

SETTLING_SECONDS, SETTLING_SHARE = 10.0, 0.1
"""Time constant by which the displayed time to go follows the forecast: the shorter of seconds and share of it."""

NOTICEABLE = 0.02
"""Progress, as a share, that a running job must have made before its rate is used."""

NEARLY = 0.95
"""Largest share that is assumed done of a job that reports no progress."""


class Accounting:
    """Busy time of every slot: a job takes a free slot as it starts and leaves it as it ends.

    Orchestration = wall time from construction to `report` - work of the busiest slot. It includes waiting for upstream
    cells, commits, dispatch and lost attempts.
    """

    def __init__(self, slots: int, clock: Clock = time.monotonic) -> None:
        self._clock, self._began = clock, clock()
        self._work = [0.0] * slots
        self._slot_of: dict[str, int] = {}
        self._since: dict[str, float] = {}
        self._first_estimation: float | None = None
        self._last_training: float | None = None

    def started(self, job: Job) -> None:
        """``job`` takes a free slot, or an additional one if all are taken. A restarted job first leaves its slot."""
        now = self._clock()
        self._slot_of.pop(job.key, None)
        taken = set(self._slot_of.values())
        free = next((slot for slot in range(len(self._work)) if slot not in taken), len(self._work))
        if free == len(self._work):
            self._work.append(0.0)
        self._slot_of[job.key], self._since[job.key] = free, now
        if job.kind == "estimation" and self._first_estimation is None:
            self._first_estimation = now

    def ended(self, job: Job, worked: float | None = None) -> float:
        """``job`` leaves its slot after ``worked`` seconds of work (None: all of its time); returns its time there."""
        now = self._clock()
        seconds = now - self._since.pop(job.key, now)
        self._work[self._slot_of.pop(job.key, 0)] += seconds if worked is None else min(worked, seconds)
        if job.kind == "training":
            self._last_training = now
        return seconds

    @property
    def wall_seconds(self) -> float:
        """Time since the run began."""
        return self._clock() - self._began

    @property
    def busiest_seconds(self) -> float:
        """Work of the slot that worked most."""
        return max(self._work)

    @property
    def orchestration_seconds(self) -> float:
        """Wall minus the busiest slot's work."""
        return max(0.0, self.wall_seconds - self.busiest_seconds)

    def report(self) -> str:
        """One line: orchestration, wall and work, and whether estimation overlapped with training."""
        text = (
            f"orchestration {self.orchestration_seconds:.0f} s of {self.wall_seconds:.0f} s wall "
            f"(busiest slot worked {self.busiest_seconds:.0f} s)"
        )
        if self._first_estimation is None or self._last_training is None:
            return text
        early = self._last_training - self._first_estimation
        when = "before" if early > 0 else "after"
        return f"{text}; first estimation began {abs(early):.0f} s {when} the last training ended"


class Forecast:
    """Seconds until the last job ends: remaining work / measured rates / slots, but at least the longest chain of jobs
    that wait for each other. The caller leaves out failed and blocked jobs.
    """

    def __init__(self, jobs: Iterable[Job], clock: Clock = time.monotonic) -> None:
        self._jobs = {job.key: job for job in jobs}
        self._work = {key: job_work(job) for key, job in self._jobs.items()}
        self._clock = clock
        self._committed: list[CommittedCell] = []
        self._rates: dict[str, float] = {}
        self._sighted: dict[str, tuple[float, float]] = {}
        self._shown: tuple[float, float] | None = None

    def learn(self, cells: Iterable[CommittedCell]) -> None:
        """Use the rates of finished cells."""
        self._committed.extend(cells)
        self._rates = rates(self._committed)

    def started(self, job: Job) -> None:
        """``job`` starts again: forget its earlier progress."""
        self._sighted.pop(job.key, None)

    def seconds(
        self, waiting: Iterable[str], running: Mapping[str, tuple[float, float]], *, slots: int
    ) -> float | None:
        """Time to go, which approaches a changed forecast gradually; None when nothing is left or nothing is known.

        ``waiting``: keys of jobs; ``running``: key -> (reported share done, seconds since it started); ``slots``: jobs
        that run side by side.
        """
        left = self._left(waiting, running)
        raw = max(sum(left.values()) / slots, max(self._with_upstream(key, left) for key in left)) if left else 0.0
        if not isfinite(raw) or raw <= 0:
            return None
        now = self._clock()
        then, last = self._shown or (now, raw)
        counted_down = max(0.0, last - (now - then))
        weight = 1 - exp(-(now - then) / min(SETTLING_SECONDS, SETTLING_SHARE * raw))
        self._shown = now, counted_down + weight * (raw - counted_down)
        return self._shown[1]

    def _left(self, waiting: Iterable[str], running: Mapping[str, tuple[float, float]]) -> dict[str, float]:
        """Seconds left of every waiting or running job.

        Rates by kind are those of finished cells, else of running jobs; an unseen kind gets their median.
        """
        measured = self._rates_of_running(running) | self._rates
        unseen = median(measured.values()) if measured else DEFAULT_RATE
        predicted = {key: self._work[key] / measured.get(job.kind, unseen) for key, job in self._jobs.items()}
        left = {key: predicted[key] for key in waiting if key in predicted}
        for key, (reported, elapsed) in running.items():
            if key in predicted:
                share = reported or min(elapsed / max(predicted[key], 1e-9), NEARLY)
                left[key] = predicted[key] * (1 - share)
        return left

    def _with_upstream(self, key: str, left: Mapping[str, float]) -> float:
        """Seconds left of a job and of the chain of jobs that it waits for."""
        needs = self._jobs[key].needs
        return left[key] + (self._with_upstream(needs, left) if needs is not None and needs in left else 0.0)

    def _rates_of_running(self, running: Mapping[str, tuple[float, float]]) -> dict[str, float]:
        seen: dict[str, list[float]] = {}
        for key, (share, elapsed) in running.items():
            if share <= 0 or key not in self._jobs:
                continue
            first_share, first_elapsed = self._sighted.setdefault(key, (share, elapsed))
            if share - first_share >= NOTICEABLE:
                rate = self._work[key] * (share - first_share) / max(elapsed - first_elapsed, 1e-3)
                seen.setdefault(self._jobs[key].kind, []).append(rate)
        return {kind: median(values) for kind, values in seen.items()}


def to_go(seconds: float | None) -> str:
    """``about 3 min to go``; nothing when unknown."""
    return "" if seconds is None else f"about {rounded_duration(seconds)} to go"


def rounded_duration(seconds: float) -> str:
    """A duration as rounded text: ``25 s``, ``12 min``, ``3.4 h`` or ``2.0 days``."""
    if seconds < 55:
        return f"{max(5, 5 * round(seconds / 5))} s"
    if seconds < 90 * 60:
        return f"{max(1, round(seconds / 60))} min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


class Reading:
    """Tells every `TELLS` seconds how many photographs of a data set have been read; nothing of a small one."""

    TELLS = 10.0

    def __init__(self, data: Data) -> None:
        self._name = data.name if isinstance(data, Labelled | OwnImages) else "images"
        self._read, self._began = 0, time.monotonic()
        self._told = self._began

    def __call__(self, images: int) -> None:
        """Count ``images`` more."""
        self._read += images
        now = time.monotonic()
        if now - self._told >= self.TELLS:
            self._told = now
            rate = self._read / (now - self._began)
            say(f"images    {self._name}: {self._read:,} read and checked, {rate:,.0f} a second")
