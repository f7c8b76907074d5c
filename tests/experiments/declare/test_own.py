"""Classes of a user's own: their name, protocol and fields are what they are; what cannot be told apart is refused."""

import re
from dataclasses import dataclass, replace
from math import inf
from typing import ClassVar

import numpy as np
import pytest
import torch

from mi_ray.compute.pairs.couples import WithItself
from mi_ray.experiments.declare import (
    CDP,
    Embedding,
    Estimation,
    Geometry,
    OwnPairing,
    OwnQuestion,
    SameClass,
    Training,
    Views,
    task_of,
)
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.declare.identity import cell_key, story
from mi_ray.experiments.declare.parameters import parameters
from mi_ray.experiments.images.pairs import couple, view
from mi_ray.experiments.plan.cost import predicted_work
from mi_ray.experiments.plan.plan import build
from mi_ray.experiments.run.learning import allowed_bits, things_told_apart
from tests.own import Dim, Length, Neighbours, Ramps

TRAINING = Training(data=CDP(), pairing=Dim(), arch="resnet10t")
FROZEN = Embedding(encoder=TRAINING)
QUESTION = Length(embedding=FROZEN)


def key(declaration):
    return cell_key(declaration, "0" * 64)


# Keys and parameters


def test_fields_protocol_and_name_of_a_pairing_enter_the_key(monkeypatch):
    @dataclass(frozen=True, kw_only=True)
    class Darken(Dim):
        pass

    others = [replace(TRAINING, pairing=pairing) for pairing in (Dim(factor=0.25), Darken())]
    before = [key(TRAINING), *map(key, others)]
    monkeypatch.setattr(Dim, "protocol", 2)
    assert len({*before, key(TRAINING)}) == 4


def test_fields_protocol_and_name_of_a_question_enter_the_key(monkeypatch):
    before = [key(QUESTION), key(replace(QUESTION, power=2.0))]
    assert key(replace(QUESTION, power=1)) == before[0], "1 and 1.0 are one number"
    monkeypatch.setattr(Length, "protocol", 2)
    assert len({*before, key(QUESTION)}) == 3
    assert key(QUESTION).startswith("length-")


def test_the_module_of_a_class_does_not_enter_the_key(monkeypatch):
    before = key(QUESTION), key(TRAINING)
    monkeypatch.setattr(Length, "__module__", "elsewhere")
    monkeypatch.setattr(Dim, "__module__", "elsewhere")
    assert (key(QUESTION), key(TRAINING)) == before


def test_fields_are_parameters():
    assert {"pairing": "dim 0.5", "pairing_kind": "Dim", "pairing_factor": "0.5"}.items() <= parameters(
        TRAINING
    ).items()
    assert {"length_power": "1", "pairing": "dim 0.5"}.items() <= parameters(QUESTION).items()
    on_ramps = parameters(replace(TRAINING, data=Ramps()))
    assert {"data": "ramps", "data_kind": "Ramps", "data_side": "32", "data_seed": "0"}.items() <= on_ramps.items()
    views = Views(encoder=TRAINING, pairing=Dim())
    assert parameters(views)["task"] == parameters(Geometry(embedding=views, pairing=Dim()))["task"] == "dim 0.5"


def test_the_story_of_a_cell_tells_the_own_class():
    assert story(QUESTION)["length"] == {"protocol": 1, "power": 1.0}
    assert story(QUESTION)["training"]["pairing"] == {"kind": "Dim", "protocol": 1, "factor": 0.5}


def test_a_field_task_is_what_a_question_is_about():
    @dataclass(frozen=True, kw_only=True)
    class OfTask(Length):
        task: str

    assert task_of(OfTask(embedding=FROZEN, task="digit")) == parameters(OfTask(embedding=FROZEN, task="digit"))["task"]
    assert task_of(QUESTION) == "" and "task" not in parameters(QUESTION)


def test_work_is_predicted_for_every_cell():
    assert all(predicted_work(cell.declaration) > 0 for cell in build([QUESTION], lambda data: None).cells.values())


# Pairings


def test_an_own_view_is_what_trainings_and_embeddings_use():
    images = torch.ones(2, 3, 4, 4)
    assert torch.equal(view(Dim())(images, 0), images / 2)


def test_a_view_of_another_shape_is_refused_with_the_class():
    @dataclass(frozen=True, kw_only=True)
    class Halve(Dim):
        def view(self, images, seed, rows=None):
            return images[:, :, ::2]

    with pytest.raises(ValueError, match=r"Halve: view: \(2, 3, 2, 4\).*allowed: \(2, 3, 4, 4\)"):
        view(Halve())(torch.ones(2, 3, 4, 4), 0)


def test_couples_are_an_image_with_itself_unless_they_are_the_users_own():
    images = Ramps().splits()["train"]
    assert couple(Dim(), images) == WithItself(8)
    assert couple(Neighbours(), images)(2, np.random.default_rng(0))[1].tolist() == [1, 2]


def test_own_couples_are_for_trainings_alone_and_their_ceiling_is_unknown():
    training = replace(TRAINING, pairing=Neighbours())
    with pytest.raises(Refused, match=r"pairing: .*Neighbours.*allowed: one that couples an image with itself"):
        Views(encoder=training, pairing=Neighbours())
    assert things_told_apart(training) is None and allowed_bits(training, None) is None
    assert things_told_apart(TRAINING) == inf and allowed_bits(TRAINING, None) > 0


def test_estimates_are_of_the_views_that_are_embedded():
    views = Views(encoder=TRAINING, pairing=Dim())
    assert Estimation(embedding=views, pairing=Dim()).task == "dim 0.5"
    with pytest.raises(Refused, match=r"pairing: .*allowed: that of the views"):
        Estimation(embedding=views, pairing=Dim(factor=0.1))


# Questions


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"length": 1.0}, "Length: answer: 'length_standard_error' is missing"),
        ({"length": 1.0, "length_standard_error": 0.1, "more": 2}, "Length: answer: 'more' is not one of its measures"),
        ({"length": inf, "length_standard_error": 0.1}, "Length: answer: 'length' is inf; allowed: a finite number"),
    ],
)
def test_an_answer_holds_exactly_the_finite_numbers_of_its_measures(answer, message):
    with pytest.raises(Refused, match=re.escape(message)):
        QUESTION.checked(answer)


# Refusals


def test_a_class_that_is_no_frozen_dataclass_is_refused():
    class Undecorated(Dim):
        factor: float = 0.1

    with pytest.raises(Refused, match="Undecorated: not a frozen dataclass"):
        Undecorated()


def test_a_class_without_a_needed_member_is_refused():
    @dataclass(frozen=True, kw_only=True)
    class Nameless(OwnPairing):
        def view(self, images, seed, rows=None):
            return images

    @dataclass(frozen=True, kw_only=True)
    class Viewless(OwnPairing):
        name = "viewless"

    @dataclass(frozen=True, kw_only=True)
    class Unmeasured(OwnQuestion):
        def answer(self, h, images, names):
            return {}

    for make, lacks in ((Nameless, "name"), (Viewless, "view"), (lambda: Unmeasured(embedding=FROZEN), "measures")):
        with pytest.raises(Refused, match=f"has no '{lacks}'"):
            make()


def test_a_field_that_hides_a_member_or_cannot_enter_a_key_is_refused():
    @dataclass(frozen=True, kw_only=True)
    class Hiding(Length):
        work: int = 1

    @dataclass(frozen=True, kw_only=True)
    class Holding(Length):
        table: object = None

    with pytest.raises(Refused, match=r"Hiding: a field cannot be called 'work'"):
        Hiding(embedding=FROZEN)
    with pytest.raises(Refused, match=r"Holding: field 'table' holds .*allowed: a finite number, text"):
        Holding(embedding=FROZEN, table=[1])


def test_two_classes_of_one_name_are_refused_in_a_plan():
    def another():
        @dataclass(frozen=True, kw_only=True)
        class Length(OwnQuestion):
            measures: ClassVar = QUESTION.measures

            def answer(self, h, images, names):
                return {}

        return Length(embedding=FROZEN)

    build([QUESTION, replace(QUESTION, power=2.0)], lambda data: None)
    with pytest.raises(Refused, match="Length: two classes have this name"):
        build([QUESTION, another()], lambda data: None)


def test_names_of_this_system_are_refused_in_a_plan():
    @dataclass(frozen=True, kw_only=True)
    class Evaluation(Length):
        pass

    @dataclass(frozen=True, kw_only=True)
    class SimCLR(Dim):
        pass

    for question in (
        Evaluation(embedding=FROZEN),
        Estimation(embedding=Embedding(encoder=replace(TRAINING, pairing=SimCLR())), pairing=SameClass(task="digit")),
    ):
        with pytest.raises(Refused, match="the name is taken by mi-ray"):
            build([question], lambda data: None)
