"""Sizes of encoders, remembered on this machine: a plan whose sizes are known needs neither torch nor timm, whose
imports take seconds.

`networks` measures them. A size is kept in the user's cache folder, in a file of its own; its folder is named by the
versions of torch and timm and by the code that measures, so that a change of any of them measures anew.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Literal, assert_never
from urllib.parse import quote
from uuid import uuid4

from mi_ray.compute.choices import Stem
from mi_ray.compute.numerics.disk import user_cache

Measure = Literal["pass", "training_pass", "own_side", "encoder_bytes", "activation_bytes"]


@dataclass(frozen=True)
class Pass:
    """A forward pass of one image: ``width`` of h, and floating-point operations."""

    width: int
    flops: int


def width(arch: str, stem: Stem = "imagenet") -> int:
    """Number of features of h (`networks.width`)."""
    (own_side,) = _sizes("own_side", arch, stem)
    return forward_pass(arch, own_side, stem).width


def forward_flops(arch: str, side: int, stem: Stem = "imagenet") -> int:
    """Floating-point operations of one image's forward pass."""
    return forward_pass(arch, side, stem).flops


def forward_pass(arch: str, side: int, stem: Stem = "imagenet", *, training: bool = False) -> Pass:
    """A forward pass on images of ``side`` pixels; ValueError as `networks.forward_pass`."""
    return Pass(*_sizes("training_pass" if training else "pass", arch, stem, side))


def encoder_bytes(arch: str, stem: Stem) -> int:
    """Bytes of the weights and statistics of an encoder."""
    (size,) = _sizes("encoder_bytes", arch, stem)
    return size


def activation_bytes(arch: str, side: int, stem: Stem) -> int:
    """Bytes that the backward pass of one view needs in float32, roughly (`networks.activation_bytes`)."""
    (size,) = _sizes("activation_bytes", arch, stem, side)
    return size


@lru_cache(maxsize=1024)
def _sizes(measure: Measure, arch: str, stem: Stem, side: int = 0) -> tuple[int, ...]:
    """What is remembered of an encoder, else measured and remembered. An error is raised again by every process."""
    file = remembered() / f"{quote(f'{measure} {arch} {stem} {side}', safe='')}.json"
    known = _read(file, 2 if measure in ("pass", "training_pass") else 1)
    if known is None:
        known = _measured(measure, arch, stem, side)
        _write(file, known)
    return known


def _measured(measure: Measure, arch: str, stem: Stem, side: int) -> tuple[int, ...]:
    from mi_ray.compute.training import networks

    match measure:
        case "pass" | "training_pass":
            found = networks.forward_pass(arch, side, stem, training=measure == "training_pass")
            return found.width, found.flops
        case "own_side":
            return (networks.own_side(arch, stem),)
        case "encoder_bytes":
            return (networks.encoder_bytes(arch, stem),)
        case "activation_bytes":
            return (networks.activation_bytes(arch, side, stem),)
        case _:
            assert_never(measure)


@lru_cache(maxsize=1)
def _edition() -> str:
    """Names what measures: the versions of torch and timm, and the code of `networks`."""
    code = sha256(Path(__file__).with_name("networks.py").read_bytes()).hexdigest()[:16]
    return f"torch {version('torch')} timm {version('timm')} {code}"


def remembered() -> Path:
    """The folder of the sizes that are remembered."""
    return user_cache() / "sizes" / _edition()


def _read(file: Path, numbers: int) -> tuple[int, ...] | None:
    """The sizes in a file; None if it is not there or holds something else."""
    with suppress(OSError, ValueError):
        found = json.loads(file.read_bytes())
        if isinstance(found, list) and len(found) == numbers and all(type(each) is int and each > 0 for each in found):
            return tuple(found)
    return None


def _write(file: Path, sizes: tuple[int, ...]) -> None:
    """Keep sizes for later processes, where the cache can be written."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f".{uuid4().hex}")
        partial.write_text(json.dumps(sizes))
        os.replace(partial, file)
