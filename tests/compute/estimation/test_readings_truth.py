"""Three readings of frozen critics on class codes of known truth and ceilings, and their standard errors."""

from math import log

import numpy as np
import pytest
import torch

from mi_ray.compute.estimation.readings import Scores, draw_pairs, read, read_nwj, score
from mi_ray.compute.numerics.jackknife import jackknife_standard_error
from mi_ray.compute.numerics.uncertainty import paired_standard_error
from mi_ray.compute.pairs.couples import WithinClass
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import bits

TEMPERATURE = 0.05
"""At which a critic of one-hot codes tells the classes apart by 20 nats."""

NAMES = ("nominal", "strict", "nwj")


# Known truths


def codes(n_classes, images=2048, noise=0.0, seed=0):
    """A perfect critic's z: one-hot codes, and the labels."""
    labels = np.arange(images) % n_classes
    noise = noise * np.random.default_rng(seed).standard_normal((images, n_classes))
    return torch.from_numpy(np.eye(n_classes)[labels] + noise).float(), labels


def drawn(labels, n_classes, *, k=256, batches=32, redraw=0.0, seed=0, sources=None):
    couple = WithinClass(labels, n_classes, redraw=redraw)
    sources = np.arange(len(labels)) if sources is None else sources
    return draw_pairs(couple, sources, k=k, batches=batches, seed=seed, purpose="test")


def reading(name, z, pairs, *, temperature=TEMPERATURE):
    """Of one critic, whose offset was fitted on the very same pairs."""
    scores = score(z, pairs, temperature=temperature)
    return getattr(read([scores], pairs, [scores.nwj.best_offset]), name)


def ceiling(name, n_classes, k):
    channel = LabelChannel.uniform(n_classes)
    return {"nominal": channel.nominal_ceiling_bits, "strict": channel.strict_ceiling_bits}[name](k)


@pytest.mark.parametrize("n_classes", [4, 16, 64])
@pytest.mark.parametrize("name", ["nominal", "strict"])
def test_a_perfect_critic_reads_its_ceiling(name, n_classes):
    z, labels = codes(n_classes)
    found = reading(name, z, drawn(labels, n_classes))
    assert found.bits == pytest.approx(ceiling(name, n_classes, 256), abs=0.02)


def test_a_warm_critic_of_classes_on_a_simplex_reads_the_cosine_cap():
    z, labels = codes(16)
    pairs, channel = drawn(labels, 16), LabelChannel.uniform(16)
    for temperature in (0.2, 0.5):
        found = reading("nominal", z - 1 / 16, pairs, temperature=temperature)
        assert found.bits == pytest.approx(channel.nominal_ceiling_bits(256, temperature=temperature), abs=0.01)


@pytest.mark.parametrize("n_classes", [4, 16, 64])
def test_nwj_knows_no_log_k_and_reads_the_class_entropy_at_any_k(n_classes):
    z, labels = codes(n_classes)
    found = reading("nwj", z, drawn(labels, n_classes, k=8, batches=512))
    assert found.bits == pytest.approx(np.log2(n_classes), abs=0.03)


def test_scores_tell_the_mean_of_their_nominal_reading_in_bits():
    z, labels = codes(16)
    pairs = drawn(labels, 16, batches=4)
    scores = score(z, pairs, temperature=TEMPERATURE)
    assert scores.nominal_bits == pytest.approx(read([scores], pairs, [0.0]).nominal.bits)


def test_a_good_critic_reads_less_in_the_strict_form_than_in_the_nominal_one():
    z, labels = codes(16, noise=0.1)
    pairs = drawn(labels, 16)
    assert reading("strict", z, pairs, temperature=0.1).bits < reading("nominal", z, pairs, temperature=0.1).bits


@pytest.mark.parametrize("name", ["strict", "nwj"])
@pytest.mark.parametrize("redraw", [0.1, 0.3])
def test_strict_readings_stay_below_the_truth_of_a_label_channel(name, redraw):
    z, labels = codes(16)
    truth = LabelChannel.uniform(16, redraw).information_bits
    for temperature in (0.15, 0.2, 0.3):
        found = reading(name, z, drawn(labels, 16, redraw=redraw), temperature=temperature)
        assert found.bits < truth + 3 * found.standard_error_bits


def test_the_critic_with_the_optimal_ratio_reads_the_truth_of_a_label_channel():
    """One-hot codes at the temperature where exp(1 / t) is the ratio of the two cells of the joint table."""
    z, labels = codes(16, images=4096)
    channel = LabelChannel.uniform(16, 0.3)
    temperature = 1 / log((1 - 0.3 + 0.3 / 16) / (0.3 / 16))
    found = reading("nwj", z, drawn(labels, 16, redraw=0.3, batches=64), temperature=temperature)
    assert found.standard_error_bits < 0.03
    assert abs(found.bits - channel.information_bits) < 3 * found.standard_error_bits


@pytest.mark.parametrize("name", NAMES)
def test_embeddings_that_ignore_the_class_read_nothing(name):
    _, labels = codes(4)
    z = torch.randn(len(labels), 32, generator=torch.Generator().manual_seed(0))
    found = reading(name, z, drawn(labels, 4), temperature=1.0)
    assert found.bits < 3 * found.standard_error_bits + 0.02


def test_an_offset_from_other_rows_keeps_nwj_a_bound():
    """However badly it fits."""
    z, labels = codes(16)
    nwj = score(z, drawn(labels, 16), temperature=0.2).nwj
    for offset in (-5.0, -1.0, 0.0, 2.0, 5.0):
        assert read_nwj([nwj], [offset]).bits < 4


# Standard errors


@pytest.mark.parametrize("name", NAMES)
def test_the_standard_error_is_the_spread_over_fresh_images(name):
    """Of images that share sources: 8 to each, and every source has its own quality."""
    found = []
    for draw in range(40):
        rng = np.random.default_rng(draw)
        sources = np.arange(1024) // 8
        labels = (sources % 4).astype(np.int64)
        faint = rng.random(128)[sources] < 0.2
        z = torch.from_numpy(np.where(faint[:, None], 0.25, np.eye(4)[labels]) + 0.02 * rng.standard_normal((1024, 4)))
        pairs = drawn(labels, 4, batches=8, seed=draw, sources=sources)
        found.append(reading(name, z.float(), pairs, temperature=0.2))
    spread = np.std([reading.bits for reading in found], ddof=1)
    told = np.sqrt(np.mean([reading.standard_error_bits**2 for reading in found]))
    assert told == pytest.approx(spread, rel=0.35)


def three_critics():
    z, labels = codes(4, images=256, noise=0.2)
    pairs = drawn(labels, 4, k=32, batches=4)
    return [score(z, pairs, temperature=t) for t in (0.1, 0.2, 0.4)], pairs


def alone(name, scores, offset, pairs):
    return getattr(read([scores], pairs, [offset]), name)


@pytest.mark.parametrize("name", NAMES)
def test_critics_are_read_at_their_mean(name):
    scores, pairs = three_critics()
    offsets = [0.5, 1.0, 1.5]
    each = [alone(name, s, offset, pairs).bits for s, offset in zip(scores, offsets, strict=True)]
    assert getattr(read(scores, pairs, offsets), name).bits == pytest.approx(np.mean(each))


@pytest.mark.parametrize("name", NAMES)
def test_the_spread_between_critics_is_part_of_the_standard_error(name):
    scores, pairs = three_critics()
    offsets = [0.5, 1.0, 1.5]
    each = [alone(name, s, offset, pairs).bits for s, offset in zip(scores, offsets, strict=True)]
    if name == "nwj":
        without = np.mean([s.nwj.leave_one_out(o) for s, o in zip(scores, offsets, strict=True)], axis=0)
        over_images = bits(jackknife_standard_error(without))
    else:
        rows = np.mean([getattr(s, name) for s in scores], axis=0).ravel()
        over_images = bits(paired_standard_error(rows, pairs.x.ravel(), pairs.y.ravel()))
    expected = np.sqrt(over_images**2 + np.var(each, ddof=1) / 3)
    found = getattr(read(scores, pairs, offsets), name)
    assert found.standard_error_bits == pytest.approx(expected)
    assert found.standard_error_bits > over_images


@pytest.mark.parametrize("name", NAMES)
def test_the_same_critic_thrice_is_no_surer_and_no_less_sure(name):
    (scores, *_), pairs = three_critics()
    thrice, once = read([scores] * 3, pairs, [0.5] * 3), read([scores], pairs, [0.5])
    assert getattr(thrice, name).bits == pytest.approx(getattr(once, name).bits)
    expected = getattr(once, name).standard_error_bits
    assert getattr(thrice, name).standard_error_bits == pytest.approx(expected)


def test_critics_and_offsets_come_in_equal_number():
    scores, pairs = three_critics()
    with pytest.raises(ValueError):
        read(scores, pairs, [0.0])


def test_scores_are_of_the_shape_of_the_pairs():
    scores, pairs = three_critics()
    assert isinstance(scores[0], Scores)
    assert scores[0].nominal.shape == scores[0].strict.shape == pairs.x.shape
