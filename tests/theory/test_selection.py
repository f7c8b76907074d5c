"""Seed noise, hopeless candidates, the best candidates, and intervals over paired seeds."""

import numpy as np
import pytest
from scipy.stats import t as student
from scipy.stats import ttest_1samp

from mi_ray.theory.selection import best_of_each, front, hopeless, margin, paired


def test_the_margin_is_exceeded_by_seed_noise_alone_as_often_as_it_says():
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal((20_000, 5))
    exceeded = [one[3] - one[4] > margin(list(one[:3])) for one in drawn]
    assert np.mean(exceeded) == pytest.approx(0.05, abs=0.005)


def test_the_margin_is_students_quantile_of_the_difference_of_two_values():
    assert margin([1.0, 2.0, 3.0]) == pytest.approx(student.ppf(0.95, 2) * 2**0.5)


def test_what_is_merely_below_the_median_is_not_hopeless():
    values = [(0.9,), (0.89,), (0.88,), (0.87,), (0.5,)]
    assert [hopeless(value, values, [0.05]) for value in values] == [False] * 4 + [True]


def test_without_noise_of_seeds_only_the_best_are_not_hopeless():
    assert [hopeless(value, [(1.0,), (2.0,)], [0.0]) for value in [(1.0,), (2.0,)]] == [True, False]


def test_of_several_objectives_one_that_is_not_beaten_in_all_is_not_hopeless():
    values = [(0.9, 1.0), (0.5, 1.95), (0.5, 0.5)]
    assert [hopeless(value, values, [0.1, 0.1]) for value in values] == [False, False, True]


def test_the_pareto_front_is_what_no_other_dominates():
    values = [(1, 3), (2, 2), (3, 1), (1, 2), (2, 2), (0, 0)]
    slow = [i for i, v in enumerate(values) if not any(o != v and o[0] >= v[0] and o[1] >= v[1] for o in values)]
    assert front(values) == slow == [0, 1, 2, 4]


def test_the_best_of_each_objective_is_on_the_front_and_the_earliest_of_equals():
    assert best_of_each([(1, 0), (1, 2), (0, 3), (0, 3)]) == [1, 2]
    assert best_of_each([(0.5,), (0.7,), (0.7,)]) == [1]


def test_paired_differences_have_the_interval_of_students_t():
    differences = [0.1, 0.3, 0.2, 0.25]
    low, high = ttest_1samp(differences, 0).confidence_interval(0.95)
    seen = paired(differences)
    assert (seen.mean - seen.half_width, seen.mean + seen.half_width) == pytest.approx((low, high))
    assert seen.above_zero and not seen.below_zero


def test_an_interval_that_two_objectives_share_is_wider():
    assert paired([0.1, 0.2], comparisons=2).half_width > paired([0.1, 0.2]).half_width


@pytest.mark.parametrize("differences", [[], [1.0]])
def test_fewer_than_two_pairs_say_nothing_of_noise(differences):
    seen = paired(differences)
    assert np.isnan(seen.half_width) and not seen.above_zero and not seen.below_zero
