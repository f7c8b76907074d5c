"""Selection among trained candidates with noisy values: seed noise, hopeless candidates, Pareto front, paired seeds.

A value is a tuple with one number per objective; larger is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean, stdev

from scipy.special import stdtrit

Value = tuple[float, ...]

CONFIDENCE = 0.95


def margin(over_seeds: Sequence[float]) -> float:
    """Largest difference between two trainings that seed noise explains (one-sided 95 % confidence).

    The difference of two values of standard deviation s has standard deviation sqrt(2) s. Since s is estimated from the
    n values ``over_seeds``, the margin is t(0.95, n - 1) sqrt(2) s.
    """
    n = len(over_seeds)
    return float(stdtrit(n - 1, CONFIDENCE)) * sqrt(2) * stdev(over_seeds)


def hopeless(value: Value, values: Sequence[Value], margins: Sequence[float]) -> bool:
    """Whether some other value is better by more than the margin in every objective."""
    return any(
        all(better - own > noise for own, better, noise in zip(value, other, margins, strict=True)) for other in values
    )


def front(values: Sequence[Value]) -> list[int]:
    """Indices of the Pareto front: the values that no other value dominates."""

    def dominates(other: Value, value: Value) -> bool:
        return other != value and all(theirs >= own for theirs, own in zip(other, value, strict=True))

    return [index for index, value in enumerate(values) if not any(dominates(other, value) for other in values)]


def best_of_each(values: Sequence[Value]) -> list[int]:
    """Index of the best value on the Pareto front, for each objective; the earliest on a tie."""
    on_front = front(values)
    return [max(on_front, key=lambda index: values[index][objective]) for objective in range(len(values[0]))]


@dataclass(frozen=True)
class Difference:
    """Mean of ``n`` paired differences and half the width of its confidence interval (NaN for n < 2)."""

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


def paired(differences: Sequence[float], *, comparisons: int = 1) -> Difference:
    """Mean of differences over seeds with its two-sided 95 % t interval, Bonferroni-corrected for ``comparisons``."""
    n = len(differences)
    if n < 2:
        return Difference(mean(differences) if n else float("nan"), float("nan"), n)
    quantile = float(stdtrit(n - 1, 1 - (1 - CONFIDENCE) / (2 * comparisons)))
    return Difference(mean(differences), quantile * stdev(differences) / sqrt(n), n)
