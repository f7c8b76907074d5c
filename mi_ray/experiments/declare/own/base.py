"""Rules of a class of a user's own: a frozen dataclass that is known by its name, its `protocol` and its fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, Self

from mi_ray.experiments.declare.checks import Refused

SCALARS = (bool, int, float, str, type(None))


class Own:
    """Base of `OwnPairing`, `OwnImages` and `OwnQuestion`.

    A subclass is decorated with ``@dataclass(frozen=True, kw_only=True)``. Its name, ``protocol`` and fields enter keys
    and parameters, never its module or source text: raise ``protocol`` when its numbers move. A field holds a number,
    text, bool, None, a tuple of these, or a frozen dataclass of such fields. Refused otherwise, naming the class.
    """

    protocol: ClassVar[int] = 1

    REQUIRED: ClassVar[tuple[str, ...]] = ()
    """Members that a subclass defines, each as a field, a class attribute, a property or a method."""

    FREE: ClassVar[frozenset[str]] = frozenset({"embedding"})
    """Members of the base class that a subclass may define as a field."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Refuse a class that is no frozen dataclass, lacks a member, or has a field by the name of another member."""
        name, rule = cls.__name__, vars(cls).get("__dataclass_params__")
        if rule is None or not rule.frozen:
            raise Refused(f"{name}: not a frozen dataclass; allowed: @dataclass(frozen=True, kw_only=True)")
        for member in sorted(getattr(cls, "__abstractmethods__", ())):
            raise Refused(f"{name}: has no {member!r}; allowed: a method of that name")
        own = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        for member in cls.REQUIRED:
            if member not in own and not hasattr(cls, member):
                raise Refused(f"{name}: has no {member!r}; allowed: one as a field, a class attribute or a method")
        for member in own - cls.FREE - set(cls.REQUIRED):
            if any(member in vars(base) for base in cls.__mro__ if base.__module__.startswith(__package__)):
                raise Refused(f"{name}: a field cannot be called {member!r}; allowed: a name that no base class uses")
        if isinstance(cls.protocol, bool) or not isinstance(cls.protocol, int) or cls.protocol < 1:
            raise Refused(f"{name}: protocol {cls.protocol!r} is not allowed; allowed: a whole number >= 1")
        return super().__new__(cls)


def refuse_unkeyed(declared: Own) -> None:
    """Refuse a field that cannot enter a key."""
    for field in fields(declared):  # type: ignore[arg-type]
        if not _enters_keys(getattr(declared, field.name)):
            raise Refused(
                f"{type(declared).__name__}: field {field.name!r} holds {getattr(declared, field.name)!r}; allowed: a"
                " number, text, bool, None, a tuple of these, or a frozen dataclass"
            )


def _enters_keys(value: object) -> bool:
    if isinstance(value, tuple):
        return all(isinstance(item, (*SCALARS, tuple)) and _enters_keys(item) for item in value)
    return isinstance(value, SCALARS) or (is_dataclass(value) and not isinstance(value, type))


def own_values(declared: object) -> Iterator[Own]:
    """Every value of a user's own class in a declaration: itself, its pairing, its images, and those upstream."""
    if isinstance(declared, Own):
        yield declared
    if is_dataclass(declared) and not isinstance(declared, type):
        for field in fields(declared):
            yield from own_values(getattr(declared, field.name))


def refuse_namesakes(declarations: Iterable[object], reserved: Iterable[str]) -> None:
    """Refuse two own classes of one name in a plan, as keys are told apart by it, and names of this system's own."""
    classes: dict[str, type] = {}
    taken = {name.lower() for name in reserved}
    for declaration in declarations:
        for cls in map(type, own_values(declaration)):
            name = cls.__name__.lower()
            if name in taken:
                raise Refused(f"{cls.__name__}: the name is taken by mi-ray; allowed: another class name")
            if classes.setdefault(name, cls) is not cls:
                raise Refused(
                    f"{cls.__name__}: two classes have this name, in {classes[name].__module__} and {cls.__module__};"
                    " allowed: one in a plan"
                )
