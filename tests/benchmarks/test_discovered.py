"""Classes discovered without labels: the truth on class codes and label channels, and never more than it."""

import numpy as np
import pytest

from benchmarks.peers.discovered import discover, score_couples
from mi_ray.compute.estimation.readings import read_nwj
from mi_ray.theory.channel import LabelChannel

pytestmark = pytest.mark.slow
WIDTH = 16


def couples(n, channel, *, seed, noise=0.1, stretch=1.0):
    """Pairs of noisy class codes; ``stretch`` of the noise along one axis."""
    rng = np.random.default_rng(seed)
    classes = len(channel.prior)
    codes = np.linalg.qr(np.random.default_rng(0).standard_normal((WIDTH, WIDTH)))[0][:classes]
    cx = rng.choice(classes, n, p=channel.prior)
    cy = np.where(rng.random(n) < channel.redraw, rng.choice(classes, n, p=channel.prior), cx)
    scale = noise * np.where(np.arange(WIDTH) == 0, stretch, 1.0)
    return tuple((codes[c] + scale * rng.standard_normal((n, WIDTH))).astype(np.float32) for c in (cx, cy))


def reading(channel, seed=0, roundness=0.3, **how):
    """Found on 1024 pairs, chosen on 512, read on 1024."""
    train, held, test = (couples(n, channel, seed=3 * seed + part, **how) for part, n in enumerate((1024, 512, 1024)))
    model = discover(train, held, roundness=roundness, seed=seed)
    scored = [score_couples(model(np.concatenate(sides)), model.channel) for sides in (held, test)]
    return model, read_nwj([scored[1]], [scored[0].best_offset])


@pytest.mark.parametrize("classes", [2, 8])
@pytest.mark.parametrize("redraw", [0.0, 0.3])
def test_it_reads_the_truth_where_classes_can_be_told_apart(classes, redraw):
    channel = LabelChannel.uniform(classes, redraw)
    model, read = reading(channel)
    assert len(model.channel.prior) == classes
    assert model.channel.redraw == pytest.approx(redraw, abs=0.05)
    assert abs(read.bits - channel.information_bits) < 0.02 + 3 * read.standard_error_bits


def test_skewed_classes_are_weighed():
    channel = LabelChannel(prior=(0.5, 0.3, 0.15, 0.05))
    model, read = reading(channel)
    assert np.sort(model.channel.prior)[::-1] == pytest.approx(channel.prior, abs=0.05)
    assert read.bits == pytest.approx(channel.entropy_bits, abs=0.02 + 3 * read.standard_error_bits)


def test_noise_that_all_pairs_differ_by_hides_no_class():
    channel = LabelChannel.uniform(4)
    read = reading(channel, stretch=100.0, roundness=0.0)[1]
    assert read.bits == pytest.approx(2, abs=0.02 + 3 * read.standard_error_bits)


@pytest.mark.parametrize("seed", range(3))
def test_independent_pairs_share_nothing(seed):
    read = reading(LabelChannel.uniform(8, 1.0), seed=seed)[1]
    assert abs(read.bits) < 0.02 + 3 * read.standard_error_bits


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("redraw", [0.0, 0.3])
def test_it_does_not_exceed_the_truth(seed, redraw):
    channel = LabelChannel.uniform(8, redraw)
    read = reading(channel, seed=seed, noise=0.4)[1]
    assert read.bits < channel.information_bits + 3 * read.standard_error_bits


def test_what_all_sides_share_is_no_feature():
    train, held = (couples(n, LabelChannel.uniform(4), seed=n) for n in (1024, 512))
    train, held = (tuple(np.pad(side, ((0, 0), (0, 2)), constant_values=3) for side in part) for part in (train, held))
    assert np.isfinite(discover(train, held, roundness=0.0, seed=0)(held[0])).all()


def test_a_seed_gives_one_answer():
    (first, once), (again, twice) = (reading(LabelChannel.uniform(4), noise=0.3) for _ in range(2))
    assert once == twice
    assert np.array_equal(first.mixture.means, again.mixture.means)
