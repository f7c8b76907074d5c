"""Post-training estimates (Sec. III-C, Def. II.2) on class codes, whose mutual information is known in closed form."""

from dataclasses import replace
from functools import lru_cache
from math import log2

import numpy as np
import pytest
import torch

from mi_ray.compute.estimation.samples import shared
from mi_ray.compute.pairs.couples import WithinClass
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import nominal_bound_bits
from tests.compute.estimation.class_codes import (
    NAMES,
    SMALL,
    Problem,
    asked,
    close_to_the_truth,
    easy,
    full,
    sample,
    shuffled,
    with_sources,
)


@lru_cache
def overfitted():
    """Critics fitted to 64 noisy rows, and what their fit reported."""
    history, problem = [], Problem(classes=4, noise=0.3, sizes=(64, 1024, 1024))
    settings = replace(SMALL, steps=200, learning_rate=3e-3, weight_decay=0.0)
    found = asked(problem.samples(0), problem.channel, settings=settings, report=lambda *check: history.append(check))
    return found, history


# Truth


def test_sixteen_classes_in_little_noise_read_their_entropy():
    close_to_the_truth(*full(16))


@pytest.mark.parametrize("classes", [4, 16])
@pytest.mark.parametrize("redraw", [0.1, 0.3])
def test_no_lower_bound_is_above_what_a_label_channel_lets_through(classes, redraw):
    _, found = easy(classes, redraw)
    truth = LabelChannel.uniform(classes, redraw).information_bits
    for name in ("strict", "nwj", "probe", "confusion"):
        assert found.readings[name].bits < truth + 3 * found.readings[name].standard_error_bits, name
    assert found.readings["probe"].bits == pytest.approx(truth, abs=3 * found.readings["probe"].standard_error_bits)
    assert found.bracket.lower_bits < truth == found.bracket.upper_bits


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("classes", [4, 16])
def test_shuffled_embeddings_read_zero(name, classes):
    reading = unrelated(classes).readings[name]
    assert abs(reading.bits) < 3 * reading.standard_error_bits


@lru_cache
def unrelated(classes):
    samples, _ = easy(classes)
    return asked({split: shuffled(sample) for split, sample in samples.items()}, LabelChannel.uniform(classes))


def test_shuffled_embeddings_certify_nothing():
    found = unrelated(4)
    assert found.bracket.lower_bits < 0.02
    assert not found.certified


def test_partners_of_any_class_share_nothing_and_that_is_certain():
    _, found = easy(16, 1.0)
    assert found.bracket.upper_bits == pytest.approx(0, abs=1e-12)
    for name, reading in found.readings.items():
        assert abs(reading.bits) <= 3 * reading.standard_error_bits + 1e-9, name


@pytest.mark.parametrize("k_est", [4, 8])
def test_small_k_est_caps_the_estimate_at_its_ceiling_below_its_bound_and_says_so(k_est):
    samples, _ = easy(16)
    channel = LabelChannel.uniform(16)
    found = asked(samples, channel, k_est=k_est, batches=128)
    nominal = found.readings["nominal"]
    assert nominal.bits < nominal_bound_bits(k_est)
    assert nominal.bits < channel.nominal_ceiling_bits(k_est) + 3 * nominal.standard_error_bits
    assert nominal.bits == pytest.approx(channel.nominal_ceiling_bits(k_est), abs=0.15)
    assert any(f"K_est = {k_est} is too small" in reason for reason in found.reasons)


# Refused


class Balanced:
    """Deals each class equally often to every batch."""

    def __init__(self, labels, classes):
        self.couple, self.labels, self.classes = WithinClass(labels, classes), labels, classes

    def __call__(self, k, rng):
        x, y = self.couple(64 * k, rng)
        rows = np.concatenate([np.flatnonzero(self.labels[x] == c)[: k // self.classes] for c in range(self.classes)])
        return x[rows], y[rows]


def balanced(samples):
    return {split: replace(s, couple=Balanced(s.labels, 4)) for split, s in samples.items()}


def overlapping(samples):
    """Test images that critics and probe were fitted on."""
    train, test = samples["train"], samples["test"]
    rows = np.concatenate([np.arange(64), np.arange(64, len(test.h))])
    h, sources, labels = test.h.copy(), test.origin.sources.copy(), test.labels.copy()
    h[:64], sources[:64], labels[:64] = train.h[:64], train.origin.sources[:64], train.labels[:64]
    return samples | {"test": sample(h[rows], labels[rows], sources[rows], WithinClass(labels, 4))}


def renamed(samples):
    """Training rows that claim other sources."""
    train = samples["train"]
    return samples | {"test": with_sources(train, train.origin.sources + 10**9)}


def scored_on_train(samples):
    return samples | {"test": samples["train"]}


REFUSALS = {
    balanced: "balanced within batches",
    overlapping: "64 in train",
    renamed: "1024 in train",
    scored_on_train: "1024 in train",
}


@pytest.mark.parametrize("spoil", REFUSALS, ids=lambda spoil: spoil.__name__)
def test_what_spoils_an_estimate_forbids_its_certificate_and_is_named(spoil):
    samples, found = easy()
    assert found.certified, found.reasons
    spoiled = asked(spoil(samples), LabelChannel.uniform(4))
    assert not spoiled.certified
    assert any(REFUSALS[spoil] in reason for reason in spoiled.reasons), spoiled.reasons


def test_splits_of_fresh_images_share_none_and_of_one_source_all():
    samples, _ = easy()
    train, test = samples["train"].origin, samples["test"].origin
    assert shared(test, train) == ()
    of_one = replace(test, sources=np.full(len(test.sources), train.sources[0]))
    assert shared(of_one, train) == tuple(f"image {row}" for row in range(len(test.sources)))


# Held out


def test_an_overfitted_critic_reads_far_too_much_on_its_own_rows_and_not_on_held_out_ones():
    found, history = overfitted()
    _, train, validation = history[-1]
    assert train > validation + 1
    nominal = found.readings["nominal"]
    assert nominal.bits == pytest.approx(found.learned.fit.validation_bits.mean(), abs=3 * nominal.standard_error_bits)
    for name in ("strict", "nwj", "probe", "confusion"):
        assert found.readings[name].bits < 2, name


def test_the_fit_stops_before_it_has_overfitted_to_the_end():
    found, history = overfitted()
    assert history[-1][0] < 200
    assert (found.learned.fit.steps < history[-1][0]).all()


def test_the_fit_never_sees_the_test_rows():
    samples, one = easy()
    other = asked(samples | {"test": shuffled(samples["test"])}, LabelChannel.uniform(4))
    for name in NAMES:
        assert other.readings[name].bits < one.readings[name].bits - 1, name
    fits = [found.learned.fit for found in (one, other)]
    assert torch.equal(fits[0].critics.hidden_weight, fits[1].critics.hidden_weight)
    assert fits[0].validation_bits.tolist() == fits[1].validation_bits.tolist()
    assert one.train_bits == other.train_bits


def test_reused_sources_widen_the_standard_errors_and_move_no_reading():
    samples, _ = easy(4, 0.3)
    few = np.random.default_rng(0).integers(40, size=len(samples["test"].h)) + 10**7
    own, reused = (asked(s, LabelChannel.uniform(4, 0.3))
                   for s in (samples, samples | {"test": with_sources(samples["test"], few)}))  # fmt: skip
    for name in NAMES:
        assert reused.readings[name].bits == pytest.approx(own.readings[name].bits), name
        assert reused.readings[name].standard_error_bits > own.readings[name].standard_error_bits, name
        assert reused.readings[name].phantom_bits >= own.readings[name].phantom_bits, name


# Repeatable


def test_the_same_seeds_read_the_same_bits_whatever_the_global_generators_hold():
    samples, one = easy()
    channel = LabelChannel.uniform(4)
    torch.manual_seed(2)
    assert asked(samples, channel, report=lambda *check: torch.rand(1)).readings == one.readings
    assert asked(samples, channel, settings=replace(SMALL, seeds=(2, 3))).readings != one.readings


# Embeddings as they come


def test_no_critic_cares_how_embeddings_are_scaled_or_shifted():
    samples, one = easy()
    width = samples["test"].h.shape[1]
    scale = np.float32(2) ** np.random.default_rng(0).integers(-8, 8, size=width).astype(np.float32)
    other = asked({split: replace(s, h=s.h * scale + scale) for split, s in samples.items()}, LabelChannel.uniform(4))
    for name in NAMES:
        assert other.readings[name].bits == pytest.approx(one.readings[name].bits, abs=0.02), name


def padded(samples, constant, alive=0.0):
    """A feature more, ``constant`` but for one held-out row in a hundred."""
    wider = {split: np.pad(s.h, ((0, 0), (0, 1)), constant_values=constant) for split, s in samples.items()}
    for split in ("validation", "test"):
        wider[split][::97, -1] += alive
    return {split: replace(s, h=wider[split]) for split, s in samples.items()}


@pytest.mark.parametrize(("constant", "alive"), [(0.0, 0.0), (100.1, 0.0), (0.0, 0.3)])
def test_constant_features_do_no_harm_not_even_where_one_comes_alive(constant, alive):
    samples, one = easy()
    found = asked(padded(samples, constant, alive), LabelChannel.uniform(4))
    for name in ("nominal", "probe"):
        assert found.readings[name].bits == pytest.approx(one.readings[name].bits, abs=0.05), name


@pytest.mark.fault("F20", "a collapsed encoder: every h is the same, or zero")
@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_collapsed_representation_tells_nothing_and_no_reading_is_nan(value):
    samples, _ = easy()
    collapsed = {split: replace(s, h=np.full_like(s.h, value)) for split, s in samples.items()}
    found = asked(collapsed, LabelChannel.uniform(4))
    for name in NAMES:
        assert found.readings[name].bits == pytest.approx(0.0, abs=0.05), name
    assert found.bracket.lower_bits <= 0.05


@pytest.mark.parametrize("classes", [4, 16])
def test_an_easy_estimate_is_certified_close_to_the_entropy(classes):
    found = easy(classes)[1]
    assert found.bracket.upper_bits == pytest.approx(log2(classes))
    assert found.bracket.lower_bits > log2(classes) - 0.15
