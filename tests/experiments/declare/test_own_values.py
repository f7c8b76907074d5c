"""Values, names and numbers of a user's own classes: no two that differ share a key; others are refused in a line."""

from dataclasses import dataclass, make_dataclass, replace
from math import inf, nan

import numpy as np
import pytest

from mi_ray.compute.estimation.critic import Critic
from mi_ray.experiments.declare import CDP, Embedding, Estimation, LinearEvaluation, SameClass, SimCLR, Training
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.declare.measures import Measure
from mi_ray.experiments.plan.plan import build
from tests.made_up_critic import Cosine
from tests.own import Dim, Length, Ramps

TRAINING = Training(data=CDP(), pairing=Dim(), arch="resnet10t")
FROZEN = Embedding(encoder=TRAINING)
NUMBER = Measure(name="number", label="number")


def made(name, base, fields=(), /, **members):
    """A frozen subclass of ``base``: fields are (name, type), members class attributes."""
    return make_dataclass(name, fields, bases=(base,), namespace=members, frozen=True, kw_only=True)


def inner(frozen=True, **fields):
    return make_dataclass("Inner", [(name, object) for name in fields], frozen=frozen)(**fields)


def asked_of(*critics):
    return Estimation(embedding=FROZEN, pairing=SameClass(task="color"), own=critics)


def cells(*questions, digest=None):
    return list(build(questions, lambda data: digest).cells)


# Fields


@pytest.mark.parametrize("base", [Dim, Length, Ramps])
@pytest.mark.parametrize("field", ["data", "encoder", "kind"])
def test_a_field_that_a_key_would_not_hold_is_refused(base, field):
    upstream = {"embedding": FROZEN} if base is Length else {}
    with pytest.raises(Refused, match=f"Lost: a field cannot be called '{field}'"):
        made("Lost", base, [(field, str)])(**{field: "a"}, **upstream)


def test_a_pairing_has_no_field_embedding():
    with pytest.raises(Refused, match="a field cannot be called 'embedding'"):
        made("Lost", Dim, [("embedding", str)])(embedding="a")


def test_a_critic_has_no_field_by_the_name_of_its_class_in_a_key():
    with pytest.raises(Refused, match=r"own: .*allowed: fields of other names than kind"):
        asked_of(made("Named", Cosine, [("kind", str)])(kind="a"))


@pytest.mark.parametrize(
    "value",
    [
        nan, inf, (1.0, nan), [1], {}, np.int64(1), np.zeros(2), 1j, b"a", ([1],), FROZEN,
        inner(a=nan), inner(a=[1]), inner(a=np.zeros(2)), inner(frozen=False, a=1), inner(data=1), inner(kind=1),
        (inner(a=inner(encoder=1)),),
    ],
)  # fmt: skip
def test_values_that_cannot_enter_a_key_are_refused(value):
    with pytest.raises(Refused, match=r"Holding: field 'value' holds .*; allowed: a finite number, text, bool"):
        made("Holding", Dim, [("value", object)])(value=value)
    with pytest.raises(Refused, match=r"Weighing: field 'value' holds .*; allowed: a finite number, text, bool"):
        asked_of(made("Weighing", Cosine, [("value", object)])(value=value))


@pytest.mark.parametrize("value", ["0.5", None, 10**400, (1.0,)])
def test_a_field_of_floats_holds_a_number(value):
    with pytest.raises(Refused, match=r"Dim: field 'factor' holds .*; allowed: a finite number, as its type says"):
        Dim(factor=value)


def test_values_in_frozen_dataclasses_and_tuples_enter_the_key():
    holding = made("Holding", Dim, [("value", object)])
    first = inner(a=1)
    values = (first, replace(first, a=2), (first,), SimCLR(), SimCLR(flip=0.1), np.float64(1.5))
    asked = (LinearEvaluation(embedding=FROZEN, task="digit") for _ in values)
    pairings = (replace(TRAINING, pairing=holding(value=value)) for value in values)
    questions = [
        replace(one, embedding=Embedding(encoder=training)) for one, training in zip(asked, pairings, strict=True)
    ]
    assert len(cells(*questions)) == 3 * len(values)


def test_a_post_init_of_the_users_own_does_not_let_a_value_through():
    holding = made("Holding", Dim, [("value", object)], __post_init__=lambda self: None)
    training = replace(TRAINING, pairing=holding(value=[1]))
    with pytest.raises(Refused, match=r"Holding: field 'value' holds \[1\]"):
        cells(LinearEvaluation(embedding=Embedding(encoder=training), task="digit"))


# Two classes


def test_two_critics_of_one_class_name_are_refused_in_a_plan():
    one, other = (made("Twin", Cosine)() for _ in range(2))
    assert len(cells(asked_of(one), asked_of(replace(one, scale=1.0)))) == 4
    with pytest.raises(Refused, match="Twin: two classes have this name"):
        cells(asked_of(one), asked_of(other))


def test_two_classes_of_one_name_inside_fields_are_refused_in_a_plan():
    holding = made("Holding", Length, [("value", object)])
    questions = [holding(embedding=FROZEN, value=value) for value in (inner(a=1), (inner(a=1),))]
    with pytest.raises(Refused, match="Inner: two classes have this name"):
        cells(*questions)


def test_unprepared_images_of_two_classes_with_equal_fields_are_told_apart():
    sets = [made(name, Ramps)() for name in ("One", "Another")]
    questions = [Length(embedding=Embedding(encoder=replace(TRAINING, data=data))) for data in sets]
    assert len(cells(*questions)) == 6


# Names and numbers


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 300, 5, None, property(lambda self: 1 / 0)])
@pytest.mark.parametrize("base", [Dim, Ramps])
def test_a_name_is_a_line_of_text(base, name):
    with pytest.raises(Refused, match=r"Named: name .*; allowed"):
        made("Named", base, name=name)()


@pytest.mark.parametrize("name", ["Ähre", "X" * 101])
def test_a_class_name_can_be_that_of_a_folder(name):
    with pytest.raises(Refused, match="not allowed as a class name"):
        made(name, Dim)()


@pytest.mark.parametrize(
    ("member", "value", "message"),
    [
        ("side", "32", "Bad: side: '32' is not allowed"),
        ("side", 0, "Bad: side: 0 is not allowed; allowed: a whole number >= 1"),
        ("n_images", None, "Bad: n_images: None is not allowed"),
        ("n_classes", 3, "n_classes.'class'. raised TypeError"),
        ("n_classes", lambda self, task: "3", "n_classes.'class'.: '3' is not allowed; allowed: a whole number >= 2"),
        ("n_classes", lambda self, task: 1 / 0, "n_classes.'class'. raised ZeroDivisionError"),
    ],
)
def test_the_numbers_of_own_images_are_whole(member, value, message):
    base = Ramps if member != "side" else made("Sideless", Ramps, side=32)
    with pytest.raises(Refused, match=message):
        if member == "side":
            made("Bad", base)(side=value)
        else:
            made("Bad", base, **{member: value})()


@pytest.mark.parametrize(
    "measures",
    [
        (NUMBER, NUMBER),
        (replace(NUMBER, error="number"),),
        *((replace(NUMBER, name=name),) for name in ("", "a b", "a=b", "note", "seconds", "key", "x" * 201)),
    ],
)
def test_the_numbers_of_an_answer_have_names_that_mlflow_takes(measures):
    with pytest.raises(Refused, match=r"Measured: measures: .* is not allowed"):
        made("Measured", Length, measures=measures)(embedding=FROZEN)


@pytest.mark.parametrize("answer", [None, 5, [1.0], {1: 2.0}, *({"number": it} for it in ("1", None, 1j, True, [1.0]))])
def test_an_answer_that_is_no_dict_of_numbers_is_refused(answer):
    question = made("Measured", Length, measures=(NUMBER,))(embedding=FROZEN)
    with pytest.raises(Refused, match=r"Measured: answer: .*; allowed: "):
        question.checked(answer)
    assert question.checked({"number": np.float32(0.5)}) == question.checked({"number": np.array(0.5)})


# Critics


@dataclass(frozen=True, kw_only=True)
class Nameless(Critic):
    def fit(self, data):
        return np.dot


@pytest.mark.parametrize("critic", [Nameless(), Cosine(name=5), Cosine(name="x" * 101)])
def test_a_critic_without_a_name_is_refused(critic):
    with pytest.raises(Refused, match=r"own: .* is not allowed as the name of a critic"):
        asked_of(critic)


def test_a_critic_that_lost_its_decorator_or_protocol_is_refused():
    class Undecorated(Cosine):
        scale: float = 1.0

    with pytest.raises(Refused, match="allowed: a frozen dataclass"):
        asked_of(Undecorated())
    for protocol in (0, True, "1"):
        with pytest.raises(Refused, match=r"Dated: protocol: .*; allowed: a whole number >= 1"):
            asked_of(made("Dated", Cosine, protocol=protocol)())
