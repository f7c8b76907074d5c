"""Axis values: read from text by the type hint of the parameter, and refused in one line that says what is allowed."""

from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, Optional

import pytest
from pydantic import Field

from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.plan.axis_values import Axis, axes_of

Seed = NewType("Seed", int)


class Colour(Enum):
    RED = "r"
    BLUE = 2


READ = [
    (int, "0,1", (0, 1)),
    (int, "1e5", (100_000,)),
    (int, "100_000", (100_000,)),
    (int, "2.5e1,5.0,-3", (25, 5, -3)),
    (int, " 7, 8", (7, 8)),
    (Seed, "1e3", (1000,)),
    (float, "1,0.5,1e-3,-2", (1.0, 0.5, 0.001, -2.0)),
    (bool, "true,false", (True, False)),
    (bool, "False,TRUE", (False, True)),
    (bool, "yes,No", (True, False)),
    (bool, "on,OFF", (True, False)),
    (bool, "1,0", (True, False)),
    (str, "color,all", ("color", "all")),
    (str, '"a,b",c', ("a,b", "c")),
    (str, "file:mine.pth:resnet18", ("file:mine.pth:resnet18",)),
    (str, "none,true,1e5", ("none", "true", "1e5")),
    (Path, "a/b,/c", (Path("a/b"), Path("/c"))),
    (float | None, "None,0.5,none,null", (None, 0.5, None, None)),
    (Optional[int], "none,1e3", (None, 1000)),  # noqa: UP045
    (str | None, "none,half", (None, "half")),
    (bool | None, "none,no", (None, False)),
    (Path | None, "none,a", (None, Path("a"))),
    (Literal["adamw", "sgd"], "sgd,adamw", ("sgd", "adamw")),
    (Literal[1, 2], "2,1", (2, 1)),
    (Literal["a"] | None, "a,none", ("a", None)),
    (Colour, "RED,BLUE", (Colour.RED, Colour.BLUE)),
    (int | str, "5,auto", (5, "auto")),
    (str | int, "5,auto", (5, "auto")),
    (int | float, "5,0.5", (5, 0.5)),
    (list[float], "[1e-3,1e-2],[1e-4]", ([0.001, 0.01], [0.0001])),
    (list[int], "[1e3, 2]", ([1000, 2],)),
    (list[bool], "[yes,false]", ([True, False],)),
    (list[str], '["a,b",c]', (["a,b", "c"],)),
    (list[float], "[]", ([],)),
    (list[float] | None, "[1,2],none", ([1.0, 2.0], None)),
    (tuple[float, ...], "[1e-3,1e-2],[1e-4]", ((0.001, 0.01), (0.0001,))),
    (tuple[int, str], "[1,a],[2,b]", ((1, "a"), (2, "b"))),
    (Sequence[float], "[1,2]", ([1.0, 2.0],)),
    (list[Literal["a", "b"]], "[a,b]", (["a", "b"],)),
    (Annotated[int, Field(ge=3)], "3,1e1", (3, 10)),
    (Annotated[float | None, Field(gt=0)], "none,1", (None, 1.0)),
    (int, "", ()),
    (list[float], "[1, 2], [3]", ([1.0, 2.0], [3.0])),
    (list[float] | None, " [1,2] , none", ([1.0, 2.0], None)),
]


@pytest.mark.parametrize(("hint", "text", "values"), READ, ids=str)
def test_text_is_read_by_the_type_hint(hint, text, values):
    read = Axis("a", hint).parse(text)
    assert read == values and list(map(type, read)) == list(map(type, values))


@pytest.mark.parametrize(("hint", "values"), [(hint, values) for hint, _, values in READ], ids=str)
def test_what_is_read_from_text_is_accepted_from_a_preset(hint, values):
    for value in values:
        Axis("a", hint).check(value)


NONSENSE = [
    (int, "1e500", "'1e500' is not allowed; allowed: whole numbers, such as 3 or 1e5"),
    (int, "1e999999999", "'1e999999999' is not allowed; allowed: whole numbers, such as 3 or 1e5"),
    (int, "1.5", "'1.5' is not allowed; allowed: whole numbers, such as 3 or 1e5"),
    (int, "true", "'true' is not allowed; allowed: whole numbers"),
    (int, "0x10", "'0x10' is not allowed; allowed: whole numbers"),
    (int, "inf", "'inf' is not allowed; allowed: whole numbers"),
    (int, "1e999999999", "'1e999999999' is not allowed; allowed: whole numbers"),
    (int, "1e18", "'1e18' is not allowed; allowed: whole numbers"),
    (int, "1__0", "'1__0' is not allowed; allowed: whole numbers"),
    (int, "1_", "'1_' is not allowed; allowed: whole numbers"),
    (int, "0,,1", "'' is not allowed; allowed: whole numbers"),
    (float, "nan", "'nan' is not allowed; allowed: finite numbers"),
    (float, "-inf", "'-inf' is not allowed; allowed: finite numbers"),
    (float, "1e999", "'1e999' is not allowed; allowed: finite numbers"),
    (float, "warm", "'warm' is not allowed; allowed: finite numbers"),
    (bool, "maybe", "'maybe' is not allowed; allowed: true or false"),
    (bool, "2", "'2' is not allowed; allowed: true or false"),
    (float | None, "x", "'x' is not allowed; allowed: finite numbers or none"),
    (float | None, "nan", "'nan' is not allowed; allowed: finite numbers or none"),
    (Literal["adamw", "sgd"], "adam", "'adam' is not allowed; allowed: adamw, sgd; did you mean 'adamw'?"),
    (Literal["adamw", "sgd"], "SGD", "'SGD' is not allowed; allowed: adamw, sgd; did you mean 'sgd'?"),
    (Literal[1, 2], "3", "'3' is not allowed; allowed: 1, 2"),
    (Colour, "green", "'green' is not allowed; allowed: RED, BLUE"),
    (Colour, "red", "'red' is not allowed; allowed: RED, BLUE; did you mean 'RED'?"),
    (str, '"a', "'\"a' is not allowed; allowed: values as in a CSV file"),
    (list[float], "1e-3", "'1e-3' is not allowed; allowed: lists [V,V] of finite numbers"),
    (list[float], "[1,nan]", "['1', 'nan'] is not allowed; allowed: lists [V,V] of finite numbers"),
    (list[float], "[1", "'[1' is not allowed; allowed: lists [V,V] of finite numbers"),
    (list[float], "[[1]]", "'[[1]]' is not allowed; allowed: lists [V,V] of finite numbers"),
    (tuple[int, str], "[1]", "['1'] is not allowed; allowed: tuples [V,V] of whole numbers"),
    (Annotated[int, Field(ge=3)], "2", "'2' is not allowed; allowed: whole numbers, such as 3 or 1e5 (Input should be"),
    (
        Annotated[float | None, Field(gt=0)],
        "-1",
        "'-1' is not allowed; allowed: finite numbers or none (Input should be",
    ),
    (
        Annotated[float, Field(gt=0)] | None,
        "-1",
        "'-1' is not allowed; allowed: finite numbers or none (Input should be",
    ),
]


@pytest.mark.parametrize(("hint", "text", "message"), NONSENSE, ids=str)
def test_other_text_is_refused_with_axis_value_and_what_is_allowed(hint, text, message):
    with pytest.raises(Refused) as refusal:
        Axis("a", hint).parse(text)
    assert str(refusal.value).startswith(f"axis a: {message}") and "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (int, True),
        (int, 1.0),
        (int, "1"),
        (float, True),
        (float, "1"),
        (float, float("nan")),
        (float, float("inf")),
        (bool, 1),
        (bool, "yes"),
        (str, 1),
        (str, None),
        (float | None, "none"),
        (float | None, float("nan")),
        (Literal["a"], "b"),
        (Colour, "r"),
        (Path, "a"),
        (list[float], (1.0,)),
        (list[float], [float("nan")]),
        (tuple[float, ...], [1.0]),
        (int | str, 1.5),
    ],
    ids=str,
)
def test_a_value_of_a_preset_is_held_to_the_hint_and_not_converted(hint, value):
    with pytest.raises(Refused, match=r"^axis a: .* is not allowed; allowed: "):
        Axis("a", hint).check(value)


def test_a_whole_number_is_a_float_too():
    Axis("a", float).check(1)
    Axis("a", list[float]).check([1, 0.5])


def never(*, seed: int):
    raise AssertionError


def without_hint(*, seed: int, anything):
    raise AssertionError


def with_default_alone(*, anything=1):
    raise AssertionError


def with_star(**settings: float):
    raise AssertionError


def positional(seed: int, /):
    raise AssertionError


def undefined(*, seed: "Nowhere"):
    raise AssertionError


@pytest.mark.parametrize(
    ("trial", "message"),
    [
        (without_hint, "trial: parameter 'anything' has no type hint; allowed: bool, int, float, str"),
        (with_default_alone, "trial: parameter 'anything' has no type hint; allowed: bool, int, float, str"),
        (with_star, "trial: '**settings: float' is not allowed; allowed: parameters that are passed by name"),
        (positional, "trial: 'seed: int' is not allowed; allowed: parameters that are passed by name"),
        (undefined, "trial: type hints cannot be read (name 'Nowhere' is not defined); allowed: names that"),
    ],
)
def test_a_trial_whose_parameters_no_text_can_give_is_refused_in_one_line(trial, message):
    with pytest.raises(Refused) as refusal:
        axes_of(trial)
    assert str(refusal.value).startswith(message) and "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "hint",
    [list, tuple, dict, dict[str, int], set[int], Any, object, complex, bytes, list[list[int]], Callable, int | dict],
)
def test_a_hint_that_no_text_can_be_read_by_is_refused_at_once(hint):
    with pytest.raises(Refused, match=r"^trial: parameter 'a' has type hint .*; allowed: bool, int, float, str, Path"):
        Axis("a", hint)


def test_axes_are_the_parameters_in_their_order():
    assert list(axes_of(lambda: None)) == [] and list(axes_of(never)) == ["seed"]
