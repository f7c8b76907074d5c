"""Limits of a pickle, held against it before anything is built: its bytes, its values and how deeply tuples are nested.

Python hashes nested tuples by recursion in C, which no exception ends; and a byte of a pickle can make a value of two
hundred.
"""

from __future__ import annotations

import pickletools
from typing import Any

MOST_BYTES = 32_000_000
"""Bytes of the largest pickle, tensors aside; those of checkpoints have a few hundred thousand."""

MOST_VALUES = 1_000_000
"""Values of the largest pickle."""

DEEPEST = 100
"""Levels of the deepest tuple."""

_MARK = object()
_GETS, _PUTS = ("GET", "BINGET", "LONG_BINGET"), ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE")
_TUPLES = ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "FROZENSET")


class Excess(Exception):
    """A pickle beyond a limit; the text says which."""


class _Limited:
    """A file of which at most `MOST_BYTES` are read."""

    def __init__(self, file: Any) -> None:
        self._file, self._left = file, MOST_BYTES

    def read(self, size: int) -> bytes:
        self._left -= size
        if self._left < 0:
            raise Excess(f"its pickle has more than {MOST_BYTES:,} bytes beside the tensors")
        return self._file.read(size)

    def readline(self) -> bytes:
        line = self._file.readline(self._left + 1)
        self._left -= len(line)
        if self._left < 0:
            raise Excess(f"its pickle has more than {MOST_BYTES:,} bytes beside the tensors")
        return line


def refuse_excess(file: Any, pickles: int = 1) -> None:
    """Follow the stack of the next ``pickles`` of a binary file; `Excess` if they are beyond a limit, any other
    exception if one is damaged."""
    limited, values = _Limited(file), 0
    for _ in range(pickles):
        values = _followed(limited, values)


def _followed(file: Any, values: int) -> int:
    """The number of values after one more pickle. On the stack and in the memo lies the depth of a tuple, and 0 for
    any other value."""
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    for operation, argument, _ in pickletools.genops(file):
        values += 1
        if values > MOST_VALUES:
            raise Excess(f"its pickle has more than {MOST_VALUES:,} values beside the tensors")
        if str(argument).endswith(" bytearray") and operation.name == "GLOBAL":
            raise Excess("it holds a bytearray, of whatever size it likes")
        if operation.name in _GETS:
            stack.append(memo[argument])
        elif operation.name in _PUTS:
            memo[len(memo) if argument is None else argument] = stack[-1]
        elif operation.name == "MARK":
            stack.append(_MARK)
        elif not operation.stack_before:
            stack += [0] * len(operation.stack_after)
        else:
            taken = _taken(stack, operation)
            depth = 1 + max(taken, default=0) if operation.name in _TUPLES else 0
            if depth > DEEPEST:
                raise Excess(f"its tuples are nested more than {DEEPEST} levels deep")
            stack += [depth] * len(operation.stack_after)
    return values


def _taken(stack: list[Any], operation: pickletools.OpcodeInfo) -> list[int]:
    """What an operation takes from the stack, but for what it takes below the last mark and leaves there."""
    before = operation.stack_before
    if pickletools.markobject in before:
        at = next(place for place in range(len(stack) - 1, -1, -1) if stack[place] is _MARK)
        taken = stack[at + 1 :]
        del stack[at - before.index(pickletools.markobject) :]
        return taken
    at = len(stack) - len(before)
    if at < 0 or any(value is _MARK for value in stack[at:]):
        raise IndexError("a pickle takes what is not there")
    taken = stack[at:]
    del stack[at:]
    return taken
