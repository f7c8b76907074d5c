"""Values of an axis of a study, read from text and checked by the type hint of its parameter, both with pydantic.

Text: ``V1,V2``; a value with a comma in it stands in double quotes, a list or tuple in brackets (``[0.1,0.2],[0.5]``).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
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
"""Most digits of a whole number, so that int64 holds it. 1e999999999 would take hours to write out."""
_STRAY_UNDERSCORE = re.compile(r"(?<!\d)_|_(?!\d)")


@dataclass(frozen=True)
class Axis:
    """A parameter of a trial function and the type hint of its values; `Refused` if the hint is not one of `HINTS`."""

    name: str
    hint: Hint

    def __post_init__(self) -> None:
        _ = self.allowed

    def parse(self, text: str) -> tuple[Any, ...]:
        """The values that ``text`` lists; `Refused` names the first invalid one."""
        return tuple(self._validated(self._reader, item, strict=False) for item in self._items(text))

    def check(self, value: Any) -> None:
        """Refuse a value of a preset that has another type: an int is also a float, a bool is not a number."""
        self._validated(self._checker, value, strict=True)

    @cached_property
    def allowed(self) -> str:
        """The values in words."""
        return _described(self.hint, self.name)

    @cached_property
    def _reader(self) -> TypeAdapter[Any]:
        return TypeAdapter(_mapped(self.hint, _member_from_text))

    @cached_property
    def _checker(self) -> TypeAdapter[Any]:
        finite = Annotated[float, Field(allow_inf_nan=False)]
        return TypeAdapter(_mapped(self.hint, lambda member: finite if member is float else member))

    def _validated(self, adapter: TypeAdapter[Any], value: Any, *, strict: bool) -> Any:
        try:
            return adapter.validate_python(value, strict=strict)
        except ValidationError as error:
            bounds = [problem["msg"] for problem in error.errors() if problem["type"] in _BOUNDS]
            bound = f" ({bounds[0]})" if bounds else ""
            close = did_you_mean(value, _choices(self.hint)) if isinstance(value, str) else ""
            raise refuse(f"axis {self.name}", value, f"{self.allowed}{bound}{close}") from None

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
    """The axes of a trial function, which are its parameters, by name. `Refused` if a parameter cannot be passed by
    name, has no type hint, or has a hint that is not one of `HINTS`."""
    try:
        hints = get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        raise Refused(f"trial: type hints cannot be read ({error}); allowed: names that its module defines") from error
    parameters = signature(function).parameters
    for name, parameter in parameters.items():
        if parameter.kind not in (Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_OR_KEYWORD):
            raise refuse("trial", str(parameter), "parameters that are passed by name")
        if name not in hints:
            raise Refused(f"trial: parameter {name!r} has no type hint; allowed: {HINTS}")
    return {name: Axis(name, hints[name]) for name in parameters}


# Hints taken apart


def _bare(hint: Hint) -> Hint:
    """A hint without `Annotated`, `NewType` and type aliases."""
    if get_origin(hint) is Annotated:
        return _bare(get_args(hint)[0])
    is_alias = type(hint).__name__ == "TypeAliasType"
    inner = getattr(hint, "__supertype__", None) or (getattr(hint, "__value__", None) if is_alias else None)
    return _bare(inner) if inner else hint


def _members(hint: Hint) -> Iterator[Hint]:
    """The alternatives of a union, else the hint itself. The bounds of a union apply to every alternative but None."""
    bare, bounds = _bare(hint), get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    if get_origin(bare) in (Union, UnionType):
        for member in get_args(bare):
            yield from _members(Annotated[(member, *bounds)] if bounds and member is not NoneType else member)
    else:
        yield hint


def _is_enum(hint: Hint) -> bool:
    return isinstance(hint, type) and issubclass(hint, Enum)


def _choices(hint: Hint) -> list[str]:
    """The names of the values of `Literal` and Enum members of a hint."""
    bare = [_bare(member) for member in _members(hint)]
    literals = [str(choice) for member in bare if get_origin(member) is Literal for choice in get_args(member)]
    return literals + [name for member in bare if _is_enum(member) for name in member.__members__]


def _described(hint: Hint, name: str, *, within: bool = False) -> str:
    """The values of a hint in words; `Refused` if it is not one of `HINTS`."""
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
    text = hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)
    raise Refused(f"trial: parameter {name!r} has type hint {text}; allowed: {HINTS}")


# Hints as pydantic takes them


def _mapped(hint: Hint, change: Callable[[Hint], Hint]) -> Hint:
    """A hint with ``change`` applied to every scalar. A union takes the first that fits: None first, str last."""
    mapped: list[Hint] = []
    for member in sorted(_members(hint), key=lambda member: (_bare(member) is not NoneType, _bare(member) is str)):
        bare = _bare(member)
        sequence: Any = get_origin(bare)
        if get_origin(member) is Annotated:
            inner, *metadata = get_args(member)
            mapped.append(Annotated[(_mapped(inner, change), *metadata)])
        elif sequence in SEQUENCES:
            items = (item if item is Ellipsis else _mapped(item, change) for item in get_args(bare))
            mapped.append(sequence[tuple(items)])
        else:
            mapped.append(change(bare))
    union: Hint = Union[tuple(mapped)]  # noqa: UP007
    ordered = len(mapped) > 1 and NoneType not in mapped  # pydantic orders no optional; checked values need none
    return Annotated[union, Field(union_mode="left_to_right")] if ordered else union


def _member_from_text(member: Hint) -> Hint:
    """The hint of a scalar for text: 1e5 and 1_000 are whole numbers, choices go by their names."""
    if member is int:
        return Annotated[int, BeforeValidator(_whole)]
    if member is float:
        return Annotated[float, Field(allow_inf_nan=False)]
    if member is NoneType:
        return Annotated[None, BeforeValidator(lambda text: None if str(text).lower() in _NOTHING else text)]
    if get_origin(member) is Literal:
        by_name = {str(choice): choice for choice in get_args(member)}
        return Annotated[member, BeforeValidator(lambda text: by_name.get(text, text))]
    if _is_enum(member):
        return Annotated[member, BeforeValidator(lambda text: member.__members__.get(text, text))]
    return member


def _whole(text: Any) -> Any:
    """The whole number that a text such as 1e5 or 1_000 denotes; anything else unchanged."""
    try:
        value = Decimal(text)
    except (InvalidOperation, TypeError, ValueError):
        return text
    if not value.is_finite() or value.adjusted() >= _DIGITS or _STRAY_UNDERSCORE.search(text):
        raise ValueError(f"{text} is no whole number of at most {_DIGITS} digits")
    return int(value) if value == value.to_integral_value() else text
