"""Averages of weights, and the rule by which a fit has converged."""

import numpy as np
import pytest
import torch

from mi_ray.compute.estimation.averaging import (
    CHECK_STEPS,
    CHECKS,
    GAIN_BITS,
    RECENCY,
    Plateau,
    average,
    check_interval,
)


def averaged(values):
    mean = torch.zeros(1)
    for step, value in enumerate(values, start=1):
        average([mean], [torch.tensor([float(value)])], step)
    return mean.item()


def test_the_average_weighs_a_step_by_its_place_to_the_power_of_the_recency():
    """The closed form of polynomial-decay averaging: step s counts as (s + 1) ... (s + RECENCY - 1) s."""
    values = np.random.default_rng(0).standard_normal(40)
    steps = np.arange(1, 41, dtype=float)
    weights = np.prod([steps + rise for rise in range(RECENCY)], axis=0)
    assert averaged(values) == pytest.approx(float(weights @ values / weights.sum()), rel=1e-4)


def test_the_first_average_is_the_weights_of_the_first_step():
    assert averaged([3.0]) == 3.0


def test_a_fit_that_gains_too_little_for_its_patience_has_converged_and_stays_so():
    plateau, seen = Plateau(2, patience=30), []
    for step, first in zip(range(10, 80, 10), (1.0, 1.5, 1.5, 1.505, 1.509, 9.0, 9.5), strict=True):
        plateau.see(step, np.array([first, step]))
        seen.append(plateau.converged.tolist())
    assert seen == [[False, False]] * 4 + [[True, False]] * 3


def test_small_gains_add_up_to_one():
    """Each of .4 GAIN_BITS: the third is a gain over the reading that counts, so that the fit goes on."""
    plateau = Plateau(1, patience=40)
    for check in range(1, 20):
        plateau.see(10 * check, np.array([0.4 * GAIN_BITS * check]))
        assert not plateau.converged.any()


def test_a_reading_that_is_not_finite_is_no_gain():
    plateau = Plateau(1, patience=20)
    for step in (10, 20):
        plateau.see(step, np.array([np.nan]))
    assert plateau.converged.all()


@pytest.mark.parametrize(("steps", "interval"), [(1, 1), (60, 6), (200, CHECK_STEPS), (4000, CHECK_STEPS)])
def test_short_fits_are_checked_ten_times_and_long_ones_every_twenty_steps(steps, interval):
    assert check_interval(steps) == interval
    assert steps < CHECKS or steps // interval >= CHECKS
