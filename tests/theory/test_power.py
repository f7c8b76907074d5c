"""The difference that n replicates tell is found with the stated probability, by the noncentral t distribution."""

from __future__ import annotations

from math import inf, sqrt

import pytest
from scipy.stats import nct, t

from mi_ray.theory.power import MOST, needed, told


@pytest.mark.parametrize("n", [3, 5, 8, 12, 40])
@pytest.mark.parametrize("level", [0.05, 0.025])
def test_what_is_told_is_found_with_the_stated_power(n: int, level: float) -> None:
    shift = told(n, 2.0, level=level) * sqrt(n) / 2.0
    assert nct.sf(t.ppf(1 - level, n - 1), n - 1, shift) == pytest.approx(0.8, abs=0.045)


def test_unpaired_replicates_have_the_degrees_of_both_sides() -> None:
    shift = told(4, 1.0, level=0.05, sides=2) * sqrt(4)
    assert shift == pytest.approx(t.ppf(0.95, 6) + t.ppf(0.8, 6))
    assert told(11, 1.0, level=0.05, columns=3) * sqrt(11) == pytest.approx(t.ppf(0.95, 8) + t.ppf(0.8, 8))


def test_what_is_needed_is_the_first_number_that_tells() -> None:
    n = needed(0.5, 1.0, level=0.025)
    assert n is not None and told(n, 1.0, level=0.025) <= 0.5 < told(n - 1, 1.0, level=0.025)


def test_one_replicate_tells_nothing_and_no_difference_is_never_told() -> None:
    assert told(1, 1.0, level=0.05) == inf
    assert needed(0.0, 1.0, level=0.05) is None and needed(2 / MOST, 1.0, level=0.05) is None
