"""Refusals: one line that names the field, the value and what is allowed. Stops: one line with cause and remedy."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from sysconfig import get_path
from traceback import extract_tb
from types import UnionType
from typing import TextIO, get_args


class Refused(ValueError):
    """Bad input, found before anything starts. Its text names the field, the value and what is allowed."""


class Stopped(RuntimeError):
    """Ray, the store's disk or bucket, or this machine failed in the middle of a run, so that no cell can go on.

    Its text is one line, "what: cause; remedy". What was committed before is kept.
    """


STOPPED = 3
"""Exit code of a command that `Stopped` ends."""

KEPT = "what is committed is kept, the same command goes on"
"""The end of the line about a command that ended in the middle."""


def say(*lines: str, file: TextIO | None = None) -> None:
    """Print lines at once. An output that is closed or full, as that of ``| head``, does not stop a study."""
    with suppress(OSError, ValueError):
        print(*lines, sep="\n", file=file, flush=True)


def refuse(field: str, value: object, allowed: str) -> Refused:
    """The refusal of ``value`` for ``field``, to be raised."""
    return Refused(f"{field}: {value!r} is not allowed; allowed: {allowed}")


def instance(field: str, value: object, *kinds: type | UnionType) -> None:
    """Refuse a value that is of none of the classes; a union stands for its members."""
    if not isinstance(value, kinds):
        classes = [member for kind in kinds for member in (get_args(kind) or (kind,))]
        raise refuse(field, value, " or ".join(member.__name__ for member in classes))


def number(field: str, value: object, allowed: str) -> None:
    """Refuse anything but an int or float; a bool is neither."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise refuse(field, value, allowed)


def at_least(field: str, value: int, least: int) -> None:
    """Refuse anything but a whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise refuse(field, value, f"a whole number >= {least}")


def positive(field: str, value: float) -> None:
    """Refuse anything but a finite number above zero."""
    number(field, value, "a number > 0")
    if not isfinite(value) or value <= 0:
        raise refuse(field, value, "a number > 0")


def within(field: str, value: float, low: float, high: float) -> None:
    """Refuse anything but a number in [low, high]."""
    number(field, value, f"a number from {low} to {high}")
    if not low <= value <= high:
        raise refuse(field, value, f"a number from {low} to {high}")


def one_of(field: str, value: object, allowed: Collection[object]) -> None:
    """Refuse anything outside ``allowed``, with what is near."""
    if value not in allowed:
        raise refuse(field, value, ", ".join(map(str, allowed)) + did_you_mean(value, allowed))


def did_you_mean(value: object, allowed: Collection[object]) -> str:
    """``; did you mean X?`` of the nearest of ``allowed``, in any case; empty where nothing is near."""
    names = {str(name).lower(): str(name) for name in allowed}
    near = get_close_matches(str(value).lower(), names, n=1)
    return f"; did you mean {names[near[0]]!r}?" if near and near[0] else ""


def error_line(error: BaseException) -> str:
    """An error on one line: its type, its text, and the last place in a user's own file that led to it."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    places = [frame for frame in extract_tb(error.__traceback__) if _is_users(Path(frame.filename))]
    return f"{reason} ({Path(places[-1].filename).name}:{places[-1].lineno})" if places else reason


def _is_users(file: Path) -> bool:
    """Whether a file is no part of mi-ray, of Python or of an installed package."""
    known = (*Path(__file__).parents[2:3], Path(get_path("stdlib")))
    return file.suffix == ".py" and "site-packages" not in file.parts and not any(map(file.is_relative_to, known))
