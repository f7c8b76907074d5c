"""A claim is judged by intervals against its margin, with Student's quantiles, and needs evidence for either answer."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan, sqrt

import numpy as np
import pytest
from scipy.stats import norm, t, ttest_ind, ttest_rel

from analysis.rules.claim import BITS, POINTS, Every, Part, Some, deciding, equivalent, inferior, superior, to_decide
from analysis.rules.reading import Reading, of_difference, of_place, pooled
from analysis.rules.sentence import ONE_SEED, judged, shown

ONE, OTHER = np.array([0.90, 0.80, 0.85, 0.87]), np.array([0.7, 0.61, 0.6, 0.66])


def at(value: float, error: float = 0.1, degrees: float = inf, n: int = 1) -> Reading:
    return Reading(value=value, error=error, degrees=degrees, n=n)


# Readings


def of_values(values: np.ndarray) -> Reading:
    row = {"mean": values.mean(), "spread": values.std(ddof=1), "n_seeds": len(values), "n_seeds_asked": len(values)}
    return of_place(row)


def test_the_difference_of_two_places_is_welchs() -> None:
    difference, truth = of_values(ONE).less(of_values(OTHER)), ttest_ind(ONE, OTHER, equal_var=False)
    low, high = truth.confidence_interval(0.9)
    assert (difference.low(0.05), difference.high(0.05)) == pytest.approx((low, high))
    assert difference.degrees == pytest.approx(truth.df) and difference.n == 4


def test_a_paired_difference_is_read_back_from_its_interval() -> None:
    low, high = ttest_rel(ONE, OTHER).confidence_interval(0.95)
    row = {"mean": (ONE - OTHER).mean(), "low": low, "high": high, "seeds": 4}
    error = (ONE - OTHER).std(ddof=1) / 2
    assert of_difference(row).error == pytest.approx(error) and of_difference(row).degrees == 3
    assert of_difference({f"less_own_{name}": value for name, value in row.items()}, "less_own_") == of_difference(row)


def test_pooled_seeds_have_the_variance_and_the_degrees_of_all_places() -> None:
    alike = pooled({"a": of_values(ONE), "b": of_values(OTHER)})
    truth = ttest_ind(ONE, OTHER).confidence_interval(0.9)
    difference = alike["a"].less(alike["b"])
    assert (difference.low(0.05), difference.high(0.05)) == pytest.approx((truth.low, truth.high))
    assert pooled({"a": at(1.0), "b": of_values(ONE)}) == {"a": at(1.0), "b": of_values(ONE)}


def test_one_seed_has_the_cells_own_error_and_a_normal_quantile() -> None:
    reading = of_place({"mean": 0.9, "spread": 0.02, "n_seeds": 1, "n_seeds_asked": 1})
    assert reading.low(0.05) == pytest.approx(0.9 - norm.ppf(0.95) * 0.02) and reading.n == 1


def test_one_found_of_several_seeds_has_no_error() -> None:
    reading = of_place({"mean": 0.9, "spread": nan, "n_seeds": 1, "n_seeds_asked": 3})
    assert np.isnan(reading.error) and equivalent("a", reading, 5, BITS).judge() is None


# Judgements


@pytest.mark.parametrize(
    ("value", "holds"),
    [(0.0, True), (0.83, True), (0.84, None), (1.0, None), (1.16, None), (1.17, False), (-1.2, False)],
)
def test_equivalence_takes_both_one_sided_tests(value: float, holds: bool | None) -> None:
    assert equivalent("a", at(value), 1.0, BITS).judge() is holds


@pytest.mark.parametrize(("value", "holds"), [(0.2, True), (0.19, None), (-0.16, None), (-0.17, False)])
def test_superiority_is_above_zero_at_half_the_level(value: float, holds: bool | None) -> None:
    assert superior("a", at(value), BITS).judge() is holds
    assert inferior("a", at(-value), BITS).judge() is holds


def test_a_gain_that_is_surely_smaller_than_claimed_is_false_unless_it_is_surely_there() -> None:
    assert [superior("a", at(value), BITS, false_below=0.5).judge() for value in (0.1, 0.3, 0.4)] == [False, True, True]
    assert superior("a", at(0.1, 1.0), BITS, false_below=0.5).judge() is None


def test_few_seeds_widen_an_interval_as_students_t_does() -> None:
    half = t.ppf(0.95, 2) * 0.1
    assert Part(name="a", reading=at(half + 0.01, degrees=2), low=0.0).judge() is True
    assert Part(name="a", reading=at(half - 0.01, degrees=2), low=0.0).judge() is None


def test_a_number_without_an_error_is_not_judged() -> None:
    for reading in (at(nan), at(5.0, nan)):
        assert superior("a", reading, BITS).judge() is None


def test_every_part_counts_and_many_parts_do_not_find_a_true_claim_false() -> None:
    low = superior("low", at(-0.17), BITS)
    assert low.judge() is False and Every([low, superior("high", at(1.0), BITS)]).judge() is None
    assert Every([superior("lower", at(-0.2), BITS), superior("high", at(1.0), BITS)]).judge() is False
    assert Every([superior("a", at(0.2), BITS)] * 9).judge() is True


def test_some_part_is_enough_at_its_share_of_the_level() -> None:
    no, yes = superior("no", at(-1.0), BITS), superior("yes", at(0.2), BITS)
    assert Some([no, yes]).judge() is None and Some([no, superior("yes", at(0.23), BITS)]).judge() is True
    assert Some([no, superior("low", at(-0.17), BITS)]).judge() is False
    assert deciding(Some([no, yes])) is yes and deciding(Every([no, yes])) is no


def test_the_level_is_what_it_says() -> None:
    """At the margin a claim is found true at its level, with four seeds and with the seeds of both sides apart."""
    draws, rng = 20_000, np.random.default_rng(0)
    values = rng.normal(1.0, 0.3, (draws, 4))
    found = [
        equivalent("a", at(mean, spread / 2, 3.0), 1.0, BITS).judge() is True
        for mean, spread in zip(values.mean(1), values.std(1, ddof=1), strict=True)
    ]
    assert np.mean(found) == pytest.approx(0.05, abs=0.006)


# What would decide it, and words


def test_the_seeds_that_are_needed_decide_with_the_power_that_is_stated() -> None:
    part = superior("a", at(0.5, 1 / sqrt(3), 2.0, 3), BITS)
    n, rng = to_decide(part), np.random.default_rng(1)
    assert n is not None and 25 < n < 45
    for size, expected in ((n, 0.8), (4 * n, 0.999)):
        values = rng.normal(0.5, 1.0, (4000, size))
        found = values.mean(1) - t.ppf(0.975, size - 1) * values.std(1, ddof=1) / sqrt(size) > 0
        assert np.mean(found) == pytest.approx(expected, abs=0.03)


def test_what_lies_on_its_limit_no_number_of_seeds_decides() -> None:
    assert to_decide(superior("a", at(0.0, 0.1, 2.0, 3), BITS)) is None
    assert "on its limit" in shown(superior("a", at(0.0, 0.1, 2.0, 3), BITS))
    assert to_decide(superior("a", at(0.1, nan, 2.0, 3), BITS)) is None


def test_a_sentence_tells_interval_margin_and_what_would_decide() -> None:
    part = equivalent("A less B", at(0.02, 0.01, 2.0, 3), 0.03, POINTS)
    assert shown(part).startswith("A less B is +2.0 points (90 %: -0.9 to +4.9; within 3 is claimed; about ")
    assert "seeds would decide it)" in shown(part)
    assert "is claimed)" in shown(replace(part, reading=at(0.0, 0.001, 2.0, 3)))


@pytest.mark.parametrize(
    ("value", "holds", "start"),
    [(1.0, True, "Holds; as the paper says: A"), (-1.0, False, "Does not hold; against the paper: A"),
     (0.0, None, "Cannot be judged; too close to tell: A")],
)  # fmt: skip
def test_the_verdict_says_what_it_found(value: float, holds: bool | None, start: str) -> None:
    given = judged("s", "c", [superior("A", at(value), BITS), superior("B", at(2.0), BITS)], {"x": 1.0}, "A note.")
    assert given.holds is holds and given.sentence.startswith(start) and given.numbers == {"x": 1.0}
    assert given.sentence.endswith(f"{ONE_SEED} A note.") and ("B is +2.00 bits" in given.sentence)
