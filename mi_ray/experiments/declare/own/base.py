"""Rules of a class of a user's own: a frozen dataclass that is known by its name, its `protocol` and its fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from math import isfinite
from typing import Any, ClassVar, Self, TypeGuard

from mi_ray.experiments.declare.checks import Refused, error_line

SCALARS = (bool, int, float, str, type(None))

UPSTREAM_FIELDS = frozenset({"encoder", "embedding", "data"})
"""Fields that hold what is upstream of a declaration: its key enters theirs, so that they are left out of their own."""

UNKEYED = UPSTREAM_FIELDS | {"kind"}
"""Names that a field of a user's own cannot have: a key leaves out the first, and has the class name for ``kind``."""

KEYED = (
    "a finite number, text, bool, None, a tuple of these, or a frozen dataclass of such fields, none of them called"
    f" {', '.join(sorted(UNKEYED))}"
)

FLOAT = ("float", float)
"""Types of a field whose values a key holds as floats."""

LONGEST_NAME = 200
"""Characters of a name: it stands in names of cells and in headings."""

CLASS_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
"""Class names begin names of folders."""


class Own:
    """Base of `OwnPairing`, `OwnImages` and `OwnQuestion`.

    A subclass is decorated with ``@dataclass(frozen=True, kw_only=True)``. Its name, ``protocol`` and fields enter keys
    and parameters, never its module or source text: raise ``protocol`` when its numbers move. A field holds a number,
    text, bool, None, a tuple of these, or a frozen dataclass of such fields. Refused otherwise, naming the class.
    """

    protocol: ClassVar[int] = 1

    REQUIRED: ClassVar[tuple[str, ...]] = ()
    """Members that a subclass defines, each as a field, a class attribute, a property or a method."""

    FREE: ClassVar[frozenset[str]] = frozenset()
    """Members of the base class that a subclass may define as a field."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Refuse a class that is no frozen dataclass, lacks a member, or has a field by the name of another member."""
        name, rule = cls.__name__, vars(cls).get("__dataclass_params__")
        if rule is None or not rule.frozen:
            raise Refused(f"{name}: not a frozen dataclass; allowed: @dataclass(frozen=True, kw_only=True)")
        if not CLASS_NAME.fullmatch(name):
            raise Refused(f"{name}: not allowed as a class name; allowed: up to 100 letters of ASCII, digits and _")
        for member in sorted(getattr(cls, "__abstractmethods__", ())):
            raise Refused(f"{name}: has no {member!r}; allowed: a method of that name")
        own = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        for member in cls.REQUIRED:
            if member not in own and not hasattr(cls, member):
                raise Refused(f"{name}: has no {member!r}; allowed: one as a field, a class attribute or a method")
        for member in sorted(own - cls.FREE - set(cls.REQUIRED)):
            if member in UNKEYED:
                raise Refused(f"{name}: a field cannot be called {member!r}; allowed: a name that no key leaves out")
            if any(member in vars(base) for base in cls.__mro__ if base.__module__.startswith(__package__)):
                raise Refused(f"{name}: a field cannot be called {member!r}; allowed: a name that no base class uses")
        if isinstance(cls.protocol, bool) or not isinstance(cls.protocol, int) or cls.protocol < 1:
            raise Refused(f"{name}: protocol {cls.protocol!r} is not allowed; allowed: a whole number >= 1")
        return super().__new__(cls)

    def refuse_if_malformed(self) -> None:
        """Refuse fields that cannot enter a key; bases check their members too."""
        refuse_unkeyed(self)


def refuse_unkeyed(declared: object) -> None:
    """Refuse a field of a user's own class that cannot enter a key."""
    for field in fields(declared):  # type: ignore[arg-type]
        if field.name in UPSTREAM_FIELDS:
            continue
        value, holds = getattr(declared, field.name), f"{type(declared).__name__}: field {field.name!r} holds"
        if field.type in FLOAT and not is_real(value):
            raise Refused(f"{holds} {shortened(value)}; allowed: a finite number, as its type says")
        if not _enters_keys(value):
            raise Refused(f"{holds} {shortened(value)}; allowed: {KEYED}")


def refuse_name(declared: Own) -> None:
    """Refuse a ``name`` that is not one line of text."""
    name = value_of(declared, "name", lambda: declared.name)  # type: ignore[attr-defined]
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        raise Refused(
            f"{type(declared).__name__}: name {shortened(name)} is not allowed; allowed: one line of text of at most"
            f" {LONGEST_NAME} characters"
        )


def value_of(declared: Own, member: str, read: Callable[[], Any]) -> Any:
    """The value of a member of a user's own; Refused, with the member's name, if reading it raises."""
    try:
        return read()
    except Exception as error:  # a user's code may raise anything
        raise Refused(f"{type(declared).__name__}: {member} raised {error_line(error)}; allowed: a value") from error


def _enters_keys(value: object) -> bool:
    """Whether a key tells this value from any other, and the value is hashable."""
    if isinstance(value, tuple):
        return all(map(_enters_keys, value))
    if is_dataclass(value) and not isinstance(value, type):
        return getattr(value, "__dataclass_params__").frozen and all(  # noqa: B009 - mypy does not know it
            field.name not in UNKEYED
            and _enters_keys(getattr(value, field.name))
            and (field.type not in FLOAT or is_real(getattr(value, field.name)))
            for field in fields(value)
        )
    return is_real(value) if isinstance(value, float) else isinstance(value, SCALARS)


def shortened(value: object) -> str:
    """A value of any length on one line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 100 else f"{text[:97]}..."


def is_real(value: object) -> TypeGuard[float]:
    """Whether a value is a finite int or float."""
    try:
        return isinstance(value, (int, float)) and isfinite(value)
    except OverflowError:
        return False


def declared_values(value: object) -> Iterator[object]:
    """Every dataclass in a declaration, those in tuples included: itself, its pairing, its images, those upstream."""
    if isinstance(value, tuple):
        for item in value:
            yield from declared_values(item)
    elif is_dataclass(value) and not isinstance(value, type):
        yield value
        for field in fields(value):
            yield from declared_values(getattr(value, field.name))


def refuse_faults(declarations: Iterable[object], reserved: Iterable[str]) -> None:
    """Refuse own values that are malformed, two classes of one name in a plan, as keys are told apart by it, and names
    of this system's own.

    Values are checked when they are made too; a ``__post_init__`` of the user's own may have replaced that check.
    """
    classes: dict[str, type] = {}
    taken = {name.lower() for name in reserved}
    for value in (value for declaration in declarations for value in declared_values(declaration)):
        if isinstance(value, Own):
            value.refuse_if_malformed()
        cls, name = type(value), type(value).__name__.lower()
        if name in taken and cls.__module__.partition(".")[0] != "mi_ray":
            raise Refused(f"{cls.__name__}: the name is taken by mi-ray; allowed: another class name")
        if classes.setdefault(name, cls) is not cls:
            raise Refused(
                f"{cls.__name__}: two classes have this name, in {classes[name].__module__} and {cls.__module__};"
                " allowed: one in a plan"
            )
