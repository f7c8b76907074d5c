"""Limits of pickles, held against them before anything is built: their bytes, their values and how deeply tuples are
nested. The pickles of a file share them.

Python hashes nested tuples by recursion in C, which no exception ends; and a byte of a pickle can make a value of two
hundred.
"""

from __future__ import annotations

import pickletools
from collections.abc import Iterable
from typing import IO, Any, cast

MOST_BYTES = 32_000_000
"""Bytes of the pickles of a file, tensors aside; those of checkpoints have a few hundred thousand."""

MOST_VALUES = 1_000_000
"""Values of the pickles of a file, and names of values in their memo, but for plain numbers."""

MOST_OPERATIONS = 3_000_000
"""Values of all kinds, and steps that build them: lists of a number for each image of ImageNet have 1.3 million."""

DEEPEST = 100
"""Levels of the deepest tuple."""

_MARK = object()
_INTEGERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4")
_NUMBERS = (*_INTEGERS, "FLOAT", "BINFLOAT", "NONE", "NEWTRUE", "NEWFALSE")
_GETS, _PUTS = ("GET", "BINGET", "LONG_BINGET"), ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE")
_TUPLES = ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "FROZENSET")


class Excess(Exception):
    """A pickle beyond a limit; the text says which."""


class _Limited:
    """Files, one after another, of which together at most `MOST_BYTES` are read; ``operations`` and ``values`` of their
    pickles so far."""

    def __init__(self) -> None:
        self._file: Any = None
        self._left = MOST_BYTES
        self.operations = self.values = 0

    def turn_to(self, file: Any) -> None:
        self._file = file

    def count(self, operation: str) -> None:
        """Count one more operation; `Excess` beyond the limits."""
        self.operations += 1
        if self.operations > MOST_OPERATIONS:
            raise Excess(f"its pickle has more than {MOST_OPERATIONS:,} operations beside the tensors")
        if operation not in _NUMBERS:
            self.values += 1
            if self.values > MOST_VALUES:
                raise Excess(f"its pickle has more than {MOST_VALUES:,} values beside the tensors and plain numbers")

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


def refuse_excess(files: Iterable[Any]) -> None:
    """Follow the stack of the next pickle of each of the binary ``files``; `Excess` if they are beyond a limit, each or
    together, and other exceptions if one is damaged."""
    limited = _Limited()
    for file in files:
        limited.turn_to(file)
        _follow(limited)


def _follow(file: _Limited) -> None:
    """Follow one pickle. On the stack and in the memo lies the depth of a tuple, and 0 for any other value."""
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    for operation, argument, _ in pickletools.genops(cast("IO[bytes]", file)):
        file.count(operation.name)
        if operation.name == "GLOBAL" and str(argument).endswith(" bytearray"):
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
