"""The difference in a value between two trainings, paired by seed, with a 95 % interval."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, isnan, nan

import pandas as pd
from scipy.stats import norm

from mi_ray.theory import selection

COARSE = 1e-9
"""Half width of an interval, in accuracy, below which it is zero up to rounding: all differences are the same."""

OVER_SEEDS, OVER_IMAGES = "Student's t over seeds", "normal over test images, one seed"


@dataclass(frozen=True)
class PairedDifference:
    """The mean difference over common seeds, and its interval from ``low`` to ``high``; ``interval_is``: over seeds or
    images."""

    mean: float
    low: float
    high: float
    seeds: int
    interval_is: str

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies on one side of zero, else 0."""
        return int(self.low > 0) - int(self.high < 0)


UNKNOWN = PairedDifference(nan, nan, nan, 0, "not measured")


def paired(first: pd.DataFrame, second: pd.DataFrame, value: str, standard_error: str) -> PairedDifference:
    """The mean of ``value`` in ``first`` minus that in ``second``, paired by seed; each has one row per ``seed``.

    With several common seeds, the interval is Student's. It covers other seeds but, if all seeds have the same test
    images, not other images; it is NaN if the differences of all seeds are equal (accuracies are coarse). With one
    common seed, it combines both standard errors as if independent, so that it is rather too wide.
    """
    frames = [rows.reindex(columns=["seed", value, standard_error]) for rows in (first, second)]
    both = frames[0].merge(frames[1], on="seed", suffixes=("", "_other")).dropna(subset=[value, f"{value}_other"])
    if both.empty:
        return UNKNOWN
    differences = both[value] - both[f"{value}_other"]
    if len(both) == 1:
        error = hypot(both[standard_error].iloc[0], both[f"{standard_error}_other"].iloc[0])
        return _between(differences.mean(), norm.ppf((1 + selection.CONFIDENCE) / 2) * error, 1, OVER_IMAGES)
    half = selection.paired(differences.tolist()).half_width
    return _between(differences.mean(), half if half > COARSE else nan, len(both), OVER_SEEDS)


def _between(mean: float, half: float, seeds: int, interval_is: str) -> PairedDifference:
    return PairedDifference(float(mean), float(mean - half), float(mean + half), seeds, interval_is)


def points(mean: float, low: float, high: float) -> str:
    """The text of a difference in accuracy (0..1) and its interval, in percentage points: ``+1.2 (+0.4 to +2.0)``."""
    if isnan(mean):
        return "not measured"
    text = f"{100 * mean:+z.1f}"
    return f"{text} (the same for all seeds)" if isnan(low) else f"{text} ({100 * low:+z.1f} to {100 * high:+z.1f})"
