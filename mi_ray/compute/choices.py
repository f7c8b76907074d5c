"""Values that a declaration may choose from, known without importing torch: a mistyped flag is refused at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from PIL import ImageColor

Mix = Literal["linear", "additive"]
"""How a digit and the photograph behind it are combined."""

Precision = Literal["auto", "bfloat16", "float32"]
"""Number type of the networks; ``auto`` is bfloat16 where the hardware is faster at it."""

Stem = Literal["imagenet", "cifar"]
"""How a ResNet begins. ``imagenet``: as timm builds it, its first convolution and its pooling halve the image each.
``cifar``: one 3 x 3 convolution of stride 1 and no pooling, for images of 32 pixels (Chen et al. 2020, App. B.9)."""

Layout = Literal["flat", "swav", "dino", "moco", "moco-v3", "supcon", "vissl"]
"""Where a checkpoint file keeps its encoder. ``flat``: under the encoder's own names, as torchvision, timm, the hubs of
DINO and Barlow Twins, VISSL's converted files and our ``encoder.safetensors`` do. ``module.`` (DDP) may precede any."""


@dataclass(frozen=True)
class Input:
    """What an encoder was trained to see: square images of ``size`` pixels, 0..1, less ``mean``, over ``std`` (RGB)."""

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def is_colour(text: object) -> bool:
    """Whether ``text`` names an opaque colour, as PIL and CSS do: ``white``, ``#ff8800``, ``rgb(255, 136, 0)``."""
    try:
        return isinstance(text, str) and len(ImageColor.getrgb(text)) == 3
    except ValueError:
        return False


_ENTRY_POINT = re.compile(r"^@register_model\ndef (\w+)\(", re.MULTILINE)


@lru_cache(maxsize=1)
def archs() -> frozenset[str]:
    """Every encoder name that timm registers, read from its files: importing timm takes seconds."""
    spec = find_spec("timm")
    if spec is None or not spec.submodule_search_locations:
        return frozenset()
    files = (Path(spec.submodule_search_locations[0]) / "models").glob("*.py")
    return frozenset(name for file in files for name in _ENTRY_POINT.findall(file.read_text()))
