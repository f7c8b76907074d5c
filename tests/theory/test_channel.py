"""The label channel: its information against the joint table, its ceilings against tables and simulation."""

from math import log2

import numpy as np
import pytest

from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import nominal_bound_bits, strict_bound_bits

SIZES = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
NOMINAL = {
    64: (1.560, 2.734, 3.738, 4.603, 5.296, 5.757, 5.963, 6.003, 6.001, 6.000),
    4: (1.189, 1.768, 1.977, 2.004, 2.001, 2.000, 2.000, 2.000, 2.000, 2.000),
    10: (1.426, 2.357, 2.956, 3.249, 3.323, 3.324, 3.322, 3.322, 3.322, 3.322),
    100: (1.569, 2.760, 3.798, 4.725, 5.523, 6.135, 6.501, 6.633, 6.647, 6.645),
}
STRICT = (0.984, 1.953, 2.893, 3.776, 4.559, 5.182, 5.595, 5.811, 5.909, 5.955)
SKEWED = (0.5, 0.25, 0.15, 0.1)


def joint_table(prior, redraw):
    """p(c, c'), by the definition of the channel."""
    p = np.asarray(prior)
    return (1 - redraw) * np.diag(p) + redraw * np.outer(p, p)


def mutual_information_bits(joint):
    """I(A; B) in bits by the definition, term by term."""
    rows, columns = joint.sum(1), joint.sum(0)
    terms = [
        joint[a, b] * log2(joint[a, b] / (rows[a] * columns[b])) for a, b in np.ndindex(joint.shape) if joint[a, b] > 0
    ]
    return sum(terms)


def simulated_ceilings(prior, redraw, k, ratio=None, batches=3000, seed=0):
    """Nominal and strict readings of the critic log ``ratio`` [C, C] on drawn classes: mean and standard error of each.

    Every x and every y is an anchor once, as in Eq. 2; the ratio is the optimal one unless given.
    """
    rng, joint = np.random.default_rng(seed), joint_table(prior, redraw)
    ratio = joint / np.outer(prior, prior) if ratio is None else ratio
    x = rng.choice(len(prior), size=(batches, k), p=prior)
    anew = rng.random((batches, k)) < redraw
    y = np.where(anew, rng.choice(len(prior), size=(batches, k), p=prior), x)
    positive = np.log2(ratio[x, y])
    cross = ratio[x[:, :, None], y[:, None, :]]
    in_x, in_y = (ratio[side[:, :, None], side[:, None, :]] * (1 - np.eye(k)) for side in (x, y))
    nominal = nominal_bound_bits(k) + positive
    nominal = nominal - (np.log2(cross.sum(2) + in_x.sum(2)) + np.log2(cross.sum(1) + in_y.sum(2))) / 2
    strict = strict_bound_bits(k) + positive - (np.log2(cross.sum(2)) + np.log2(cross.sum(1))) / 2
    return [(r.mean(), r.mean(1).std(ddof=1) / np.sqrt(batches)) for r in (nominal, strict)]


def test_the_channel_runs_from_class_entropy_down_to_zero():
    for prior in (SKEWED, (1 / 64,) * 64):
        dial = [LabelChannel(prior=prior, redraw=redraw).information_bits for redraw in np.linspace(0, 1, 21)]
        assert dial[0] == pytest.approx(LabelChannel(prior=prior).entropy_bits)
        assert dial[-1] == pytest.approx(0, abs=1e-12)
        assert (np.diff(dial) < 0).all()


@pytest.mark.parametrize("prior", [(0.5, 0.5), SKEWED, (0.9, 0.1, 0.0), (1 / 64,) * 64])
@pytest.mark.parametrize("redraw", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_its_information_is_that_of_the_joint_table(prior, redraw):
    expected = mutual_information_bits(joint_table(prior, redraw))
    assert LabelChannel(prior=prior, redraw=redraw).information_bits == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n_classes", NOMINAL)
def test_nominal_ceilings_are_those_of_the_table(n_classes):
    ceilings = [LabelChannel.uniform(n_classes).nominal_ceiling_bits(k) for k in SIZES]
    np.testing.assert_allclose(ceilings, NOMINAL[n_classes], atol=0.0006)


def test_strict_ceilings_are_those_of_the_table():
    ceilings = [LabelChannel.uniform(64).strict_ceiling_bits(k) for k in SIZES]
    np.testing.assert_allclose(ceilings, STRICT, atol=0.0006)


def test_a_thousand_classes_need_k_of_thousands():
    channel = LabelChannel.uniform(1000)
    ceilings = [channel.nominal_ceiling_bits(k) for k in (64, 256, 1024, 4096)]
    np.testing.assert_allclose(ceilings, (6.891, 8.619, 9.733, 9.969), atol=0.0006)


@pytest.mark.parametrize(("n_classes", "k"), [(4, 2), (4, 16), (10, 8), (64, 16), (64, 32)])
def test_ceilings_are_what_a_simulated_perfect_encoder_reads(n_classes, k):
    channel = LabelChannel.uniform(n_classes)
    nominal, strict = simulated_ceilings(channel.prior, 0.0, k)
    assert abs(channel.nominal_ceiling_bits(k) - nominal[0]) < 4 * nominal[1]
    assert abs(channel.strict_ceiling_bits(k) - strict[0]) < 4 * strict[1]


@pytest.mark.parametrize("prior", [SKEWED, (0.25,) * 4, (0.7, 0.3, 0.0)])
@pytest.mark.parametrize("redraw", [0.0, 0.2, 0.8])
@pytest.mark.parametrize("k", [2, 12])
def test_they_are_under_any_prior_and_redraw(prior, redraw, k):
    possible = tuple(p for p in prior if p > 0)
    channel = LabelChannel(prior=prior, redraw=redraw)
    nominal, strict = simulated_ceilings(possible, redraw, k)
    assert abs(channel.nominal_ceiling_bits(k) - nominal[0]) < 4 * nominal[1]
    assert abs(channel.strict_ceiling_bits(k) - strict[0]) < 4 * strict[1]


@pytest.mark.parametrize(("redraw", "temperature"), [(0.0, 0.5), (0.05, 0.5), (0.3, 0.1)])
def test_the_cosine_cap_is_what_the_simplex_of_classes_reads(redraw, temperature):
    """The critic takes the optimal ratio if cosines reach it, and their smallest ratio otherwise."""
    n_classes, k = 8, 12
    stays = 1 - redraw + redraw / n_classes
    other = max(redraw, np.exp(-n_classes / ((n_classes - 1) * temperature)) * stays * n_classes)
    ratio = np.where(np.eye(n_classes) == 1, stays * n_classes, other)
    channel = LabelChannel.uniform(n_classes, redraw)
    nominal, strict = simulated_ceilings(channel.prior, redraw, k, ratio)
    assert abs(channel.nominal_ceiling_bits(k, temperature=temperature) - nominal[0]) < 4 * nominal[1]
    assert abs(channel.strict_ceiling_bits(k, temperature=temperature) - strict[0]) < 4 * strict[1]


def test_a_warm_cosine_critic_is_capped_as_in_the_table():
    caps = [LabelChannel.uniform(64).nominal_ceiling_bits(256, temperature=t) for t in (0.05, 0.1, 0.2, 0.3, 0.5)]
    np.testing.assert_allclose(caps, (6.003, 5.999, 5.481, 4.315, 2.774), atol=0.0006)


def test_classes_without_a_chance_change_nothing():
    few, many = LabelChannel(prior=(0.6, 0.4), redraw=0.1), LabelChannel(prior=(0.6, 0.0, 0.4, 0.0), redraw=0.1)
    assert many.information_bits == pytest.approx(few.information_bits)
    for temperature in (None, 0.5):
        expected = few.nominal_ceiling_bits(16, temperature=temperature)
        assert many.nominal_ceiling_bits(16, temperature=temperature) == pytest.approx(expected)


def test_small_k_caps_the_nominal_ceiling():
    for n_classes in NOMINAL:
        for k in SIZES:
            assert LabelChannel.uniform(n_classes).nominal_ceiling_bits(k) < nominal_bound_bits(k)
    assert LabelChannel.uniform(64).nominal_ceiling_bits(4) < 2.74 < 6


def test_the_nominal_ceiling_exceeds_the_information_by_millibits_only():
    channels = [LabelChannel.uniform(c) for c in (4, 10, 64, 100)] + [LabelChannel(prior=SKEWED)]
    excess = [channel.nominal_ceiling_bits(k) - channel.information_bits for channel in channels for k in SIZES]
    assert 0.003 < max(excess) < 0.006


@pytest.mark.parametrize("redraw", [0.0, 0.2])
def test_the_strict_ceiling_never_exceeds_the_information_and_rises_with_k(redraw):
    for channel in (*(LabelChannel.uniform(c, redraw) for c in (4, 10, 64)), LabelChannel(prior=SKEWED, redraw=redraw)):
        ceilings = [channel.strict_ceiling_bits(k) for k in SIZES]
        assert (np.diff(ceilings) > 0).all()
        assert ceilings[-1] < channel.information_bits


def test_a_thousand_classes_at_k_4096_lose_nothing_to_rounding():
    channel = LabelChannel.uniform(1000)
    assert channel.strict_ceiling_bits(2**16) == pytest.approx(log2(1000), abs=0.02)
    assert channel.nominal_ceiling_bits(2**16) == pytest.approx(log2(1000), abs=0.001)


@pytest.mark.parametrize("prior", [(1.0,), (1.0, 0.0)])
def test_a_sure_class_is_refused(prior):
    with pytest.raises(ValueError, match=r"prior: .* at least two classes"):
        LabelChannel(prior=prior)


@pytest.mark.parametrize("prior", [(0.5, 0.6), (1.5, -0.5), (0.3, 0.3)])
def test_what_is_no_distribution_is_refused(prior):
    with pytest.raises(ValueError, match="must be non-negative and sum to 1"):
        LabelChannel(prior=prior)


@pytest.mark.parametrize("redraw", [-0.1, 1.1, float("nan")])
def test_a_redraw_that_is_no_probability_is_refused(redraw):
    with pytest.raises(ValueError, match="redraw"):
        LabelChannel.uniform(4, redraw)


def test_the_cosine_cap_of_unlike_classes_is_not_below_what_an_antipodal_pair_of_them_reads():
    """Two frequent classes at -1 of each other and a rare one between read .818 bits at temperature 1 and K = 16."""
    channel = LabelChannel(prior=(0.495, 0.495, 0.01))
    assert channel.nominal_ceiling_bits(16, temperature=1.0) >= 0.818
