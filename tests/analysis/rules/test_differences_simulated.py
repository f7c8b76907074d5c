"""Negatives, objectives and the search: true claims are found at a stated number of seeds, and false ones are not."""

from __future__ import annotations

from functools import partial
from math import sqrt

import numpy as np
import pytest

from analysis.augmentation.table import ACCURACY
from analysis.augmentation.verdict import LEAST_GAIN as LEAST_GAINS
from analysis.augmentation.verdict import claimed as claimed_of_search
from analysis.negatives.verdict import LEAST_GAIN
from analysis.negatives.verdict import claimed as claimed_of_negatives
from analysis.objectives.table import COMPARISONS
from analysis.objectives.verdict import claimed as claimed_of_objectives
from analysis.rules.claim import Claim, Every
from sweeps import augmentation_search, negatives, objectives
from tests.analysis.rules.simulated import LEAST_TRUE, MOST_FALSE, NEEDED, chance, laptop, over_seeds, rate

# Table X

AS_PRINTED = {"sibling": 0.0192, "crops": -0.03, "noise": -0.05}
"""The sibling's gain on CIFAR-5A; the paper's text has no numbers of the others."""


def table_x(rng: np.random.Generator, *, seeds: int = laptop(negatives.STUDY), **gains: float) -> Claim:
    return Every([
        claimed_of_negatives(name, over_seeds(rng.normal(gain, negatives.POWER.spread, seeds)), name)
        for name, gain in (AS_PRINTED | gains).items()
    ])  # fmt: skip


def test_the_papers_effects_of_negatives_are_found_by_the_laptop() -> None:
    assert rate(table_x) >= LEAST_TRUE


@pytest.mark.parametrize("name", AS_PRINTED)
def test_an_effect_of_negatives_that_is_not_there_is_not_found(name: str) -> None:
    assert rate(partial(table_x, **{name: 0.0})) <= MOST_FALSE
    assert rate(partial(table_x, **{name: -AS_PRINTED[name]})) == 0


def test_no_gain_of_the_sibling_is_found_by_more_seeds_and_the_papers_smaller_one_is_not_denied() -> None:
    enough = NEEDED["negatives, seeds to find no gain"]
    assert (
        rate(partial(table_x, seeds=enough, sibling=0.0), False)
        >= LEAST_TRUE
        > rate(partial(table_x, sibling=0.0), False)
    )
    assert rate(partial(table_x, seeds=enough, sibling=LEAST_GAIN), False) <= chance()


# The search

SEEDS = NEEDED["augmentation_search, fresh seeds"]


def best(rng: np.random.Generator, *, gain: float, seeds: int) -> Claim:
    return claimed_of_search(ACCURACY, list(rng.normal(gain, augmentation_search.POWER.spread, seeds)))


def test_a_gain_of_the_search_is_found_if_it_is_there() -> None:
    assert rate(partial(best, gain=LEAST_GAINS[ACCURACY], seeds=SEEDS)) >= LEAST_TRUE
    assert rate(partial(best, gain=0.07, seeds=3)) >= LEAST_TRUE
    for seeds in (3, SEEDS):
        assert rate(partial(best, gain=0.0, seeds=seeds)) <= MOST_FALSE
        assert rate(partial(best, gain=LEAST_GAINS[ACCURACY], seeds=seeds), False) <= chance()


# Table III

IMAGENET = {"simclr": 0.691, "class": 0.752, "augmented": 0.764, "supcon": 0.787}
"""Table III on ImageNet-1k, the one data set on which all of its comparisons have the claimed sign."""


def table_iii(rng: np.random.Generator, *, seeds: int = NEEDED["objectives, seeds"], **accuracies: float) -> Claim:
    spread = objectives.POWER.spread / sqrt(2)
    drawn = {name: rng.normal(mean, spread, seeds) for name, mean in (IMAGENET | accuracies).items()}
    return Every([
        claimed_of_objectives(quantifier, {"CDP": over_seeds(drawn[better] - drawn[worse])})
        for (better, worse), quantifier in COMPARISONS.items()
    ])  # fmt: skip


def test_the_papers_order_of_objectives_is_found() -> None:
    assert rate(table_iii) >= LEAST_TRUE


@pytest.mark.parametrize("seeds", [laptop(objectives.STUDY), NEEDED["objectives, seeds"]])
@pytest.mark.parametrize(("better", "worse"), list(COMPARISONS))
def test_an_order_of_objectives_that_is_not_there_is_not_found(better: str, worse: str, seeds: int) -> None:
    assert rate(partial(table_iii, seeds=seeds, **{better: IMAGENET[worse]})) <= MOST_FALSE


def test_a_large_difference_against_the_paper_is_found_by_three_seeds() -> None:
    against = partial(table_iii, seeds=3, supcon=IMAGENET["class"] - 0.28)
    assert rate(against, False) >= LEAST_TRUE and rate(against) == 0
