"""Entropies and bounds (Props. II.1-II.2) against closed forms."""

from math import log, log2

import numpy as np
import pytest

from mi_ray.theory.information import bits, entropy_bits, nominal_bound_bits, strict_bound_bits


def test_bits_are_nats_over_log_two():
    assert bits(log(2)) == pytest.approx(1)
    assert bits(log(511)) == pytest.approx(log2(511))


def test_entropy_of_a_uniform_class_is_its_logarithm_and_of_a_sure_one_is_zero():
    assert entropy_bits(np.full(64, 1 / 64)) == pytest.approx(6)
    assert entropy_bits([1.0, 0.0]) == 0
    assert entropy_bits([0.5, 0.25, 0.25]) == pytest.approx(1.5)


@pytest.mark.parametrize("p", [[0.5, 0.6], [1.5, -0.5], [float("nan"), 1.0]])
def test_entropy_refuses_what_is_no_distribution(p):
    with pytest.raises(ValueError, match="probabilities"):
        entropy_bits(p)


def test_bounds_count_the_terms_of_the_denominator():
    assert nominal_bound_bits(256) == pytest.approx(log2(511))
    assert strict_bound_bits(256) == pytest.approx(8)
    assert nominal_bound_bits(1) == strict_bound_bits(1) == 0
