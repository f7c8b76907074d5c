"""timm, torchvision and torch's optimisers without torch's compiler, which takes seconds and 80 MB of every process.

All of them name functions that the compiler is to leave alone, and import it to say so; torchvision also asks for a
function of the compiler's. Nothing is compiled here. What is computed is the same, bit for bit.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from inspect import unwrap
from threading import RLock
from types import ModuleType
from typing import Any

import torch.compiler
from torch._compile import _disable_dynamo
from torch.optim import Optimizer

UTILS = "torch._dynamo.utils"
"""The module of the compiler that torchvision imports a function from."""

_ONE_AT_A_TIME = RLock()


@contextmanager
def without_compiler() -> Iterator[None]:
    """Import timm and torchvision in the block; does nothing where the compiler is imported already.

    A function that the compiler is to leave alone imports it when it is called for the first time, as torch's own lazy
    form of that does (``torch._compile``).
    """
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


LEFT_ALONE = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
"""Methods of torch's optimisers that import the compiler to tell it to leave them alone; so does ``step``."""


def eager(optimizer: type[Optimizer]) -> Callable[..., Optimizer]:
    """One of torch's optimisers without the wrappers of these methods."""
    plain: dict[str, Any] = {name: unwrap(getattr(optimizer, name)) for name in LEFT_ALONE}
    return type(optimizer.__name__, (optimizer,), {**plain, "step": torch.no_grad()(unwrap(optimizer.step))})
