"""Values of one axis of a study: read from text, and checked, by the type hint of its parameter (pydantic does both).

Text: ``V1,V2``; a value with a comma in it stands in double quotes, a list or tuple in brackets (``[0.1,0.2],[0.5]``).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import cached_property
from inspect import Parameter, signature
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from mi_ray.experiments.declare.checks import Refused, did_you_mean, refuse

Hint = Any
HINTS = "bool, int, float, str, Path, an Enum, Literal, list[...] or tuple[...] of these, and unions of these with None"
SCALARS: dict[Hint, str] = {
    bool: "true or false", int: "whole numbers, such as 3 or 1e5", float: "finite numbers", str: "text", Path: "paths",
}  # fmt: skip
SEQUENCES = (list, tuple, Sequence)
_NOTHING = ("none", "null")
_BOUNDS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "multiple_of", "too_short", "too_long")
_ITEM = re.compile(r"\[[^\[\]]*\]|[^,\[\]\s][^,\[\]]*")
_ITEMS = re.compile(rf"\s*(?:{_ITEM.pattern})\s*(?:,\s*(?:{_ITEM.pattern})\s*)*")
_DIGITS = 18
"""Most digits of a whole number: int64 holds all of them. More is a slip, and 1e999999999 takes hours to write out."""
_STRAY_UNDERSCORE = re.compile(r"(?<!\d)_|_(?!\d)")


@dataclass(frozen=True)
class Axis:
    """A parameter of a trial function and the type hint of its values; Refused if the hint cannot be handled."""

    name: str
    hint: Hint

    def __post_init__(self) -> None:
        _ = self.allowed

    def parse(self, text: str) -> tuple[Any, ...]:
        """The values that ``text`` lists; Refused names the first that is none of the axis."""
        return tuple(self._validated(self._reader, item, strict=False) for item in self._items(text))

    def check(self, value: Any) -> None:
        """Refuse a value of a preset that is not of the axis: an int is a float too, a bool is no number."""
        self._validated(self._checker, value, strict=True)

    @cached_property
    def allowed(self) -> str:
        """The values in words."""
        return _described(self.hint, self.name)

    @cached_property
    def _reader(self) -> TypeAdapter[Any]:
        return TypeAdapter(_from_text(self.hint))

    @cached_property
    def _checker(self) -> TypeAdapter[Any]:
        return TypeAdapter(_finite(self.hint))

    def _validated(self, adapter: TypeAdapter[Any], value: Any, *, strict: bool) -> Any:
        try:
            return adapter.validate_python(value, strict=strict)
        except ValidationError as error:
            close = did_you_mean(value, _choices(self.hint)) if isinstance(value, str) else ""
            raise refuse(f"axis {self.name}", value, f"{self.allowed}{_bounds(error)}{close}") from None

    def _items(self, text: str) -> list[str] | list[str | list[str]]:
        if not any(get_origin(member) in SEQUENCES for member in _members(self.hint)):
            return self._row(text)
        if text and not _ITEMS.fullmatch(text):
            raise refuse(f"axis {self.name}", text, self.allowed)
        return [self._row(item[1:-1]) if item.startswith("[") else item for item in _ITEM.findall(text)]

    def _row(self, text: str) -> list[str]:
        """Fields between commas, as in a CSV file: in double quotes where a comma is part of one."""
        try:
            return next(csv.reader([text], skipinitialspace=True, strict=True), [])
        except csv.Error as error:
            raise refuse(f"axis {self.name}", text, f'values as in a CSV file, "a,b",c ({error})') from None


def axes_of(function: Callable[..., Any]) -> dict[str, Axis]:
    """The axes of a trial function: its parameters. Refused names one that is no keyword or has no usable hint."""
    try:
        hints = get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        raise Refused(f"trial: type hints cannot be read ({error}); allowed: names that its module defines") from error
    parameters = signature(function).parameters.values()
    return {parameter.name: _axis(parameter, hints) for parameter in parameters}


def _axis(parameter: Parameter, hints: dict[str, Hint]) -> Axis:
    if parameter.kind not in (Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_OR_KEYWORD):
        raise refuse("trial", str(parameter), "parameters that are passed by name")
    if parameter.name not in hints:
        raise Refused(f"trial: parameter {parameter.name!r} has no type hint; allowed: {HINTS}")
    return Axis(parameter.name, hints[parameter.name])


def _bounds(error: ValidationError) -> str:
    """What a value of the right type fails by: a bound of `Annotated`."""
    told = [one["msg"] for one in error.errors() if one["type"] in _BOUNDS]
    return f" ({told[0]})" if told else ""


# Hints taken apart


def _bare(hint: Hint) -> Hint:
    """What `Annotated`, `NewType` and a type alias stand for."""
    if get_origin(hint) is Annotated:
        return _bare(get_args(hint)[0])
    inner = getattr(hint, "__supertype__", None) or (getattr(hint, "__value__", None) if _is_alias(hint) else None)
    return _bare(inner) if inner else hint


def _is_alias(hint: Hint) -> bool:
    return type(hint).__name__ == "TypeAliasType"


def _members(hint: Hint) -> Iterator[Hint]:
    """The alternatives of a union; the hint itself where it is none. Bounds of a union are those of each but None."""
    bare, bounds = _bare(hint), get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    if get_origin(bare) in (Union, UnionType):
        for member in get_args(bare):
            yield from _members(Annotated[(member, *bounds)] if bounds and member is not NoneType else member)
    else:
        yield hint


def _is_enum(hint: Hint) -> bool:
    return isinstance(hint, type) and issubclass(hint, Enum)


def _choices(hint: Hint) -> list[str]:
    """Texts that stand for the values of `Literal` and Enum members of a hint."""
    bare = [_bare(member) for member in _members(hint)]
    literals = [str(choice) for member in bare if get_origin(member) is Literal for choice in get_args(member)]
    return literals + [name for member in bare if _is_enum(member) for name in member.__members__]


def _described(hint: Hint, name: str, *, within: bool = False) -> str:
    """The values of a hint in words; Refused if it is none of `HINTS`."""
    words = list(dict.fromkeys(_member_described(_bare(member), hint, name, within) for member in _members(hint)))
    return " or ".join(words) if len(words) > 1 else words[0]


def _member_described(member: Hint, hint: Hint, name: str, within: bool) -> str:
    if member is NoneType:
        return "none"
    if get_origin(member) is Literal or _is_enum(member):
        return ", ".join(_choices(member))
    if member in SCALARS:
        return SCALARS[member]
    if get_origin(member) in SEQUENCES and not within:
        items = [item for item in get_args(member) if item is not Ellipsis]
        kind = "lists" if get_origin(member) is list else "tuples"
        return f"{kind} [V,V] of {' and '.join(dict.fromkeys(_described(item, name, within=True) for item in items))}"
    raise Refused(f"trial: parameter {name!r} has type hint {_shown(hint)}; allowed: {HINTS}")


def _shown(hint: Hint) -> str:
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)


# Hints as pydantic takes them


def _finite(hint: Hint) -> Hint:
    """The hint for values that are there already: floats are finite."""
    return _mapped(hint, lambda member: Annotated[float, Field(allow_inf_nan=False)] if member is float else member)


def _from_text(hint: Hint) -> Hint:
    """The hint for text: 1e5 and 1_000 are whole numbers, choices go by their names."""
    return _mapped(hint, _member_from_text)


def _mapped(hint: Hint, change: Callable[[Hint], Hint]) -> Hint:
    """A hint with ``change`` made to every scalar in it; of a union the first that fits holds, None first, str last."""
    members = sorted(_members(hint), key=lambda member: (_bare(member) is not NoneType, _bare(member) is str))
    made = [_member_mapped(member, change) for member in members]
    union: Hint = Union[tuple(made)]  # noqa: UP007
    ordered = len(made) > 1 and NoneType not in made  # pydantic orders no optional; a value that is there needs none
    return Annotated[union, Field(union_mode="left_to_right")] if ordered else union


def _member_mapped(member: Hint, change: Callable[[Hint], Hint]) -> Hint:
    if get_origin(member) is Annotated:
        inner, *metadata = get_args(member)
        return Annotated[(_mapped(inner, change), *metadata)]
    bare = _bare(member)
    sequence: Any = get_origin(bare)
    if sequence in SEQUENCES:
        return sequence[tuple(item if item is Ellipsis else _mapped(item, change) for item in get_args(bare))]
    return change(bare)


def _member_from_text(member: Hint) -> Hint:
    if member is int:
        return Annotated[int, BeforeValidator(_whole)]
    if member is float:
        return Annotated[float, Field(allow_inf_nan=False)]
    if member is NoneType:
        return Annotated[None, BeforeValidator(lambda text: None if str(text).lower() in _NOTHING else text)]
    if get_origin(member) is Literal:
        return Annotated[member, BeforeValidator(_named(get_args(member)))]
    if _is_enum(member):
        return Annotated[member, BeforeValidator(lambda text: member.__members__.get(text, text))]
    return member


def _whole(text: Any) -> Any:
    """The whole number that a text such as 1e5 or 1_000 stands for; anything else as it is."""
    try:
        value = Decimal(text)
    except (InvalidOperation, TypeError, ValueError):
        return text
    if not value.is_finite() or value.adjusted() >= _DIGITS or _STRAY_UNDERSCORE.search(text):
        raise ValueError(f"{text} is no whole number of at most {_DIGITS} digits")
    return int(value) if value == value.to_integral_value() else text


def _named(choices: Collection[Any]) -> Callable[[Any], Any]:
    by_name = {str(choice): choice for choice in choices}
    return lambda text: by_name.get(text, text)
