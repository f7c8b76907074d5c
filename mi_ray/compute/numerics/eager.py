"""Imports of timm and torchvision without torch's compiler, which takes seconds and 80 MB of every process.

At their import both name a few functions that the compiler is to leave alone, and torchvision asks for a function of
the compiler's. Both are answered lazily here: the compiler is imported when such a function is called, as torch itself
does it (``torch._compile``). What the functions compute is the same.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from threading import RLock
from types import ModuleType
from typing import Any

import torch.compiler
from torch._compile import _disable_dynamo

UTILS = "torch._dynamo.utils"
"""The module of the compiler that torchvision imports a function from."""

_ONE_AT_A_TIME = RLock()


@contextmanager
def without_compiler() -> Iterator[None]:
    """Import timm and torchvision in the block; does nothing where the compiler is imported already."""
    with _ONE_AT_A_TIME:
        if "torch._dynamo" in sys.modules or UTILS in sys.modules:
            yield
            return
        disable, torch.compiler.disable = torch.compiler.disable, _lazily_disabled
        sys.modules[UTILS] = _Utils(UTILS)
        try:
            yield
        finally:
            torch.compiler.disable = disable
            if isinstance(sys.modules.get(UTILS), _Utils):
                del sys.modules[UTILS]


def _lazily_disabled(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """`torch.compiler.disable`, whose import of the compiler waits for the first call of ``fn``."""
    return _disable_dynamo(fn, recursive)


class _Utils(ModuleType):
    """Stands for `UTILS` in the block: its functions are those of the module, which is imported when one is called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def function(*given: Any, **named: Any) -> Any:
            return getattr(import_module(UTILS), name)(*given, **named)

        return function
