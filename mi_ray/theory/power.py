"""The power of tests: which difference a number of replicates tells, and how many replicates tell a difference.

A one-sided test by Student's t finds a true difference d with probability ``power`` if

    d sqrt(n) >= (t(1 - level) + t(power)) s,

s the standard deviation of a replicate's difference. The noncentral t distribution asks for at most one replicate more
or less. With ``sides`` = 2 the replicates of the two things compared are not paired, and have n - 1 degrees of freedom
each. With three or more ``columns`` the degrees are n - ``columns``, those of the difference between two correlations.
"""

from __future__ import annotations

from math import inf, sqrt

POWER = 0.8
"""The probability to find a difference that is there, unless another is given."""

MOST = 1000
"""More replicates than this are not counted."""


def factor(n: int, *, level: float, power: float = POWER, sides: int = 1, columns: int = 1) -> float:
    """t(1 - level) + t(power): infinite where there is no degree of freedom."""
    from scipy.special import stdtrit

    degrees = n - columns if columns > 1 else sides * (n - 1)
    return float(stdtrit(degrees, 1 - level) + stdtrit(degrees, power)) if degrees > 0 else inf


def told(n: int, spread: float, *, level: float, power: float = POWER, sides: int = 1, columns: int = 1) -> float:
    """The least difference that ``n`` replicates tell; ``spread``: standard deviation of a replicate's difference."""
    return factor(n, level=level, power=power, sides=sides, columns=columns) * spread / sqrt(n)


def needed(
    difference: float, spread: float, *, level: float, power: float = POWER, sides: int = 1, columns: int = 1
) -> int | None:
    """The least number of replicates that tell ``difference``; None if that is more than `MOST`."""
    for n in range(2, MOST + 1):
        if told(n, spread, level=level, power=power, sides=sides, columns=columns) <= difference:
            return n
    return None
