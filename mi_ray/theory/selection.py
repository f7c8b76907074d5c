"""Choosing among trained things whose values are noisy: seed noise, who is hopeless, who is best, and paired seeds.

A value is a tuple, one number for each objective, each the larger the better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean, stdev

from scipy.stats import t as student

Value = tuple[float, ...]

CONFIDENCE = 0.95


def margin(over_seeds: Sequence[float]) -> float:
    """What seed noise alone explains of the difference between two trainings, one-sided, with 95 % confidence.

    Two values with the spread s of ``over_seeds`` differ by sqrt(2) s, and s is known from n seeds only: the margin is
    t(0.95, n - 1) sqrt(2) s.
    """
    n = len(over_seeds)
    return float(student.ppf(CONFIDENCE, n - 1)) * sqrt(2) * stdev(over_seeds)


def hopeless(value: Value, values: Sequence[Value], margins: Sequence[float]) -> bool:
    """Whether another value is better by more than the margin, in every objective: never merely below others."""
    return any(
        all(better - own > noise for own, better, noise in zip(value, other, margins, strict=True)) for other in values
    )


def front(values: Sequence[Value]) -> list[int]:
    """Which values no other dominates, as places: the Pareto front; of one objective the best."""
    return [place for place, value in enumerate(values) if not any(_dominates(other, value) for other in values)]


def best_of_each(values: Sequence[Value]) -> list[int]:
    """The place of the best value in each objective, all on the Pareto front; of equals the earliest."""
    on_front = front(values)
    return [max(on_front, key=lambda place: values[place][which]) for which in range(len(values[0]))]


def _dominates(other: Value, value: Value) -> bool:
    return other != value and all(theirs >= own for theirs, own in zip(other, value, strict=True))


@dataclass(frozen=True)
class PairedDifference:
    """Mean of ``n`` paired differences, and half the width of its confidence interval: NaN below two pairs."""

    mean: float
    half_width: float
    n: int

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval is above zero."""
        return self.mean - self.half_width > 0

    @property
    def below_zero(self) -> bool:
        """Whether the whole interval is below zero."""
        return self.mean + self.half_width < 0


def paired(differences: Sequence[float], *, comparisons: int = 1) -> PairedDifference:
    """The mean of differences over seeds with its two-sided 95 % interval of Student's t, shared by ``comparisons``."""
    n = len(differences)
    if n < 2:
        return PairedDifference(mean(differences) if n else float("nan"), float("nan"), n)
    quantile = float(student.ppf(1 - (1 - CONFIDENCE) / (2 * comparisons), n - 1))
    return PairedDifference(mean(differences), quantile * stdev(differences) / sqrt(n), n)
