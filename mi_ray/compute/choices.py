"""Values that a declaration may choose from, without importing torch, so that a mistyped flag is refused at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from PIL import ImageColor

MANY_CLASSES = 100
"""Classes beyond which a linear probe takes more iterations."""

PROBE_ITERATIONS, MANY_CLASSES_ITERATIONS = 40, 100
"""Most iterations of a linear probe, each about one pass over the rows: of up to `MANY_CLASSES`, and of more."""

PERCEPTRON_STEPS, PERCEPTRON_ROWS = 640, 256
"""Most steps of a probe with a hidden layer, and rows of a step."""

Mix = Literal["linear", "additive"]
"""Combination of a digit and the photograph behind it."""

Form = Literal["square", "photograph"]
"""Whether views are taken from the centre square of an image, or cropped from the whole photograph."""

Precision = Literal["auto", "bfloat16", "float32"]
"""Number type of the networks; ``auto`` is bfloat16 on hardware that computes it faster."""

Stem = Literal["imagenet", "cifar"]
"""The first layers of a ResNet. ``imagenet``: as timm builds it, a convolution and a pooling that halve the image each.
``cifar``: one 3 x 3 convolution of stride 1 and no pooling, for images of 32 pixels (Chen et al. 2020, App. B.9)."""

Layout = Literal["flat", "swav", "dino", "moco", "moco-v3", "supcon", "vissl"]
"""Names of the encoder's tensors in a checkpoint file. ``flat``: the encoder's own names, below any prefix or none, as
in files of torchvision, timm, Lightning, solo-learn, Barlow Twins, VICReg, SimSiam and our ``encoder.safetensors``;
otherwise below the prefixes of the method's public code. ``module.`` (DDP) and ``_orig_mod.`` (torch.compile) may stand
anywhere."""

Weights = Literal["raw", "averaged"]
"""Which encoder of a checkpoint file that holds several: the trained one, or its running average over the training
(EMA, a momentum encoder, a teacher)."""


Interpolation = Literal["bilinear", "bicubic"]


@dataclass(frozen=True)
class Input:
    """The input of an encoder in its training: square images of ``size`` pixels, 0..1, less ``mean``, over ``std``
    (RGB).

    ``share`` and ``interpolation`` say how its evaluation makes the square of a photograph: the central square with
    this share of the short side, resized. Centre squares that are given are only resized, by linear interpolation.
    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    share: float = 0.875
    interpolation: Interpolation = "bilinear"


def is_colour(text: object) -> bool:
    """Whether ``text`` names an opaque colour, as PIL and CSS do: ``white``, ``#ff8800``, ``rgb(255, 136, 0)``."""
    try:
        return isinstance(text, str) and len(ImageColor.getrgb(text)) == 3
    except ValueError:
        return False


_ENTRY_POINT = re.compile(r"^@register_model\ndef (\w+)\(", re.MULTILINE)


@lru_cache(maxsize=1)
def archs() -> frozenset[str]:
    """Every encoder name that timm registers, read from timm's files because importing timm takes seconds."""
    spec = find_spec("timm")
    if spec is None or not spec.submodule_search_locations:
        return frozenset()
    files = (Path(spec.submodule_search_locations[0]) / "models").glob("*.py")
    return frozenset(name for file in files for name in _ENTRY_POINT.findall(file.read_text()))
