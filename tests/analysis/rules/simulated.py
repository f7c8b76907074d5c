"""Draws of readings at a preset's size, and how often a rule finds the claim about them true."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, sqrt

import numpy as np

from analysis.rules.claim import Claim
from analysis.rules.reading import Reading
from mi_ray.experiments.plan.study import Study

DRAWS = 400
MOST_FALSE = 0.05
"""The share of draws, at most, in which a false claim is found true."""

LEAST_TRUE = 0.8
"""The share of draws, at least, in which a true claim is found true."""

NEEDED = {
    "augmentation_search, fresh seeds": 7,
    "small_batch, seeds": 4,
    "temperature, encoders": 20,
    "encoder_zoo, encoders": 11,
    "objectives, seeds": 25,
    "negatives, seeds to find no gain": 40,
}
"""Sizes with which a rule answers as it should in `LEAST_TRUE` of draws, where laptop presets are too small."""


def rate(rule: Callable[[np.random.Generator], Claim], holds: bool | None = True, draws: int = DRAWS) -> float:
    """The share of draws in which the claim is judged so; the same draws every time."""
    return float(np.mean([rule(np.random.default_rng((18, number))).judge() is holds for number in range(draws)]))


def chance(draws: int = DRAWS) -> float:
    """`MOST_FALSE` and two standard errors of a rate over so many draws: for a claim that is false by a hair."""
    return MOST_FALSE + 2 * sqrt(MOST_FALSE * (1 - MOST_FALSE) / draws)


def over_seeds(values: np.ndarray) -> Reading:
    """The mean over several seeds."""
    n = len(values)
    return Reading(value=values.mean(), error=values.std(ddof=1) / sqrt(n), degrees=n - 1, n=n)


def of_one(truth: float, error: float, rng: np.random.Generator, degrees: float = inf) -> Reading:
    """One seed's number, drawn about the truth of its encoder; with ``degrees``, its standard error is drawn too."""
    drawn = error * sqrt(rng.chisquare(degrees) / degrees) if degrees < inf else error
    return Reading(value=rng.normal(truth, error), error=drawn, degrees=degrees)


def laptop(study: Study, axis: str = "seed") -> int:
    """The number of values that the laptop preset has of an axis."""
    return len(study.grid("laptop", {})[axis])
