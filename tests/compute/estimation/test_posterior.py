"""The probe's critic: its NWJ bound against a slow double loop, its truth on a Gaussian mixture, its calibration."""

from math import e, log

import numpy as np
import pytest
from scipy.stats import norm

from mi_ray.compute.estimation.posterior import confused, score_posterior
from mi_ray.compute.estimation.readings import Pairs, draw_pairs, read_nwj
from mi_ray.compute.numerics.jackknife import jackknife_standard_error
from mi_ray.compute.pairs.couples import WithinClass
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import NATS_PER_BIT

UNIFORM, SKEWED = (0.25,) * 4, (0.5, 0.3, 0.15, 0.05)


# The double loop


def reused(per_source=1, n_classes=4, images=10, seed=0):
    """Posteriors of few images and pairs that use them again, some with themselves."""
    rng = np.random.default_rng(seed)
    x, y = rng.integers(images, size=(2, 3, 5))
    x[0, :2], y[0, :2] = 3, (3, 4)
    p = rng.dirichlet(np.full(n_classes, 0.5), size=images)
    return p, Pairs(x, y, 7 * (np.arange(images) // per_source) + 5)


def nwj_by_hand(p, pairs, channel, offset, without=None):
    """The bound of the critic log of the density ratio, class by class; terms that touch ``without`` left out."""
    x, y = pairs.x.ravel(), pairs.y.ravel()
    joint, cross = [], []
    for i in range(len(x)):
        for j in range(len(y)):
            if without in (pairs.sources[x[i]], pairs.sources[y[j]]):
                continue
            same = sum(a * b / c for a, b, c in zip(p[x[i]], p[y[j]], channel.prior, strict=True) if c > 0)
            ratio = (1 - channel.redraw) * same + channel.redraw
            joint.append(log(ratio)) if i == j else cross.append(ratio)
    return np.mean(joint) + offset - np.exp(offset) * np.mean(cross) / e


@pytest.mark.parametrize("prior", [UNIFORM, SKEWED])
@pytest.mark.parametrize("redraw", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("per_source", [1, 3])
def test_its_nwj_bound_is_the_double_loop(prior, redraw, per_source):
    p, pairs = reused(per_source)
    channel = LabelChannel(prior=prior, redraw=redraw)
    found = score_posterior(p, pairs, channel)
    for offset in (0.0, 0.7):
        assert found.value(offset) == pytest.approx(nwj_by_hand(p, pairs, channel, offset))


@pytest.mark.parametrize("redraw", [0.0, 0.3])
@pytest.mark.parametrize("per_source", [1, 3])
def test_its_jackknife_removes_all_that_touches_a_source(redraw, per_source):
    p, pairs = reused(per_source)
    channel = LabelChannel(prior=SKEWED, redraw=redraw)
    sources = np.unique(pairs.sources)
    by_hand = np.array([nwj_by_hand(p, pairs, channel, 0.7, without=source) for source in sources])
    found = score_posterior(p, pairs, channel)
    np.testing.assert_allclose(found.leave_one_out(0.7), by_hand)
    expected = jackknife_standard_error(by_hand) / NATS_PER_BIT
    assert read_nwj([found], [0.7]).standard_error_bits == pytest.approx(expected)


def test_the_jackknife_error_of_a_mean_is_the_textbook_one():
    values = np.random.default_rng(0).standard_normal(50)
    without = (values.sum() - values) / 49
    assert jackknife_standard_error(without) == pytest.approx(values.std(ddof=1) / np.sqrt(50))


def test_a_class_without_a_chance_changes_nothing():
    p, pairs = reused(n_classes=3)
    few = score_posterior(p, pairs, LabelChannel(prior=(0.5, 0.3, 0.2), redraw=0.1))
    wide = np.insert(p, 1, 0.0, axis=1)
    many = score_posterior(wide, pairs, LabelChannel(prior=(0.5, 0.0, 0.3, 0.2), redraw=0.1))
    assert many.value(0.3) == pytest.approx(few.value(0.3))
    np.testing.assert_allclose(many.leave_one_out(0.3), few.leave_one_out(0.3))


# Truths


def mixture(prior, n, spread, seed=0):
    """Gaussian classes on a line: h, labels and the exact posterior."""
    rng = np.random.default_rng(seed)
    means = 4.0 * np.arange(len(prior))
    labels = rng.choice(len(prior), size=n, p=prior)
    h = means[labels] + spread * rng.standard_normal(n)
    return h, labels, posterior_of(h, prior, spread)


def posterior_of(h, prior, spread):
    p = norm.pdf(h[:, None], 4.0 * np.arange(len(prior)), spread) * prior
    return p / p.sum(1, keepdims=True)


def information_of(prior, redraw, spread, draws=200_000):
    """I(h; h') in bits as the mean log density ratio over fresh pairs, and its standard error."""
    rng = np.random.default_rng(99)
    x = rng.choice(len(prior), size=draws, p=prior)
    y = np.where(rng.random(draws) < redraw, rng.choice(len(prior), size=draws, p=prior), x)
    h = 4.0 * np.stack([x, y]) + spread * rng.standard_normal((2, draws))
    p_x, p_y = (posterior_of(side, prior, spread) for side in h)
    rows = np.log2((1 - redraw) * (p_x * p_y / prior).sum(1) + redraw)
    return rows.mean(), rows.std() / np.sqrt(draws)


def pairs_of(labels, channel, k=1024, batches=4, seed=0):
    couple = WithinClass(labels, len(channel.prior), redraw=channel.redraw, prior=np.asarray(channel.prior))
    return draw_pairs(couple, np.arange(len(labels)), k=k, batches=batches, seed=seed, purpose="test")


def read_posterior(p, held, labels, channel):
    """The reading of posteriors ``p`` on pairs, its offset from ``held`` rows of the same labels and other pairs."""
    offset = score_posterior(held, pairs_of(labels, channel, seed=1), channel).best_offset
    return read_nwj([score_posterior(p, pairs_of(labels, channel), channel)], [offset])


@pytest.mark.parametrize("prior", [UNIFORM, SKEWED])
@pytest.mark.parametrize("redraw", [0.0, 0.2])
@pytest.mark.parametrize("spread", [1.0, 2.5])
def test_the_exact_posterior_reads_the_true_information(prior, redraw, spread):
    channel = LabelChannel(prior=prior, redraw=redraw)
    _, labels, p = mixture(prior, 4096, spread)
    found = read_nwj([score_posterior(p, pairs_of(labels, channel), channel)], [1.0])
    truth, error = information_of(prior, redraw, spread)
    assert found.standard_error_bits < 0.06
    assert abs(found.bits - truth) < 3.5 * np.hypot(found.standard_error_bits, error)


@pytest.mark.parametrize(("prior", "k", "most"), [(UNIFORM, 1024, 1.3), (UNIFORM, 64, 1.6), (SKEWED, 1024, 1.7)])
def test_its_standard_error_is_not_less_than_the_spread_over_fresh_images(prior, k, most):
    """It is more where pairs are few, whose luck counts with both images, and where classes differ, whose shares are
    fixed by the prior but vary when an image is left out."""
    channel, found = LabelChannel(prior=prior, redraw=0.1), []
    for seed in range(100):
        _, labels, p = mixture(prior, 600, 1.5, seed=seed)
        pairs = pairs_of(labels, channel, k=k, batches=2, seed=seed)
        found.append(read_nwj([score_posterior(p, pairs, channel)], [1.0]))
    spread = np.std([reading.bits for reading in found], ddof=1)
    told = np.sqrt(np.mean([reading.standard_error_bits**2 for reading in found]))
    assert 0.9 < told / spread < most


@pytest.mark.parametrize("wrong", [0.3, 3.0])
def test_a_posterior_too_sure_or_too_shy_reads_no_more_than_the_truth(wrong):
    channel = LabelChannel(prior=UNIFORM)
    _, labels, p = mixture(UNIFORM, 4096, 2.5)
    tilted = np.maximum(p, 1e-9) ** wrong
    tilted /= tilted.sum(1, keepdims=True)
    truth, _ = information_of(UNIFORM, 0.0, 2.5)
    found = read_posterior(tilted, tilted, labels, channel)
    assert found.bits < truth - 0.05


# What the predicted class alone tells


def test_perfect_predictions_keep_all_but_a_pseudo_count():
    """p(c | c) = (n + prior) / (n + 1) of n held rows of the class."""
    held = np.eye(4)[np.repeat(np.arange(4), [9, 9, 4, 0])]
    rows = confused(held, held.argmax(1), np.array(SKEWED), np.eye(4))
    for c, n in enumerate((9, 9, 4, 0)):
        np.testing.assert_allclose(rows[c], (n * np.eye(4)[c] + SKEWED) / (n + 1))


def test_perfect_predictions_read_the_class_entropy_in_closed_form():
    """Of balanced classes: the two ratios that occur, each in its share of the cross pairs."""
    n_classes, n = 4, 50
    channel, labels = LabelChannel.uniform(n_classes), np.repeat(np.arange(n_classes), 100)
    held = np.eye(n_classes)[np.repeat(np.arange(n_classes), n)]
    p = confused(held, held.argmax(1), np.asarray(channel.prior), np.eye(n_classes)[labels])
    order = np.random.default_rng(0).permutation(400)
    pairs = Pairs(order[None], order[None], np.arange(400))
    off = 1 / n_classes / (n + 1)
    hit = 1 - (n_classes - 1) * off
    same = n_classes * (hit**2 + (n_classes - 1) * off**2)
    other = n_classes * (2 * hit * off + (n_classes - 2) * off**2)
    cross = (99 * same + 300 * other) / 399
    found = score_posterior(p, pairs, channel)
    assert found.value(1.0) == pytest.approx(log(same) + 1 - cross)
    assert found.value(found.best_offset) / NATS_PER_BIT == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("redraw", [0.0, 0.2])
def test_the_predicted_class_tells_no_more_than_the_embedding(redraw):
    channel = LabelChannel(prior=SKEWED, redraw=redraw)
    _, labels, p = mixture(SKEWED, 4096, 2.0)
    _, held_labels, held = mixture(SKEWED, 1024, 2.0, seed=1)
    rows = confused(held, held_labels, np.asarray(SKEWED), p)
    found = read_nwj([score_posterior(rows, pairs_of(labels, channel), channel)], [1.0])
    truth, _ = information_of(SKEWED, redraw, 2.0)
    assert 0.5 * truth < found.bits < truth
    assert found.bits < truth - found.standard_error_bits


def test_held_rows_that_tell_nothing_make_a_reading_of_nothing():
    rng, channel = np.random.default_rng(0), LabelChannel(prior=UNIFORM)
    _, labels, p = mixture(UNIFORM, 4096, 0.5)
    rows = confused(rng.dirichlet(np.ones(4), 64), rng.integers(4, size=64), np.asarray(UNIFORM), p)
    assert read_nwj([score_posterior(rows, pairs_of(labels, channel), channel)], [1.0]).bits < 0.6
    none = confused(np.empty((0, 4)), np.empty(0, dtype=np.int64), np.asarray(UNIFORM), p)
    np.testing.assert_allclose(none, np.tile(UNIFORM, (len(p), 1)))
