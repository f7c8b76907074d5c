"""The difference in a value between two trainings, paired by seed, with a 95 % interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, isnan, nan

import pandas as pd
from scipy.stats import norm

from analysis.verdict import all_hold
from mi_ray.theory import selection

COARSE = 1e-9
"""Differences that agree to this are the same, up to rounding of floats."""

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


def paired(one: pd.DataFrame, other: pd.DataFrame, value: str, standard_error: str) -> PairedDifference:
    """``one`` less ``other`` in ``value``; each has one row per ``seed``.

    Several common seeds: Student's interval of the mean difference, which covers other seeds but, where all have the
    same test images, not other images; NaN where accuracies are so coarse that the differences agree. One common seed:
    both standard errors, taken as independent, so that the interval is rather too wide.
    """
    frames = [rows.reindex(columns=["seed", value, standard_error]) for rows in (one, other)]
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


# The judgement of a claim by differences

STARTS = {True: "Holds", False: "Does not hold", None: "Cannot be judged"}
WORDS = {False: "against the paper", None: "too close to tell", True: "as the paper says"}


def weighed(parts: Sequence[tuple[bool | None, str]]) -> tuple[bool | None, str]:
    """Whether a claim holds, and the sentence, from its parts: each surely as claimed, surely not, or None.

    One part that surely is not as claimed is enough against the claim; all must surely be for it.
    """
    judgements = [judgement for judgement, _ in parts]
    holds = all_hold(judgements)
    texts = {word: [text for judgement, text in parts if judgement is word] for word in WORDS}
    listed = [f"{WORDS[word]}: {', '.join(texts[word])}" for word in WORDS if texts[word]]
    return holds, f"{STARTS[holds]}; {'; '.join(listed)}."


def points(mean: float, low: float, high: float) -> str:
    """A difference in accuracy with its interval, in points."""
    if isnan(mean):
        return "not measured"
    text = f"{100 * mean:+z.1f}"
    return f"{text} (the same for all seeds)" if isnan(low) else f"{text} ({100 * low:+z.1f} to {100 * high:+z.1f})"
