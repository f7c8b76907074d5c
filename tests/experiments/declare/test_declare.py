"""Declarations: values that refuse nonsense by field, value and what is allowed, and that do no work."""

from dataclasses import FrozenInstanceError
from math import inf, nan

import pytest

from mi_ray.experiments.declare import (
    CDP,
    Embedding,
    Estimation,
    LinearEvaluation,
    SameClass,
    SimCLR,
    Training,
    pairing_name,
    task_of,
    training_of,
    upstream,
)
from mi_ray.experiments.declare.checks import Refused


def training(**fields):
    return Training(**({"data": CDP(), "pairing": SameClass(task="color"), "arch": "test_resnet"} | fields))


def estimation(**fields):
    return Estimation(**({"embedding": Embedding(encoder=training()), "pairing": SameClass(task="all")} | fields))


def evaluation(**fields):
    return LinearEvaluation(**({"embedding": Embedding(encoder=training()), "task": "all"} | fields))


def name_of(value):
    """The part of a test's name for a value; a function by its name, since its text holds an address."""
    return getattr(value, "__name__", str(value))


BAD = [
    (CDP, "canvas", 48, "32, 64, 224"),
    (CDP, "mix", "multiplied", "linear, additive"),
    (CDP, "background_weight", 1.5, "a number from 0 to 1"),
    (CDP, "background_weight", nan, "a number from 0 to 1"),
    (CDP, "background_weight", "heavy", "a number from 0 to 1"),
    (CDP, "train_images", 10, "a whole number >= 1024"),
    (CDP, "validation_images", 2048.0, "a whole number >= 1024"),
    (CDP, "test_images", True, "a whole number >= 1024"),
    (CDP, "seed", -1, "a whole number >= 0"),
    (SameClass, "task", "colour", "color, digit, position, color+digit"),
    (SameClass, "prior", "flat", "uniform, empirical"),
    (SameClass, "redraw", -0.1, "a number from 0 to 1"),
    (SimCLR, "crop_min_scale", 0.0, "a number from 0.01 to 1"),
    (SimCLR, "flip", 2, "a number from 0 to 1"),
    (SimCLR, "jitter_strength", 3.0, "a number from 0 to 2.5"),
    (SimCLR, "jitter", None, "a number from 0 to 1"),
    (SimCLR, "grayscale", inf, "a number from 0 to 1"),
    (training, "arch", "resnet10x", "an encoder of timm, such as resnet"),
    (training, "k_tr", 1, "a whole number >= 2"),
    (training, "k_tr", 64.0, "a whole number >= 2"),
    (training, "temperature", 0, "a number > 0"),
    (training, "temperature", -0.1, "a number > 0"),
    (training, "views", 100, "a whole number >= 128"),
    (training, "optimizer", "lars", "adamw, sgd"),
    (training, "learning_rate", nan, "a number > 0"),
    (training, "learning_rate", inf, "a number > 0"),
    (training, "learning_rate", "1e-3", "a number > 0"),
    (training, "weight_decay", -1e-4, "a number from 0 to 1"),
    (training, "warmup", 1.1, "a number from 0 to 1"),
    (training, "batch_norm_parts", 0, "a whole number >= 1"),
    (training, "hidden", 0, "a whole number >= 1"),
    (training, "out", 0, "a whole number >= 1"),
    (training, "precision", "float16", "auto, bfloat16, float32"),
    (training, "seed", "0", "a whole number >= 0"),
    (estimation, "k_est", 1, "a whole number >= 2"),
    (estimation, "temperature", 0.0, "a number > 0"),
    (estimation, "batches", 1, "a whole number >= 2"),
    (estimation, "critics", 0, "a whole number >= 1"),
    (estimation, "critics", 5.0, "a whole number >= 1"),
    (estimation, "k_fit", 1, "a whole number >= 2"),
    (estimation, "temperature", 1.5, "a number from 0 to "),
    (estimation, "steps", 0, "a whole number >= 1"),
    (estimation, "learning_rate", 0.0, "a number > 0"),
    (estimation, "weight_decay", 101, "a number from 0 to 100"),
    (estimation, "patience", 0, "a whole number >= 1"),
    (estimation, "penalties", (), "at least one number > 0"),
    (estimation, "penalties", (3e-4, -1e-3), "a number > 0"),
    (estimation, "seed", -1, "a whole number >= 0"),
    (evaluation, "task", "taste", "color, digit, position, color+digit"),
    (evaluation, "penalties", (), "at least one number > 0"),
    (evaluation, "penalties", (1e-3, 0.0), "a number > 0"),
]


@pytest.mark.fault("F24", "a table of bad values")
@pytest.mark.parametrize(("kind", "field", "value", "allowed"), BAD, ids=name_of)
def test_a_bad_declaration_is_refused_with_field_value_and_what_is_allowed(kind, field, value, allowed):
    with pytest.raises(Refused) as refusal:
        kind(**{"task": "all", field: value} if kind is SameClass else {field: value})
    message, offender = str(refusal.value), value[-1] if isinstance(value, tuple) and value else value
    assert field in message and repr(offender) in message and f"allowed: {allowed}" in message and "\n" not in message


WRONG_KIND = [
    (training, "pairing", "color"),
    (training, "data", None),
    (training, "arch", 18),
    (estimation, "pairing", SimCLR()),
    (estimation, "embedding", training()),
    (estimation, "penalties", 3e-4),
    (evaluation, "penalties", 1e-3),
    (evaluation, "penalties", [1e-3]),
    (training, "learning_rate", True),
]


@pytest.mark.parametrize(("kind", "field", "value"), WRONG_KIND, ids=name_of)
def test_a_value_of_the_wrong_kind_is_refused(kind, field, value):
    with pytest.raises(Refused, match=field):
        kind(**{field: value})


def test_a_refusal_is_a_value_error():
    assert issubclass(Refused, ValueError)


def test_a_declaration_is_a_value():
    assert training() == training() and hash(estimation()) == hash(estimation())
    assert len({evaluation(), evaluation(), evaluation(task="color")}) == 2
    with pytest.raises(FrozenInstanceError):
        training().seed = 1
    with pytest.raises(TypeError, match="positional"):
        SameClass("color")


def test_a_declaration_knows_what_is_upstream_of_it():
    question = estimation()
    assert upstream(question) == question.embedding
    assert upstream(question.embedding) == training_of(question) == training()
    assert upstream(training()) is None


def test_the_budget_is_views_whatever_k_tr_is():
    assert training(views=6400, k_tr=32).steps == 100
    assert training(views=6400, k_tr=64).steps == 50


def test_a_question_is_about_a_task():
    assert task_of(estimation()) == task_of(evaluation()) == "all"


def test_a_pairing_has_a_name_of_one_word():
    pairings = SameClass(task="all"), SameClass(task="color+digit", redraw=0.5), SimCLR()
    assert [pairing_name(pairing) for pairing in pairings] == ["all", "color+digit~0.5", "simclr"]


def test_a_pairing_that_is_not_uniform_says_so():
    pairings = [SameClass(task="all", prior="empirical", redraw=redraw) for redraw in (0.0, 0.5)]
    assert [pairing_name(pairing) for pairing in pairings] == ["all empirical", "all empirical~0.5"]
