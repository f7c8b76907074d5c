"""Fig. 5's rule at the laptop's size: a common reverse U is found, curves that rise or peak apart are not."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from analysis.infomin_strength.verdict import RISE, TOGETHER, Curves
from analysis.rules.claim import Claim, Every
from sweeps.infomin_strength import CROPS, JITTERS, TASKS
from tests.analysis.rules.simulated import LEAST_TRUE, MOST_FALSE, of_one, over_seeds, rate

DRAWS = 100
ERROR = 0.007
"""Standard error of an accuracy over 4096 test images, at .8."""

STRENGTHS = (0.0, 1.0, 2.0, 3.0, 4.0)
assert len(JITTERS) == len(CROPS) == len(STRENGTHS)


def figure(
    rng: np.random.Generator, *, rise: float = 0.1, apart: float = 0.0, tasks: tuple[str, ...] = TASKS, seeds: int = 1
) -> Claim:
    """Curves that rise to the third of five strengths by ``rise``, in ``tasks`` alone; color to the second, which lies
    ``apart`` above its third."""
    curves = {}
    for task in TASKS:
        heights = {at: 0.8 - rise * (task in tasks) * abs(at - 2) / 2 for at in STRENGTHS}
        heights[1.0] = heights[2.0] + apart if apart and task == "color" else heights[1.0]
        curves[task] = {at: accuracy(rng, height, seeds) for at, height in heights.items()}
    return Every(Curves("a", curves).claims)


def accuracy(rng: np.random.Generator, height: float, seeds: int):
    return of_one(height, ERROR, rng) if seeds == 1 else over_seeds(rng.normal(height, ERROR, seeds))


def test_a_common_reverse_u_is_found() -> None:
    assert rate(figure, draws=DRAWS) >= LEAST_TRUE


@pytest.mark.parametrize("seeds", [1, 4])
@pytest.mark.parametrize("wrong", [{"rise": 0.0}, {"rise": -0.1}, {"rise": RISE}, {"tasks": TASKS[1:]}])
def test_curves_without_a_peak_are_not_found_to_have_one(wrong: dict[str, object], seeds: int) -> None:
    assert rate(partial(figure, seeds=seeds, **wrong), draws=DRAWS) <= MOST_FALSE


@pytest.mark.parametrize("seeds", [1, 4])
def test_peaks_that_lie_apart_are_not_found_to_be_common(seeds: int) -> None:
    assert rate(partial(figure, seeds=seeds, apart=TOGETHER + 0.01), draws=DRAWS) <= MOST_FALSE


def test_peaks_that_lie_far_apart_are_found_against_the_paper() -> None:
    assert rate(partial(figure, rise=0.2, apart=0.1), False, DRAWS) >= LEAST_TRUE


def test_curves_that_fall_are_found_against_the_paper() -> None:
    assert rate(partial(figure, rise=-0.1), False, DRAWS) >= LEAST_TRUE
