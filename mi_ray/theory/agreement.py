"""Agreement of a measure with linear accuracy over encoders (Sec. IV-B, Tables II and IV-IX), and how firm it is.

A measure enters oriented, so that larger promises better: the paper multiplies alignment, uniformity and the
contrastive loss by -1, and prints signed values, +1 for full agreement.

Pearson's r and Kendall's tau-b are one coefficient of pairs of encoders (Daniels, Biometrika 33, 1944),

    sum_ij d_ij e_ij / sqrt(sum_ij d_ij^2 * sum_ij e_ij^2),

with d and e the differences of measure and accuracy for r, and the signs of the differences for tau-b. Counting encoder
i ``w_i`` times multiplies the terms by ``w_i w_j``: leaving one out and drawing with replacement are weights too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FEWEST = 3
"""Two encoders always agree or disagree perfectly."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Correlation:
    """Pearson's r and Kendall's tau-b of a measure with accuracy, both in [-1, 1]."""

    pearson: float
    kendall: float


@dataclass(frozen=True)
class Interval:
    """From ``low`` to ``high``."""

    low: float
    high: float


@dataclass(frozen=True)
class Bootstrap:
    """Percentile intervals over encoders, and how many resamples had a correlation at all."""

    pearson: Interval
    kendall: Interval
    resamples: int


@dataclass(frozen=True)
class LeaveOneOut:
    """r and tau-b without each encoder in turn, in the order given; NaN where what is left is constant."""

    pearson: tuple[float, ...]
    kendall: tuple[float, ...]

    @property
    def pearson_range(self) -> Interval:
        """Smallest and largest r when one encoder is missing."""
        return _range(self.pearson)

    @property
    def kendall_range(self) -> Interval:
        """Smallest and largest tau-b when one encoder is missing."""
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
    """Percentile intervals of r and tau-b, encoders drawn with replacement; errors as `correlation`.

    ``rng``: draws the resamples, and nothing else does. ``level``: mass between the ends, in (0, 1). A resample in
    which a column is constant has no correlation and is left out. Intervals over a handful of encoders are rough.
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
    """Percentile intervals of how much larger r and tau-b of ``measure`` are than those of ``other``.

    Both are taken on the same resamples, so what moves them together cancels; else as `bootstrap`.
    """
    m, a = _columns(measure, accuracy)
    o, _ = _columns(other, accuracy)
    counts = _counts(len(m), rng, resamples)
    pearson, kendall = _weighted(m, a, counts)
    pearson_of_other, kendall_of_other = _weighted(o, a, counts)
    return _intervals(pearson - pearson_of_other, kendall - kendall_of_other, level)


def leave_one_out(measure: ArrayLike, accuracy: ArrayLike) -> LeaveOneOut:
    """r and tau-b without each encoder in turn; errors as `correlation`."""
    m, a = _columns(measure, accuracy)
    pearson, kendall = _weighted(m, a, 1 - np.eye(len(m)))
    return LeaveOneOut(tuple(pearson.tolist()), tuple(kendall.tolist()))


def most_influential(full: Correlation, without: LeaveOneOut) -> int:
    """Index of the encoder whose absence changes r most, the first of them on a tie."""
    return int(np.nanargmax(np.abs(np.subtract(without.pearson, full.pearson))))


def top_k(measure: ArrayLike, accuracy: ArrayLike, k: int) -> float:
    """How many of the ``k`` best encoders by the measure are among the ``k`` best by accuracy; errors as `correlation`.

    Encoders tied at the k-th place share it evenly, so the count is the expectation over all ways to break ties: a
    whole number where there are none.
    """
    m, a = _columns(measure, accuracy)
    if not 1 <= k <= len(m):
        raise ValueError(f"top_k: k {k!r} must lie in 1..{len(m)}, the number of encoders")
    return float(_membership(m, k) @ _membership(a, k))


def _counts(n: int, rng: np.random.Generator, resamples: int) -> Floats:
    """How often each of ``n`` encoders is drawn in each resample [resamples, n]."""
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
    """r and tau-b [b] for each row of ``weights`` [b, n]; NaN where all weight lies on one value."""
    of_m, of_a = np.subtract.outer(m, m), np.subtract.outer(a, a)
    return _of_pairs(of_m, of_a, weights), _of_pairs(np.sign(of_m), np.sign(of_a), weights)


def _of_pairs(d: Floats, e: Floats, weights: Floats) -> Floats:
    """The coefficient of the module's docstring: ``d``, ``e`` [n, n] and ``weights`` [b, n] give [b]."""
    both, of_d, of_e = (((weights @ terms) * weights).sum(1) for terms in (d * e, d * d, e * e))
    scale = np.sqrt(of_d * of_e)
    return np.divide(both, scale, out=np.full(len(weights), np.nan), where=scale > 0).clip(-1, 1)


def _membership(column: Floats, k: int) -> Floats:
    """Share of each encoder in the ``k`` best [n]: one above the k-th value, zero below, an even part at it."""
    kth = np.sort(column)[-k]
    above, at = column > kth, column == kth
    return above + at * (k - above.sum()) / at.sum()


def _middle(drawn: Floats, level: float) -> Interval:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def _range(values: tuple[float, ...]) -> Interval:
    return Interval(float(np.nanmin(values)), float(np.nanmax(values)))
