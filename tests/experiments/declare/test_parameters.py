"""Parameters as people and trackers see them: one name, one meaning, on trainings and on questions."""

from contextlib import suppress
from dataclasses import fields, replace

import pytest

from mi_ray.compute.choices import Input
from mi_ray.compute.frozen.published import IMAGENET
from mi_ray.experiments.declare import (
    CDP,
    Checkpoint,
    Crops,
    Embedding,
    Estimation,
    Geometry,
    Labelled,
    LinearEvaluation,
    Noise,
    NTXent,
    SameClass,
    SimCLR,
    SupCon,
    Training,
    Views,
    data_of,
)
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.declare.estimation import PLAIN
from mi_ray.experiments.declare.identity import canonical, cell_key, own_fields
from mi_ray.experiments.declare.parameters import is_replicate, parameters
from tests.made_up_critic import Cosine

TRAINING = Training(data=CDP(seed=3), pairing=SameClass(task="color"), arch="test_resnet", temperature=0.2, seed=1)
FROZEN = Embedding(encoder=TRAINING)
ESTIMATION = Estimation(
    embedding=FROZEN,
    pairing=SameClass(task="digit", prior="empirical", redraw=0.25),
    k_est=512,
    batches=8,
    critics=3,
    k_fit=96,
    temperature=0.07,
    steps=70,
    penalties=(1e-4, 1e-3),
    seed=2,
)
OWN = {field.name for field in fields(Estimation)} - {"embedding", "pairing"}


def test_settings_that_only_an_estimation_has_are_told_plainly():
    names = parameters(ESTIMATION)
    assert {name: names[name] for name in PLAIN - {"own"}} == {
        "k_est": "512", "k_fit": "96", "critics": "3", "batches": "8", "penalties": "0.0001 0.001",
    }  # fmt: skip


def test_settings_that_a_training_has_too_are_told_as_the_critics():
    values = parameters(ESTIMATION)
    assert (values["critic_temperature"], values["temperature"]) == ("0.07", "0.2")
    assert (values["critic_seed"], values["seed"], values["data_seed"]) == ("2", "1", "3")
    assert {f"critic_{name}" for name in OWN - PLAIN} <= values.keys()
    assert not {f"critic_{name}" for name in PLAIN} & values.keys()


def test_a_question_says_what_its_training_says():
    for question in (ESTIMATION, LinearEvaluation(embedding=FROZEN, task="digit")):
        assert parameters(TRAINING).items() <= parameters(question).items()


def test_the_task_of_an_estimation_tells_its_prior_and_redraw():
    assert parameters(ESTIMATION)["task"] == "digit empirical~0.25"


def test_a_training_tells_its_augmentation():
    values = parameters(Training(data=CDP(), pairing=SimCLR(jitter_strength=1.0), arch="test_resnet"))
    assert values["pairing"] == "simclr" and values["jitter_strength"] == "1"


# No field of a declaration is lacking

LABELLED = Labelled(name="cifar-10", half="first", negatives=Noise())
OWN_NEGATIVES = Labelled(name="cifar-10", half="first")
CHECKPOINT = Checkpoint(data=CDP(seed=3), arch="test_resnet", source=TRAINING)
FILE = Checkpoint(data=CDP(), arch="test_resnet", source="one.pth")
VIEWS = Views(encoder=TRAINING, pairing=SimCLR())
BY_VIEWS = Estimation(embedding=VIEWS, pairing=SimCLR())

VALUES = [
    SameClass(task="color", prior="empirical", redraw=0.5), SimCLR(), NTXent(), SupCon(task="color"), CDP(), LABELLED,
    OWN_NEGATIVES,    Noise(), Crops(), IMAGENET, TRAINING, CHECKPOINT, FROZEN, VIEWS, ESTIMATION, BY_VIEWS,
    LinearEvaluation(embedding=FROZEN, task="color"), Geometry(embedding=FROZEN, pairing=SameClass(task="color")),
]  # fmt: skip
"""Every class that a declaration is made of."""

OTHERWISE = {
    "task": "digit", "prior": "uniform", "arch": "resnet18", "stem": "cifar", "objective": SupCon(task="digit"),
    "optimizer": "sgd", "precision": "float32", "layout": "moco", "input": IMAGENET, "mix": "additive",
    "digits": "/other", "backgrounds": "/other", "name": "cifar-100", "root": "/other", "class_list": "/other",
    "half": "second", "matte": "black", "domain": "sketch", "negatives": Crops(), "canvas": 64, "source": "other.pth",
    "pairing": SameClass(task="position"), "penalties": (0.5,), "size": 64, "mean": (0.1, 0.2, 0.3),
    "std": (0.1, 0.2, 0.3), "own": (Cosine(),), "weights": "averaged",
    "crops": "square", "interpolation": "bicubic",
}  # fmt: skip
"""Another value of fields that are neither numbers nor booleans."""


def changed(declared, name):
    """``declared`` with another value for one field; None where nothing else is allowed beside the other fields."""
    value = getattr(declared, name)
    others = [OTHERWISE[name]] if name in OTHERWISE else [not value] if isinstance(value, bool) else []
    if name not in OTHERWISE and isinstance(value, int | float) and not isinstance(value, bool):
        others = [value + 1, value / 2, value + 0.001]
    if name == "name" and isinstance(declared, Checkpoint):
        others = ["called"]
    if name == "pairing" and isinstance(declared, Views):
        others = [SimCLR(flip=0.25)]
    for other in others:
        if isinstance(value, int) and not isinstance(value, bool) and not isinstance(other, int):
            continue
        with suppress(Refused):
            if other != value:
                return replace(declared, **{name: other})
    return None


def inside(value):
    """Declarations that hold ``value``, of every place where one can stand."""
    match value:
        case SameClass():
            questions = [Estimation(embedding=FROZEN, pairing=value), Geometry(embedding=FROZEN, pairing=value)]
            return [replace(TRAINING, pairing=value), *questions]
        case SimCLR():
            views = Views(encoder=TRAINING, pairing=value)
            through = [Estimation(embedding=views, pairing=value), Geometry(embedding=views, pairing=value)]
            return [replace(TRAINING, pairing=value), views, *through]
        case NTXent() | SupCon():
            return [replace(TRAINING, objective=value)]
        case CDP():
            return [replace(TRAINING, data=value), replace(FILE, data=value)]
        case Labelled():
            of_itself = training_on(replace(LABELLED, negatives=replace(value, negatives=None)))
            return [training_on(value), *([] if value.negatives else [of_itself])]
        case Noise() | Crops():
            return [training_on(replace(LABELLED, negatives=value))]
        case Input():
            return [replace(FILE, input=value)]
        case Training():
            source = replace(CHECKPOINT, arch=value.arch, data=value.data, source=value)
            return [value, Embedding(encoder=value), source, Embedding(encoder=source)]
        case Checkpoint():
            return [value, Embedding(encoder=value)]
        case _:
            return [value]


def training_on(data):
    return Training(data=data, pairing=SameClass(task="class"), arch="test_resnet")


UPSTREAM = {"data", "encoder", "embedding"}
ONE_BY_ONE = [(value, field.name) for value in VALUES for field in fields(value) if field.name not in UPSTREAM]
FREE = {
    ("Labelled", "domain"): Labelled(name="pacs", domain="photo"),
    ("Checkpoint", "arch"): FILE,
    ("Checkpoint", "source"): FILE,
    ("Checkpoint", "weights"): FILE,
}
"""Declarations in which a field is free to change that others tie."""


@pytest.mark.parametrize(("value", "name"), ONE_BY_ONE, ids=lambda v: v if isinstance(v, str) else type(v).__name__)
def test_a_change_of_any_field_changes_the_parameters_of_every_cell_that_it_is_in(value, name):
    value = FREE.get((type(value).__name__, name), value)
    other = changed(value, name)
    if value is BY_VIEWS and name == "pairing":
        assert other is None, "tied to that of the views, whose change is tried by itself"
        return
    assert other is not None, f"{type(value).__name__}.{name}: no other value is known here"
    for before, after in zip(inside(value), inside(other), strict=name != "negatives"):
        assert parameters(before) != parameters(after), f"{name} is not told of {type(before).__name__}"


def test_cells_of_a_kind_with_different_keys_have_different_parameters():
    values = [*VALUES, *(other for value, name in ONE_BY_ONE if (other := changed(value, name)) is not None)]
    whole = [declaration for value in values for declaration in inside(value)]
    by_parameters = {}
    for part in whole:
        content = canonical(own_fields(data_of(part)))
        key = by_parameters.setdefault((type(part), canonical(parameters(part))), cell_key(part, content))
        assert key == cell_key(part, content), part


@pytest.mark.parametrize("temperature", [0.1234567, 0.12345678, 1 / 3, 1e-7, 123456789.5])
def test_numbers_are_told_with_the_digits_that_they_have(temperature):
    text = parameters(replace(TRAINING, temperature=temperature))["temperature"]
    assert float(text) == temperature


def test_names_that_people_filter_by_are_what_they_were():
    values = parameters(ESTIMATION)
    assert list(values)[:3] == ["pairing", "task", "k_est"]
    assert {
        "pairing": "color", "task": "digit empirical~0.25", "objective": "nt_xent", "arch": "test_resnet",
        "k_tr": "64", "temperature": "0.2", "learning_rate": "0.001", "seed": "1", "data_seed": "3", "canvas": "32",
        "digits": "scikit-learn", "critic_temperature": "0.07", "critic_seed": "2", "hidden": "512",
    }.items() <= values.items()  # fmt: skip
    assert {
        "question_prior": "empirical",
        "question_redraw": "0.25",
        "pairing_kind": "SameClass",
    }.items() <= values.items()


def test_the_seeds_of_training_data_negatives_critics_and_views_are_the_replicates():
    seen = {name for value in VALUES for part in inside(value) for name in parameters(part) if is_replicate(name)}
    assert seen == {"seed", "data_seed", "negatives_seed", "critic_seed", "view_seed"}
