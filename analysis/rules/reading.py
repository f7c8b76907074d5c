"""A number with its standard error and degrees of freedom: of one place, or the difference between two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import hypot, inf, isfinite, nan, sqrt
from typing import Any, TypeVar

from scipy.special import ndtri, stdtrit

from analysis.tables.difference import COARSE
from mi_ray.theory.selection import CONFIDENCE

Key = TypeVar("Key")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """``value`` with a standard ``error`` of ``degrees`` of freedom, from ``n`` replicates: seeds, or encoders.

    With one seed ``error`` is that over test images, and its degrees are infinite: it covers other images, but no other
    training. A reading whose error is NaN is known, but not how well. ``shared``: the error is that of `pooled`
    readings, so that a difference between two of them has their degrees of freedom.
    """

    value: float
    error: float
    degrees: float = inf
    n: int = 1
    replicates: str = "seeds"
    shared: bool = False

    def low(self, level: float) -> float:
        """The lower end of a one-sided interval that misses the truth with probability ``level``."""
        return self.value - quantile(1 - level, self.degrees) * self.error

    def high(self, level: float) -> float:
        """The upper end of a one-sided interval that misses the truth with probability ``level``."""
        return self.value + quantile(1 - level, self.degrees) * self.error

    def less(self, other: Reading) -> Reading:
        """This minus an independent reading, with Welch's degrees of freedom unless the error is `shared`."""
        error = hypot(self.error, other.error)
        return Reading(
            value=self.value - other.value, error=error, n=min(self.n, other.n), replicates=self.replicates,
            degrees=self.degrees if self.shared and other.shared else _welch(self, other, error),
        )  # fmt: skip

    def less_constant(self, constant: float, width: float = 1.0) -> Reading:
        """This minus a constant, in units of ``width``."""
        return Reading(
            value=(self.value - constant) / width, error=self.error / width, degrees=self.degrees, n=self.n,
            replicates=self.replicates,
        )  # fmt: skip


def quantile(probability: float, degrees: float) -> float:
    """The quantile of Student's t, or of the normal distribution where ``degrees`` is infinite."""
    return float(stdtrit(degrees, probability) if isfinite(degrees) else ndtri(probability))


def _welch(one: Reading, other: Reading, error: float) -> float:
    parts = [reading.error**4 / reading.degrees for reading in (one, other) if isfinite(reading.degrees)]
    return error**4 / sum(parts) if sum(parts) > 0 else inf


def of_place(row: Mapping[str, Any], value: str = "mean", spread: str = "spread", n: str = "n_seeds") -> Reading:
    """The reading of a row of `over_seeds`: with several seeds the standard error of their mean, else that of the cell.

    NaN as error where one seed has none.
    """
    seeds = int(row[n])
    if seeds < 2:
        alone = int(row["n_seeds_asked"]) < 2
        return Reading(value=float(row[value]), error=float(row[spread]) if alone else nan)
    return Reading(value=float(row[value]), error=float(row[spread]) / sqrt(seeds), degrees=seeds - 1, n=seeds)


def pooled(readings: Mapping[Key, Reading]) -> dict[Key, Reading]:
    """Readings of places whose seeds vary alike, with the variance over seeds of all of them, as in an analysis of
    variance; unchanged if one has a single seed."""
    if not readings or any(reading.n < 2 for reading in readings.values()):
        return dict(readings)
    degrees = sum(reading.n - 1 for reading in readings.values())
    variance = sum((reading.n - 1) * reading.n * reading.error**2 for reading in readings.values()) / degrees
    return {
        key: replace(reading, error=sqrt(variance / reading.n), degrees=float(degrees), shared=True)
        for key, reading in readings.items()
    }


def of_difference(row: Mapping[str, Any], prefix: str = "") -> Reading:
    """The reading of a `PairedDifference` in the columns of a table: its 95 % interval turned into a standard error.

    The error is NaN where the differences of all seeds are the same up to rounding.
    """
    mean, low, high = (float(row[f"{prefix}{name}"]) for name in ("mean", "low", "high"))
    n = int(row[f"{prefix}seeds"])
    degrees = float(n - 1) if n > 1 else inf
    half = (high - low) / 2
    known = half if half > COARSE else nan
    return Reading(value=mean, error=known / quantile((1 + CONFIDENCE) / 2, degrees), degrees=degrees, n=max(n, 1))
