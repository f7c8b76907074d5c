"""Axes that sweeps share have the defaults of their declarations and are named like a trial's own parameters."""

from __future__ import annotations

from importlib import import_module
from inspect import signature
from typing import Any

import pytest

from mi_ray.experiments.declare import CDP, Estimation, Labelled, data_of
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.plan.axis_values import axes_of
from sweeps.recipes import CRITICS_AT_SCALE
from sweeps.shared_axes import CDPAxes, EstimationAxes, LabelledAxes, with_axes

IMAGES = {"canvas", "digits", "backgrounds", "train_images", "test_images"}
CRITICS = {"k_est", "critics", "critic_steps"}
TRAINING = {"arch", "seed", "k_tr", "temperature", "views", "learning_rate"}
SEARCH = {"objective", "task", "candidates", "generation", "short_views", "noise_seeds", "fresh_seeds"}
LABELLED = {"root", "class_list", "side", "held_out", "matte", "crops"}
FILES = {"dataset", "checkpoints", "weights", "allow_code", "views_per_image", "batches"}
AXES = {
    "augmentation_search": IMAGES | CRITICS | TRAINING | SEARCH,
    "encoder_zoo": IMAGES | CRITICS | TRAINING | FILES | LABELLED | {"encoder"},
    "infomin_grid": IMAGES | CRITICS | TRAINING | {"pairing", "task", "mix", "background_weight", "redraw"},
    "infomin_strength": IMAGES | CRITICS | TRAINING | {"augmentation", "task"},
    "small_batch": IMAGES | CRITICS | TRAINING - {"learning_rate"} | {"base_learning_rate", "batches"},
    "objectives": CRITICS | LABELLED | {"objective", "data", "arch", "seed", "share", "views"},
    "temperature": CRITICS | LABELLED | {"temperature", "data", "arch", "seed", "share", "views"},
    "negatives": TRAINING | LABELLED | {"negatives", "data", "stem", "optimizer", "pacs"},
}


@pytest.mark.parametrize("name", AXES)
def test_a_user_can_name_these_axes_of_a_study(name: str) -> None:
    assert set(import_module(f"sweeps.{name}").STUDY.types) == AXES[name]


def test_defaults_are_those_of_the_declarations_but_for_critics_and_their_steps() -> None:
    assert CDPAxes().declared() == CDP()
    assert vars(EstimationAxes()) == {"k_est": Estimation.k_est, "critics": 2, "critic_steps": 200}
    assert {"critics": (Estimation.critics,), "critic_steps": (Estimation.steps,)} == CRITICS_AT_SCALE


@with_axes(CDPAxes(train_images=8192), EstimationAxes())
def trial(images: CDPAxes, estimation: EstimationAxes, *, task: str, k_tr: int = 64) -> tuple[Any, ...]:
    return images, estimation, task, k_tr


def test_a_trial_gets_its_groups_with_the_axes_that_are_set() -> None:
    expected = (CDPAxes(train_images=8192, canvas=64), EstimationAxes(critic_steps=20), "all", 64)
    assert trial(task="all", canvas=64, critic_steps=20) == expected
    assert list(signature(trial).parameters)[:3] == ["task", "k_tr", "canvas"]
    assert signature(trial).parameters["train_images"].default == 8192


def test_values_of_shared_axes_are_read_by_the_hints_of_their_group() -> None:
    axes = axes_of(trial)
    assert axes["train_images"].parse("2048") == (2048,) and axes["digits"].parse("data/mnist") == ("data/mnist",)
    with pytest.raises(Refused, match="axis canvas"):
        axes["canvas"].parse("wide")
    with pytest.raises(TypeError, match="width"):
        trial(task="all", width=3)


GIVEN = {"root": "/photographs", "side": 96, "held_out": 0.2, "matte": "black"}
STUDIES_OF_LABELLED_IMAGES = [
    ("objectives", {"data": "folder", "objective": "class"}),
    ("temperature", {"data": "folder", "temperature": 0.2}),
    ("negatives", {"data": "folder", "negatives": "apart"}),
    ("encoder_zoo", {"dataset": "folder", "encoder": "timm:resnet18"}),
]


@pytest.mark.parametrize(("name", "chosen"), STUDIES_OF_LABELLED_IMAGES)
def test_every_study_of_labelled_images_takes_class_folders_of_ones_own(name: str, chosen: dict[str, Any]) -> None:
    for question in import_module(f"sweeps.{name}").STUDY.trial(**chosen, **GIVEN):
        data = data_of(question)
        assert isinstance(data, Labelled) and data.name == "folder" and data.class_list == ""
        assert {field: getattr(data, field) for field in GIVEN} == GIVEN


@pytest.mark.parametrize(("name", "chosen"), STUDIES_OF_LABELLED_IMAGES)
def test_imagenet_100_keeps_its_folder_and_list_unless_they_are_named(name: str, chosen: dict[str, Any]) -> None:
    axis = "dataset" if "dataset" in chosen else "data"
    trial = import_module(f"sweeps.{name}").STUDY.trial
    (data,) = {data_of(question) for question in trial(**chosen | {axis: "imagenet-100"})}
    assert (data.root, data.class_list, data.side) == ("data/imagenet", "data/imagenet100_wnids.txt", 224)
    (data,) = {data_of(question) for question in trial(**chosen | {axis: "imagenet-100"}, class_list="mine", side=64)}
    assert (data.root, data.class_list, data.side) == ("data/imagenet", "mine", 64)


def test_an_axis_that_the_images_do_not_have_is_refused_by_name() -> None:
    with pytest.raises(Refused, match="side: 64 is not allowed; allowed: nothing with CDP images"):
        LabelledAxes(side=64).applied(CDP())
    with pytest.raises(Refused, match=r"class_list: .* allowed: nothing with folder, which has no list of classes"):
        LabelledAxes(class_list="mine").applied(Labelled(name="folder"))
    assert LabelledAxes().applied(CDP()) == CDP()
