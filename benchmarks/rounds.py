"""Rates of several jobs, measured in turns: a machine whose speed drifts treats them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median

Job = Callable[[], float]
"""Does some work and returns its rate, in units such as views per second."""


def timed(work: Callable[[], int]) -> Job:
    """A job that returns the rate of ``work``, which returns how many units it did."""

    def job() -> float:
        started = time.perf_counter()
        units = work()
        return units / (time.perf_counter() - started)

    return job


def rounds_of(jobs: Mapping[str, Job], rounds: int) -> dict[str, list[float]]:
    """The rate of each job in each of the interleaved rounds, after a first one that does not count."""
    measured: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(1 + rounds):
        for name, job in jobs.items():
            measured[name].append(job())
    return {name: values[1:] for name, values in measured.items()}


def rates(jobs: Mapping[str, Job], rounds: int) -> dict[str, float]:
    """Medians of `rounds_of`."""
    return {name: median(values) for name, values in rounds_of(jobs, rounds).items()}


def ratios(ours: list[float], theirs: list[float]) -> tuple[float, float, float]:
    """Smallest, median and largest ratio of two jobs' rates, round by round."""
    each = [a / b for a, b in zip(ours, theirs, strict=True)]
    return min(each), median(each), max(each)
