"""What an estimation cell says: flat names, bits, JSON, and the reasons against a certificate in one text."""

import json
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from mi_ray.compute.estimation.critics import Settings
from mi_ray.compute.estimation.estimate import estimate
from mi_ray.compute.estimation.samples import Origin, Sample
from mi_ray.compute.images.duplicates import identities_of_rows
from mi_ray.compute.images.image_set import SPLITS
from mi_ray.compute.pairs.couples import WithinClass
from mi_ray.experiments.results.estimates import expected, told
from mi_ray.theory.certificate import Reading
from mi_ray.theory.channel import LabelChannel

READINGS = ("nominal", "strict", "nwj", "probe", "confusion")
CLASSES, WIDTH = 4, 8
CHANNEL = LabelChannel.uniform(CLASSES)


def sample(seed):
    """Noisy class codes, every one of a source of its own."""
    labels, rng = np.arange(256) % CLASSES, np.random.default_rng(seed)
    h = (np.eye(WIDTH)[labels] + 0.3 * rng.standard_normal((256, WIDTH))).astype(np.float32)
    origin = Origin(identities=identities_of_rows(h), sources=256 * seed + np.arange(256))
    return Sample(h, labels, origin, WithinClass(labels, CLASSES))


@lru_cache
def estimated():
    fit = {"k": 16, "steps": 10, "learning_rate": 1e-2, "weight_decay": 1e-2, "patience": 4}
    settings = Settings(hidden=16, out=8, temperature=0.1, seeds=range(3), **fit)
    samples = {split: sample(seed) for seed, split in enumerate(SPLITS)}
    return estimate(samples, CHANNEL, k_est=64, batches=2, penalties=(1e-3,), settings=settings)


def test_every_reading_has_its_standard_error_beside_it():
    found = told(estimated())
    for name in READINGS:
        reading = estimated().readings[name]
        assert (found[f"{name}_bits"], found[f"{name}_standard_error_bits"]) == (
            reading.bits,
            reading.standard_error_bits,
        )


def test_a_result_is_flat_but_for_its_critics_and_survives_json():
    result = told(estimated()) | expected(CHANNEL, 64)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert {name for name, value in result.items() if isinstance(value, (list, dict))} == {"critics"}
    assert type(result["certified"]) is bool and {type(critic) for critic in result["critics"]} == {dict}


def test_the_bracket_is_told_with_its_width_and_where_it_comes_from():
    result, limits = told(estimated()), estimated().bracket
    assert (result["lower_bits"], result["upper_bits"]) == (limits.lower_bits, CHANNEL.information_bits)
    assert result["epsilon_bits"] == pytest.approx(result["upper_bits"] - result["lower_bits"])
    assert result["lower_from"] in READINGS


@pytest.mark.parametrize("reasons", [(), ("a leak",), ("a leak", "the critic is overfitted")])
def test_reasons_are_joined_and_none_is_a_certificate(reasons):
    result = told(replace(estimated(), reasons=reasons, note="by the way"))
    assert (result["not_certified"], result["certified"]) == ("; ".join(reasons), not reasons)
    assert result["note"] == "by the way"


def test_there_is_a_record_of_every_critic_and_the_means_are_theirs():
    result, critics = told(estimated()), told(estimated())["critics"]
    assert len(critics) == 3
    for name in ("nominal_bits", "validation_bits", "train_bits"):
        assert result[name] == pytest.approx(np.mean([critic[name] for critic in critics]))
    assert result["critic_temperature"] == max(critic["temperature"] for critic in critics)
    assert result["critic_steps"] == max(critic["steps"] for critic in critics)


def test_a_reading_is_told_in_bits_as_it_is():
    odd = Reading(bits=1.25, standard_error_bits=0.5)
    result = told(replace(estimated(), readings=dict.fromkeys(READINGS, odd)))
    assert {result[f"{name}_bits"] for name in READINGS} == {1.25}


def test_what_to_hold_a_reading_against_is_in_bits():
    found = expected(LabelChannel.uniform(4, 0.5), 128)
    assert found["class_entropy_bits"] == 2.0 and 0 < found["label_channel_bits"] < 2
    assert found["strict_bound_bits"] == 7.0 and found["nominal_bound_bits"] == pytest.approx(np.log2(255))
    assert found["strict_ceiling_bits"] < found["strict_bound_bits"]
    assert found["nominal_ceiling_bits"] < found["nominal_bound_bits"]
