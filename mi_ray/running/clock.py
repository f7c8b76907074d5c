"""What the slots did and what is left for them: orchestration, and the time to go, from the events of a run alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from math import exp, isfinite
from statistics import median

from mi_ray.experiments.plan.cost import DEFAULT_RATE, job_work, rates
from mi_ray.experiments.plan.plan import Job
from mi_ray.experiments.store.store import CommittedCell

Clock = Callable[[], float]
"""Seconds that only ever grow; where they start is of no matter."""

SETTLING_SECONDS, SETTLING_SHARE = 10.0, 0.1
"""How fast the time to go that is shown follows a forecast that has changed: the shorter of the two."""

NOTICEABLE = 0.02
"""Progress of a running job, as a share, from which its rate is believed."""

NEARLY = 0.95
"""Longest share that is assumed done of a job that does not tell its progress."""


class Accounting:
    """Busy time of every slot: a job takes a free slot as it starts and leaves it as it ends.

    The wall runs from construction to `report`. What it exceeds the busiest slot's work by is orchestration, so waiting
    for upstream cells, commits, dispatch and lost attempts all count as orchestration.
    """

    def __init__(self, slots: int, clock: Clock = time.monotonic) -> None:
        self._clock, self._began = clock, clock()
        self._work = [0.0] * slots
        self._slot_of: dict[str, int] = {}
        self._since: dict[str, float] = {}
        self._first_estimation: float | None = None
        self._last_training: float | None = None

    def started(self, job: Job) -> None:
        """``job`` takes a free slot, or a further one if there is none; started again, it gives up its own."""
        now = self._clock()
        self._slot_of.pop(job.key, None)
        self._slot_of[job.key], self._since[job.key] = self._free_slot(), now
        if job.kind == "estimation" and self._first_estimation is None:
            self._first_estimation = now

    def ended(self, job: Job, worked: float | None = None) -> float:
        """``job`` leaves its slot, having computed for ``worked`` seconds (None: all the while); returns the latter."""
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
        told = (
            f"orchestration {self.orchestration_seconds:.0f} s of {self.wall_seconds:.0f} s wall "
            f"(busiest slot worked {self.busiest_seconds:.0f} s)"
        )
        return f"{told}{self._overlap()}"

    def _overlap(self) -> str:
        if self._first_estimation is None or self._last_training is None:
            return ""
        early = self._last_training - self._first_estimation
        when = "before" if early > 0 else "after"
        return f"; first estimation began {abs(early):.0f} s {when} the last training ended"

    def _free_slot(self) -> int:
        taken = set(self._slot_of.values())
        free = next((slot for slot in range(len(self._work)) if slot not in taken), len(self._work))
        if free == len(self._work):
            self._work.append(0.0)
        return free


class Forecast:
    """Seconds until the last job ends: work left over the rates seen, shared by the slots, but no less than the longest
    chain of jobs that wait for each other. Failed jobs and those they block are to be left out by whoever asks.
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
        """Take the rates of finished cells into account."""
        self._committed.extend(cells)
        self._rates = rates(self._committed)

    def started(self, job: Job) -> None:
        """``job`` starts over: what was seen of its progress no longer counts."""
        self._sighted.pop(job.key, None)

    def seconds(
        self, waiting: Iterable[str], running: Mapping[str, tuple[float, float]], *, slots: int
    ) -> float | None:
        """Time to go, settling on the forecast rather than jumping; None when nothing is left or nothing is known.

        ``waiting``: keys of jobs; ``running``: key -> (share done as told, seconds since it started); ``slots``: how
        many jobs run at once.
        """
        left = self._left(waiting, running)
        raw = max(sum(left.values()) / slots, self._longest_chain(left)) if left else 0.0
        if not isfinite(raw) or raw <= 0:
            return None
        now = self._clock()
        then, last = self._shown or (now, raw)
        counted_down = max(0.0, last - (now - then))
        weight = 1 - exp(-(now - then) / min(SETTLING_SECONDS, SETTLING_SHARE * raw))
        self._shown = now, counted_down + weight * (raw - counted_down)
        return self._shown[1]

    def _left(self, waiting: Iterable[str], running: Mapping[str, tuple[float, float]]) -> dict[str, float]:
        """Seconds left of every job that waits or runs."""
        rate = self._rate_of(running)
        predicted = {key: self._work[key] / rate(self._jobs[key].kind) for key in self._jobs}
        left = {key: predicted[key] for key in waiting if key in predicted}
        for key, (told, elapsed) in running.items():
            if key in predicted:
                share = told or min(elapsed / max(predicted[key], 1e-9), NEARLY)
                left[key] = predicted[key] * (1 - share)
        return left

    def _longest_chain(self, left: Mapping[str, float]) -> float:
        """Longest sum of seconds along jobs of which each needs a cell of the one before."""
        return max((left[key] + self._above(key, left) for key in left), default=0.0)

    def _above(self, key: str, left: Mapping[str, float]) -> float:
        needs = self._jobs[key].needs
        return left[needs] + self._above(needs, left) if needs is not None and needs in left else 0.0

    def _rate_of(self, running: Mapping[str, tuple[float, float]]) -> Callable[[str], float]:
        """Operations per second by kind, of finished cells, else of running ones; a kind not seen has their median."""
        seen = self._rates_of_running(running) | self._rates
        otherwise = median(seen.values()) if seen else DEFAULT_RATE
        return lambda kind: seen.get(kind, otherwise)

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
    return "" if seconds is None else f"about {roughly(seconds)} to go"


def roughly(seconds: float) -> str:
    """A duration for people, to one or two digits."""
    if seconds < 55:
        return f"{max(5, 5 * round(seconds / 5))} s"
    if seconds < 90 * 60:
        return f"{max(1, round(seconds / 60))} min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"
