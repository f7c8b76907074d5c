"""The audit: each check fires alone on evidence with its fault, and no check fires on good evidence."""

from dataclasses import replace
from math import nan

import numpy as np
import pytest

from mi_ray.theory.audit import DEVIATIONS, GAP_BITS, Evidence, audit, class_counts, undertrained
from mi_ray.theory.certificate import Bracket, Reading
from mi_ray.theory.channel import LabelChannel

CHANNEL = LabelChannel.uniform(8)
K, BATCHES = 256, 16
SKEWED = (0.6, 0.25, 0.1, 0.05)
RARE = (0.9, 0.0999, 0.0001)
ZIPF = tuple((1 / np.arange(1, 101) / (1 / np.arange(1, 101)).sum()).tolist())


def reading(bits, standard_error_bits=0.01):
    return Reading(bits=bits, standard_error_bits=standard_error_bits)


def drawn(prior, k=K, batches=BATCHES, seed=0):
    return np.random.default_rng(seed).multinomial(k, prior, size=batches)


def good(**changes):
    """Evidence of an estimate of 3 bits without a fault."""
    evidence = Evidence(
        channel=CHANNEL,
        bracket=Bracket(lower_bits=2.95, upper_bits=3.0, lower_from="nwj"),
        readings={"nominal": reading(2.99), "strict": reading(2.9), "nwj": reading(2.98), "probe": reading(3.0)},
        train_bits={"strict": 3.0, "nwj": 3.0, "probe": 3.0},
        shared={"train": (), "validation": ()},
        copied=0.0,
        class_counts=drawn(CHANNEL.prior),
        k_est=K,
        temperature=0.1,
    )
    return replace(evidence, **changes)


def with_reading(name, value):
    return {"readings": good().readings | {name: value}}


def few(k):
    return {"k_est": k, "class_counts": drawn(CHANNEL.prior, k)}


CASES = {
    "not finite: strict": with_reading("strict", reading(nan)),
    "not finite: strict, probe": {"readings": good().readings | {"strict": reading(nan), "probe": reading(2.9, nan)}},
    "3 in validation (a, b, c)": {"shared": {"train": (), "validation": ("a", "b", "c")}},
    "2 in train (a = b, c), 1 in validation (d)": {"shared": {"train": ("a = b", "c"), "validation": ("d",)}},
    "5 in train (a, b, c, and 2 more)": {"shared": {"train": tuple("abcde"), "validation": ()}},
    "0.4% of the pairs are an image and its own copy": {"copied": 1 / 256},
    "balanced within batches": {"class_counts": np.full((BATCHES, 8), K // 8)},
    "do not follow the declared prior": {"class_counts": drawn([0.2] + [0.8 / 7] * 7)},
    "strict reads 3.20 bits, more than the 3.00 possible": with_reading("strict", reading(3.2)),
    "nominal reads 3.20 bits": with_reading("nominal", reading(3.2)),
    "overfitted: nwj reads 3.50 bits on its training rows": {"train_bits": {"strict": 3.5, "nwj": 3.5, "probe": 3.0}},
    "K_est = 8 is too small: a perfect encoder would read 2.76 of 3.00": few(8),
    "at temperature 0.60 a cosine critic reads at most": {"temperature": 0.6},
    "0.30 bits wide": {"bracket": Bracket(lower_bits=2.7, upper_bits=3.0, lower_from="nwj")},
}


def test_good_evidence_gives_no_reason():
    assert audit(good()) == ()


@pytest.mark.parametrize("words", CASES)
def test_each_fault_is_told_alone(words):
    (reason,) = audit(good(**CASES[words]))
    assert words in reason


def test_the_gravest_is_told_first():
    reasons = audit(
        good(**CASES["3 in validation (a, b, c)"], **CASES["0.30 bits wide"], **CASES["not finite: strict"])
    )
    assert [words.split(":")[0] for words in reasons[:2]] == ["not finite", "test images are not untouched"]
    assert "bits wide" in reasons[-1]


# Classes of the pairs


@pytest.mark.parametrize("k", [16, 256])
@pytest.mark.parametrize("prior", [CHANNEL.prior, (1 / 64,) * 64, SKEWED, RARE, ZIPF, (0.5, 0.0, 0.5)])
def test_independent_draws_are_almost_never_flagged(prior, k):
    """Even if a class is so rare that Pearson's statistic is far from chi-square."""
    channel = LabelChannel(prior=prior)
    flagged = [
        bool(class_counts(good(channel=channel, k_est=k, class_counts=drawn(prior, k, seed=seed))))
        for seed in range(1000)
    ]
    assert sum(flagged) <= 2


@pytest.mark.parametrize("prior", [CHANNEL.prior, SKEWED])
def test_batches_of_fixed_class_counts_are_flagged(prior):
    counts = np.tile(np.round(np.asarray(prior) * 80).astype(int), (BATCHES, 1))
    reason = class_counts(good(channel=LabelChannel(prior=prior), k_est=80, class_counts=counts))
    assert "balanced" in reason


def test_a_skewed_declaration_is_not_met_by_uniform_classes():
    reason = class_counts(good(channel=LabelChannel(prior=SKEWED), class_counts=drawn([0.25] * 4)))
    assert "declared prior" in reason


def test_a_class_without_a_chance_may_not_appear():
    counts = drawn([0.49, 0.02, 0.49])
    reason = class_counts(good(channel=LabelChannel(prior=(0.5, 0.0, 0.5)), class_counts=counts))
    assert "declared prior" in reason


# What luck excuses


def test_a_reading_may_exceed_the_possible_by_luck():
    assert audit(good(**with_reading("nwj", reading(3.05, 0.02)))) == ()


def test_the_nominal_reading_is_held_to_its_own_ceiling():
    """The ceiling is above the information by millibits at this K."""
    ceiling = CHANNEL.nominal_ceiling_bits(32)
    assert ceiling > 3.003
    changes = few(32) | with_reading("nominal", reading(ceiling, 0.0))
    assert audit(good(**changes)) == ()


def test_only_the_critic_behind_the_lower_end_must_not_be_overfitted():
    assert audit(good(train_bits={"strict": 4.0, "nwj": 3.0, "probe": 4.0})) == ()
    assert audit(good(train_bits={"strict": 3.0, "nwj": 2.98 + GAP_BITS, "probe": 3.0})) == ()


@pytest.mark.parametrize("name", ["none", "confusion"])
def test_a_lower_end_without_training_rows_has_no_gap(name):
    assert audit(good(bracket=Bracket(lower_bits=2.95, upper_bits=3.0, lower_from=name))) == ()


def test_redraw_lowers_what_is_possible():
    channel = LabelChannel.uniform(8, 0.3)
    reasons = audit(good(channel=channel))
    assert any("more than the" in reason and "possible" in reason for reason in reasons)


# The note


def test_a_learned_critic_far_below_the_probe_is_under_trained():
    note = undertrained(reading(2.5), reading(3.0))
    assert note == "the learned critic is under-trained: it reads 2.50 bits, the probe 3.00"


@pytest.mark.parametrize(
    ("critic", "probe"),
    [(reading(2.95), reading(3.0)), (reading(3.0), reading(2.0)), (reading(2.5), reading(3.0, 0.51 / DEVIATIONS))],
)
def test_one_near_or_above_it_or_within_its_error_is_not(critic, probe):
    assert undertrained(critic, probe) == ""
