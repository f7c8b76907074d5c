"""Values that a declaration may choose from, known without importing torch: a mistyped flag is refused at once."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

Mix = Literal["linear", "additive"]
"""How a digit and the photograph behind it are combined."""

Precision = Literal["auto", "bfloat16", "float32"]
"""Number type of the networks; ``auto`` is bfloat16 where the hardware is faster at it."""

_ENTRY_POINT = re.compile(r"^@register_model\ndef (\w+)\(", re.MULTILINE)


@lru_cache(maxsize=1)
def archs() -> frozenset[str]:
    """Every encoder name that timm registers, read from its files: importing timm takes seconds."""
    spec = find_spec("timm")
    if spec is None or not spec.submodule_search_locations:
        return frozenset()
    files = (Path(spec.submodule_search_locations[0]) / "models").glob("*.py")
    return frozenset(name for file in files for name in _ENTRY_POINT.findall(file.read_text()))
