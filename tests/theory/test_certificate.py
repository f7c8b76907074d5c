"""The bracket: confidence limits of several readings at once, and the width that certifies."""

import numpy as np
import pytest
from scipy.stats import norm

from mi_ray.theory.certificate import TOLERANCE_BITS, Bracket, Reading, bracket


def reading(bits, standard_error_bits=0.01):
    return Reading(bits=bits, standard_error_bits=standard_error_bits)


@pytest.mark.parametrize("tried", [1, 2, 4])
def test_each_limit_pays_for_how_many_were_tried(tried):
    result = bracket({str(i): reading(2.0, 0.1) for i in range(tried)}, 3.0)
    assert result.lower_bits == pytest.approx(2 - 0.1 * norm.ppf(1 - 0.05 / tried))


def test_the_largest_limit_is_taken_and_named_not_the_largest_reading():
    result = bracket({"loud": reading(2.0, 0.5), "sure": reading(1.9, 0.01), "poor": reading(1.0, 0.01)}, 2.0)
    assert result.lower_from == "sure"
    assert result.lower_bits == pytest.approx(1.9, abs=0.03)
    assert result.upper_bits == 2.0


@pytest.mark.parametrize("lost", [reading(np.nan), reading(np.inf), reading(5.0, np.nan), reading(5.0, np.inf)])
def test_a_reading_that_is_not_finite_proves_nothing_and_counts_as_tried(lost):
    result = bracket({"lost": lost, "strict": reading(2.0, 0.1)}, 3.0)
    assert result.lower_from == "strict"
    assert result.lower_bits == bracket({"one": reading(2.0, 0.1), "other": reading(0.0, 0.1)}, 3.0).lower_bits
    alone = bracket({"lost": lost}, 3.0)
    assert (alone.lower_bits, alone.lower_from) == (0.0, "none")
    assert alone.reasons


def test_information_is_never_negative():
    result = bracket({"strict": reading(-0.4), "nwj": reading(-3.0)}, 2.0)
    assert (result.lower_bits, result.lower_from) == (0.0, "strict")


def test_the_true_value_is_below_the_lower_end_once_in_twenty_at_most():
    rng, truth, errors = np.random.default_rng(0), 2.0, np.array([0.02, 0.1, 0.1, 0.3])
    above, draws = 0, 4000
    for _ in range(draws):
        values = truth + errors * rng.standard_normal(4)
        readings = {
            f"critic {error} {value}": reading(value, error) for value, error in zip(values, errors, strict=True)
        }
        above += bracket(readings, 9.0).lower_bits > truth
    assert 0.03 < above / draws < 0.05 + 3 * np.sqrt(0.05 / draws)


def test_a_bracket_certifies_when_it_is_narrow():
    narrow = Bracket(lower_bits=2.0 - 0.9 * TOLERANCE_BITS, upper_bits=2.0, lower_from="strict")
    assert narrow.epsilon_bits == pytest.approx(0.9 * TOLERANCE_BITS)
    assert narrow.reasons == ()


def test_a_wide_one_says_what_remains_unknown():
    (reason,) = Bracket(lower_bits=1.5, upper_bits=2.0, lower_from="strict").reasons
    assert reason == "the true value is between 1.50 and 2.00 bits: 0.50 bits wide, 0.1 allowed"
