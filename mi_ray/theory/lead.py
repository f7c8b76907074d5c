"""How much better one measure agrees with accuracy than another on the same encoders, with its standard error.

Pearson's r: the standard error of Williams (J. R. Stat. Soc. B 21, 1959) as Steiger (Psychol. Bull. 87, 1980) advises,
with n - 3 degrees of freedom. It takes into account that both correlations share the accuracies, and how far the
measures agree with each other. Over a handful of encoders a percentile bootstrap finds leads that are not there more
often than its level says; this test does not (`tests/theory/test_lead.py`).

Kendall's tau: the jackknife over encoders, with n - 1 degrees of freedom; it errs towards too few leads.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from numpy.typing import ArrayLike

from mi_ray.theory.agreement import correlation, leave_one_out

MIRRORED = 1e-9
"""The correlation of two measures is -1 if it is no farther from it."""


@dataclass(frozen=True)
class Lead:
    """The difference of two correlations, its standard error (NaN where it is not defined), and degrees of freedom."""

    difference: float
    error: float
    degrees: int


def pearson_lead(measure: ArrayLike, other: ArrayLike, accuracy: ArrayLike) -> Lead:
    """How much larger r of ``measure`` is than that of ``other``; [n] each. Errors as `correlation`."""
    one, two = correlation(measure, accuracy).pearson, correlation(other, accuracy).pearson
    n, between = len(np.asarray(accuracy)), correlation(measure, other).pearson
    return Lead(one - two, williams_error(one, two, between, n), n - 3)


def williams_error(one: float, two: float, between: float, n: int) -> float:
    """Standard error of ``one`` - ``two``, correlations with one column whose own correlation is ``between``.

    NaN for three encoders. Of measures that are each other's mirror, the limit of the formula.
    """
    if n < 4:
        return nan
    if 1 + between < MIRRORED:
        return 2 * sqrt(max(1 - one**2, 0.0) / (n - 3))
    determinant = 1 - one**2 - two**2 - between**2 + 2 * one * two * between
    mean = (one + two) / 2
    variance = 2 * max(determinant, 0.0) * (n - 1) / (n - 3) + mean**2 * max(1 - between, 0.0) ** 3
    return sqrt(variance / ((n - 1) * (1 + between)))


def kendall_lead(measure: ArrayLike, other: ArrayLike, accuracy: ArrayLike) -> Lead:
    """How much larger tau-b of ``measure`` is than that of ``other``; otherwise as `pearson_lead`."""
    difference = correlation(measure, accuracy).kendall - correlation(other, accuracy).kendall
    without = np.subtract(leave_one_out(measure, accuracy).kendall, leave_one_out(other, accuracy).kendall)
    n = len(without)
    error = sqrt((n - 1) / n * float(((without - without.mean()) ** 2).sum()))
    return Lead(difference, error, n - 1)
