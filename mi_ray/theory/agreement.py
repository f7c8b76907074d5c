"""Agreement of a measure with linear accuracy over encoders (Sec. IV-B, Tables II and IV-IX), with its uncertainty.

Measures are oriented so that larger is better: the paper multiplies alignment, uniformity and the contrastive loss by
-1 and prints signed values, +1 for full agreement.

Pearson's r and Kendall's tau-b are cases of one coefficient over pairs of encoders (Daniels, Biometrika 33, 1944),

    sum_ij d_ij e_ij / sqrt(sum_ij d_ij^2 * sum_ij e_ij^2),

with d and e the differences of measure and accuracy for r, and the signs of the differences for tau-b. To count encoder
i ``w_i`` times, multiply the terms by ``w_i w_j``: leave-one-out and the bootstrap are such weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FEWEST = 3
"""Least number of encoders: two always agree or disagree perfectly."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Correlation:
    """Pearson's r and Kendall's tau-b of a measure with accuracy, both in [-1, 1]."""

    pearson: float
    kendall: float


@dataclass(frozen=True)
class Interval:
    """The interval [low, high]."""

    low: float
    high: float


@dataclass(frozen=True)
class Bootstrap:
    """Percentile intervals over encoders, and the number of resamples in which the correlation is defined."""

    pearson: Interval
    kendall: Interval
    resamples: int


@dataclass(frozen=True)
class LeaveOneOut:
    """r and tau-b without each encoder in turn, in input order; NaN if the remaining values are constant."""

    pearson: tuple[float, ...]
    kendall: tuple[float, ...]

    @property
    def pearson_range(self) -> Interval:
        """Smallest and largest r with one encoder left out."""
        return _range(self.pearson)

    @property
    def kendall_range(self) -> Interval:
        """Smallest and largest tau-b with one encoder left out."""
        return _range(self.kendall)


def correlation(measure: ArrayLike, accuracy: ArrayLike) -> Correlation:
    """r and tau-b over all encoders; ``measure`` and ``accuracy``: [n], n >= 3.

    ValueError on fewer than three encoders, on unequal lengths, and on non-finite or constant values.
    """
    m, a = _columns(measure, accuracy)
    pearson, kendall = _weighted(m, a, np.ones((1, len(m))))
    return Correlation(float(pearson[0]), float(kendall[0]))


def bootstrap(
    measure: ArrayLike, accuracy: ArrayLike, rng: np.random.Generator, *, resamples: int = 10_000, level: float = 0.95
) -> Bootstrap:
    """Percentile intervals of r and tau-b over encoders drawn with replacement; errors as `correlation`.

    ``rng``: the only source of randomness. ``level``: coverage of the interval, in (0, 1). A resample with a constant
    column has no correlation and is left out. Intervals over a handful of encoders are rough.
    """
    m, a = _columns(measure, accuracy)
    return _intervals(*_weighted(m, a, _counts(len(m), rng, resamples)), level)


def bootstrap_lead(
    measure: ArrayLike,
    other: ArrayLike,
    accuracy: ArrayLike,
    rng: np.random.Generator,
    *,
    resamples: int = 10_000,
    level: float = 0.95,
) -> Bootstrap:
    """Percentile intervals of the lead of ``measure`` over ``other``: the difference of their r, and of their tau-b.

    Both measures use the same resamples, so their common variation cancels; otherwise as `bootstrap`.
    """
    m, a = _columns(measure, accuracy)
    o, _ = _columns(other, accuracy)
    counts = _counts(len(m), rng, resamples)
    pearson, kendall = _weighted(m, a, counts)
    other_pearson, other_kendall = _weighted(o, a, counts)
    return _intervals(pearson - other_pearson, kendall - other_kendall, level)


def leave_one_out(measure: ArrayLike, accuracy: ArrayLike) -> LeaveOneOut:
    """r and tau-b without each encoder in turn; errors as `correlation`."""
    m, a = _columns(measure, accuracy)
    pearson, kendall = _weighted(m, a, 1 - np.eye(len(m)))
    return LeaveOneOut(tuple(pearson.tolist()), tuple(kendall.tolist()))


def most_influential(full: Correlation, without: LeaveOneOut) -> int:
    """Index of the encoder whose absence changes r most; the first on a tie."""
    return int(np.nanargmax(np.abs(np.subtract(without.pearson, full.pearson))))


def top_k(measure: ArrayLike, accuracy: ArrayLike, k: int) -> float:
    """Number of the ``k`` best encoders by the measure that are among the ``k`` best by accuracy.

    Encoders tied at rank k share the remaining places evenly, so the result is the expectation over all ways to break
    ties. Errors as `correlation`; also ValueError if ``k`` is not in 1..n.
    """
    m, a = _columns(measure, accuracy)
    if not 1 <= k <= len(m):
        raise ValueError(f"top_k: k {k!r} must lie in 1..{len(m)}, the number of encoders")
    return float(_membership(m, k) @ _membership(a, k))


def _counts(n: int, rng: np.random.Generator, resamples: int) -> Floats:
    """Number of times that each of ``n`` encoders is drawn in each resample: [resamples, n]."""
    if resamples < 1:
        raise ValueError(f"bootstrap: resamples {resamples!r} must be at least 1")
    return rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(float)


def _intervals(pearson: Floats, kendall: Floats, level: float) -> Bootstrap:
    if not 0 < level < 1:
        raise ValueError(f"bootstrap: level {level!r} must lie in (0, 1)")
    drawn = len(pearson)
    pearson, kendall = (values[np.isfinite(values)] for values in (pearson, kendall))
    if not len(pearson):
        raise ValueError(f"bootstrap: none of {drawn} resamples had a correlation; draw more")
    return Bootstrap(_middle(pearson, level), _middle(kendall, level), len(pearson))


def _columns(measure: ArrayLike, accuracy: ArrayLike) -> tuple[Floats, Floats]:
    m, a = np.asarray(measure, dtype=float), np.asarray(accuracy, dtype=float)
    if m.ndim != 1 or m.shape != a.shape:
        raise ValueError(f"measure and accuracy: shapes {m.shape} and {a.shape} must be [n] and equal")
    if len(m) < FEWEST:
        raise ValueError(f"measure and accuracy: {len(m)} encoders; a correlation needs at least {FEWEST}")
    for name, column in (("measure", m), ("accuracy", a)):
        if not np.isfinite(column).all():
            raise ValueError(f"{name}: {column.tolist()} must be finite")
        if (column == column[0]).all():
            raise ValueError(f"{name}: {column[0]} for all {len(m)} encoders; a constant has no correlation")
    return m, a


def _weighted(m: Floats, a: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """r and tau-b [b] for each row of ``weights`` [b, n]; NaN if all weight is on one value."""
    d, e = np.subtract.outer(m, m), np.subtract.outer(a, a)
    return _coefficient(d, e, weights), _coefficient(np.sign(d), np.sign(e), weights)


def _coefficient(d: Floats, e: Floats, weights: Floats) -> Floats:
    """The coefficient of the module's docstring: ``d``, ``e`` [n, n] and ``weights`` [b, n] give [b]."""
    de, dd, ee = (((weights @ terms) * weights).sum(1) for terms in (d * e, d * d, e * e))
    scale = np.sqrt(dd * ee)
    return np.divide(de, scale, out=np.full(len(weights), np.nan), where=scale > 0).clip(-1, 1)


def _membership(column: Floats, k: int) -> Floats:
    """Membership [n] of each encoder in the ``k`` best: 1 above the k-th value, 0 below, an equal part at it."""
    kth = np.sort(column)[-k]
    above, at = column > kth, column == kth
    return above + at * (k - above.sum()) / at.sum()


def _middle(drawn: Floats, level: float) -> Interval:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def _range(values: tuple[float, ...]) -> Interval:
    return Interval(float(np.nanmin(values)), float(np.nanmax(values)))
