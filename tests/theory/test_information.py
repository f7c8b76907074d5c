"""Entropies, bounds and finite-K ceilings (Props. II.1-II.2) against closed forms, tables and simulation."""

from math import log, log2

import numpy as np
import pytest

from mi_ray.theory.information import (
    bits,
    entropy_bits,
    label_channel_bits,
    nominal_bound_bits,
    nominal_ceiling_bits,
    strict_bound_bits,
    strict_ceiling_bits,
)

SIZES = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
NOMINAL = {
    64: (1.560, 2.734, 3.738, 4.603, 5.296, 5.757, 5.963, 6.003, 6.001, 6.000),
    4: (1.189, 1.768, 1.977, 2.004, 2.001, 2.000, 2.000, 2.000, 2.000, 2.000),
    10: (1.426, 2.357, 2.956, 3.249, 3.323, 3.324, 3.322, 3.322, 3.322, 3.322),
    100: (1.569, 2.760, 3.798, 4.725, 5.523, 6.135, 6.501, 6.633, 6.647, 6.645),
}
STRICT = (0.984, 1.953, 2.893, 3.776, 4.559, 5.182, 5.595, 5.811, 5.909, 5.955)


def simulated_ceiling(n_classes, k, per_pair, draws=4000):
    """Mean and standard error of log K' - log(1 + collisions), classes drawn iid, every pair an anchor in turn."""
    classes = np.random.default_rng(0).integers(n_classes, size=(draws, k))
    collisions = (classes[:, :, None] == classes[:, None, :]).sum(2) - 1
    readings = (log2(per_pair * (k - 1) + 1) - np.log2(1 + per_pair * collisions)).mean(1)
    return readings.mean(), readings.std() / np.sqrt(draws)


def mutual_information_bits(joint):
    """I(A; B) in bits by the definition, term by term."""
    rows, columns = joint.sum(1), joint.sum(0)
    terms = [
        joint[a, b] * log2(joint[a, b] / (rows[a] * columns[b])) for a, b in np.ndindex(joint.shape) if joint[a, b] > 0
    ]
    return sum(terms)


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


@pytest.mark.parametrize("n_classes", [4, 10, 64])
def test_the_label_channel_runs_from_class_entropy_down_to_zero(n_classes):
    assert label_channel_bits(n_classes, 0.0) == pytest.approx(log2(n_classes))
    assert label_channel_bits(n_classes, 1.0) == pytest.approx(0, abs=1e-12)
    dial = [label_channel_bits(n_classes, redraw) for redraw in np.linspace(0, 1, 21)]
    assert (np.diff(dial) < 0).all()


@pytest.mark.parametrize("n_classes", [2, 4, 10, 64])
@pytest.mark.parametrize("redraw", [0.0, 0.1, 0.5, 0.9])
def test_the_label_channel_is_the_information_of_its_joint_table(n_classes, redraw):
    joint = (np.eye(n_classes) * (1 - redraw) + redraw / n_classes) / n_classes
    assert label_channel_bits(n_classes, redraw) == pytest.approx(mutual_information_bits(joint), abs=1e-12)


@pytest.mark.parametrize("n_classes", NOMINAL)
def test_nominal_ceilings_are_those_of_the_table(n_classes):
    ceilings = [nominal_ceiling_bits(n_classes, k) for k in SIZES]
    np.testing.assert_allclose(ceilings, NOMINAL[n_classes], atol=0.0015)


def test_strict_ceilings_are_those_of_the_table():
    np.testing.assert_allclose([strict_ceiling_bits(64, k) for k in SIZES], STRICT, atol=0.0015)


@pytest.mark.parametrize(("n_classes", "k"), [(4, 2), (4, 16), (10, 8), (64, 16), (64, 64)])
def test_ceilings_are_what_a_simulated_perfect_encoder_reads(n_classes, k):
    for ceiling, per_pair in ((nominal_ceiling_bits, 2), (strict_ceiling_bits, 1)):
        mean, standard_error = simulated_ceiling(n_classes, k, per_pair)
        assert abs(ceiling(n_classes, k) - mean) < 4 * standard_error


def test_small_k_caps_the_nominal_ceiling():
    for n_classes in NOMINAL:
        for k in SIZES:
            assert nominal_ceiling_bits(n_classes, k) < nominal_bound_bits(k)
    assert nominal_ceiling_bits(64, 4) < 2.74 < entropy_bits(np.full(64, 1 / 64))


def test_the_nominal_ceiling_exceeds_class_entropy_by_millibits_only():
    excess = [nominal_ceiling_bits(c, k) - log2(c) for c in (4, 10, 64, 100) for k in SIZES]
    assert 0.003 < max(excess) < 0.006


def test_the_strict_ceiling_never_exceeds_class_entropy_and_rises_with_k():
    for n_classes in (4, 10, 64):
        ceilings = [strict_ceiling_bits(n_classes, k) for k in SIZES]
        assert (np.diff(ceilings) > 0).all()
        assert ceilings[-1] < log2(n_classes)


def test_bounds_count_the_terms_of_the_denominator():
    assert nominal_bound_bits(256) == pytest.approx(log2(511))
    assert strict_bound_bits(256) == pytest.approx(8)
    assert nominal_bound_bits(1) == strict_bound_bits(1) == 0
