"""Fig. 4's rule: an encoder on its ceilings passes with the seeds that are stated, and each false part is seen."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from analysis.rules.claim import BITS, POINTS, Claim, Every
from analysis.rules.reading import Reading
from analysis.small_batch.verdict import (
    ABOVE_BITS,
    BELOW_BITS,
    FLAT_ACCURACY,
    FLAT_BITS,
    REPORTS,
    beyond,
    flat,
    follows,
)
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import nominal_bound_bits
from sweeps.small_batch import ACCURACY_POWER, BITS_POWER, STUDY
from tests.analysis.rules.simulated import LEAST_TRUE, MOST_FALSE, NEEDED, chance, of_one, over_seeds, rate

KS = STUDY.grid("laptop", {})["k_tr"]
CEILINGS = {k: LabelChannel.uniform(64).nominal_ceiling_bits(k, temperature=0.2) for k in KS}
STEPS = {k: 120_000 // (2 * k) for k in KS}
OF_A_STEP = {8: 0.224, 32: 0.166, 64: 0.109, 128: 0.061, 256: 0.031}
"""Standard deviation, in bits, of Eq. 4 for a perfect encoder over the batches of a step."""

IMAGES = {BITS: 0.05, POINTS: 0.004}
"""Standard errors of a laptop's cells over test images."""

BETWEEN = {BITS: BITS_POWER.spread / 2**0.5, POINTS: ACCURACY_POWER.spread / 2**0.5}
"""Standard deviations between seeds, test images included."""
SEEDS = NEEDED["small_batch, seeds"]


def test_the_spread_of_a_perfect_encoders_steps_is_what_is_assumed() -> None:
    rng = np.random.default_rng(0)
    for k in KS[:3]:
        classes = rng.integers(64, size=(600, k))
        alike = (classes[:, :, None] == classes[:, None, :]).sum(2) - 1
        others = np.exp(-64 / 63 / 0.2) * 2 * (k - 1 - alike)
        estimates = nominal_bound_bits(k) - np.log2(1 + 2 * alike + others).mean(1)
        assert estimates.std() == pytest.approx(OF_A_STEP[k], rel=0.1)
        assert estimates.mean() == pytest.approx(CEILINGS[k], abs=0.03)


def during(rng: np.random.Generator, k: int, truth: float, seeds: int) -> Reading:
    """The in-training estimate of an encoder from the last tenth of its steps."""
    error = OF_A_STEP[k] / (STEPS[k] // 10) ** 0.5
    if seeds == 1:
        return of_one(truth, error, rng, REPORTS - 1)
    return over_seeds(rng.normal(truth, error, seeds))


def after(rng: np.random.Generator, truth: float, unit: object, seeds: int) -> Reading:
    """A number of frozen encoders: with one seed about its encoder, with several about all of them."""
    if seeds == 1:
        return of_one(truth, IMAGES[unit], rng)
    return over_seeds(rng.normal(truth, BETWEEN[unit], seeds))


def fig_4(
    rng: np.random.Generator, *, seeds: int = SEEDS, below: float = 0.1, at_8: float = 0.0, bits: float = 0.0,
    accuracy: float = 0.0, level: float = 5.9,
) -> Claim:  # fmt: skip
    """In-training estimates ``below`` their ceilings but at K_tr = 8, there at ``at_8``; the last K_tr is off by
    ``bits`` and ``accuracy``."""
    readings = {k: during(rng, k, CEILINGS[k] + (at_8 if k == 8 else -below), seeds) for k in KS}
    estimates = {k: after(rng, level + bits * (k == KS[-1]), BITS, seeds) for k in KS}
    accuracies = {k: after(rng, 0.97 + accuracy * (k == KS[-1]), POINTS, seeds) for k in KS}
    return Every([
        follows("a", readings, CEILINGS),
        flat("a", estimates, FLAT_BITS, BITS),
        flat("a", accuracies, FLAT_ACCURACY, POINTS),
        beyond("a", estimates[8], nominal_bound_bits(8), 8),
    ])  # fmt: skip


FALSE = {"at_8": 2 * ABOVE_BITS, "below": 1.2 * BELOW_BITS, "bits": -1.2 * FLAT_BITS, "accuracy": -1.2 * FLAT_ACCURACY}


def test_a_claim_that_is_true_is_found_with_the_seeds_that_are_needed() -> None:
    assert rate(fig_4, draws=200) >= LEAST_TRUE


@pytest.mark.parametrize("seeds", [1, SEEDS])
@pytest.mark.parametrize("part", FALSE)
def test_a_part_that_is_false_is_not_found_true(part: str, seeds: int) -> None:
    assert rate(partial(fig_4, seeds=seeds, **{part: FALSE[part]}), draws=150) <= MOST_FALSE
    assert rate(partial(fig_4, seeds=seeds, level=3.8), draws=100) <= MOST_FALSE


def test_at_its_margin_an_estimate_above_its_ceiling_is_found_to_follow_at_the_level() -> None:
    for seeds in (1, SEEDS):
        assert rate(partial(fig_4, seeds=seeds, at_8=ABOVE_BITS), draws=200) <= chance(200)
