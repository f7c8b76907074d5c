"""What an estimation cell says: flat names, bits, JSON, and the reasons against a certificate in one text."""

import json
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from mi_ray.compute.estimation.critics import Settings
from mi_ray.compute.estimation.estimate import estimate
from mi_ray.compute.estimation.learned import LearnedCritics
from mi_ray.compute.estimation.probe import ProbeCritic
from mi_ray.compute.estimation.problem import Problem
from mi_ray.compute.estimation.samples import Origin, Sample
from mi_ray.compute.images.duplicates import identities_of_rows
from mi_ray.compute.images.image_set import SPLITS
from mi_ray.compute.pairs.couples import WithinClass
from mi_ray.experiments.results.estimates import result
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
    problem = Problem(samples=samples, labels=CHANNEL, k_est=64, batches=2, seed=0)
    return estimate(problem, LearnedCritics(settings=settings), ProbeCritic(penalties=(1e-3,)))


def test_every_reading_has_its_standard_error_beside_it():
    values = result(estimated())
    for name in READINGS:
        reading = estimated().readings[name]
        assert (values[f"{name}_bits"], values[f"{name}_standard_error_bits"]) == (
            reading.bits,
            reading.standard_error_bits,
        )


def test_a_result_is_flat_but_for_its_critics_and_survives_json():
    values = result(estimated())
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert {name for name, value in values.items() if isinstance(value, (list, dict))} == {"critics"}
    assert type(values["certified"]) is bool and {type(critic) for critic in values["critics"]} == {dict}


def test_the_bracket_is_told_with_its_width_and_where_it_comes_from():
    values, limits = result(estimated()), estimated().bracket
    assert (values["lower_bits"], values["upper_bits"]) == (limits.lower_bits, CHANNEL.information_bits)
    assert values["epsilon_bits"] == pytest.approx(values["upper_bits"] - values["lower_bits"])
    assert values["lower_from"] in READINGS


@pytest.mark.parametrize("units", [0.0, 512.0])
def test_what_validation_chose_is_told(units):
    assert result(estimated())["probe_hidden_units"] == 0.0
    assert result(replace(estimated(), chosen={"probe_hidden_units": units}))["probe_hidden_units"] == units


@pytest.mark.parametrize("reasons", [(), ("a leak",), ("a leak", "the critic is overfitted")])
def test_reasons_are_joined_and_none_is_a_certificate(reasons):
    values = result(replace(estimated(), reasons=reasons, note="by the way"))
    assert (values["not_certified"], values["certified"]) == ("; ".join(reasons), not reasons)
    assert values["note"] == "by the way"


def test_there_is_a_record_of_every_critic_and_the_means_are_theirs():
    values, critics = result(estimated()), result(estimated())["critics"]
    assert len(critics) == 3
    for name in ("nominal_bits", "validation_bits", "train_bits"):
        assert values[name] == pytest.approx(np.mean([critic[name] for critic in critics]))
    assert values["critic_temperature"] == max(critic["temperature"] for critic in critics)
    assert values["critic_steps"] == max(critic["steps"] for critic in critics)


def test_a_reading_is_told_in_bits_as_it_is():
    odd = Reading(bits=1.25, standard_error_bits=0.5)
    values = result(replace(estimated(), readings=dict.fromkeys(READINGS, odd)))
    assert {values[f"{name}_bits"] for name in READINGS} == {1.25}


def test_bounds_and_ceilings_are_in_bits():
    values = result(replace(estimated(), channel=LabelChannel.uniform(4, 0.5), k_est=128))
    assert values["class_entropy_bits"] == 2.0 and 0 < values["label_channel_bits"] < 2
    assert values["strict_bound_bits"] == 7.0 and values["nominal_bound_bits"] == pytest.approx(np.log2(255))
    assert values["strict_ceiling_bits"] < values["strict_bound_bits"]
    assert values["nominal_ceiling_bits"] < values["nominal_bound_bits"]


def test_a_result_of_views_has_the_ceilings_of_its_images_and_no_class_entropy():
    values = result(replace(estimated(), channel=LabelChannel.uniform(256), augmented=True))
    assert values["nwj_ceiling_bits"] == 8.0
    assert not {"class_entropy_bits", "label_channel_bits"} & values.keys()
