"""Encoder f_e (any timm name), projector f_p, critic f_c (the same MLP, Sec. III-C), and pixels ready for them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import timm
import torch
from timm.models.resnet import ResNet
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mi_ray.compute.choices import Stem
from mi_ray.compute.seeding import torch_seed

SIDES = (32, 48, 64, 96, 112, 128, 160, 192, 224, 256, 384)
"""Sides of images that are tried for an encoder that does not take those it is given."""

# Networks


def encoder(arch: str, *, seed: int, stem: Stem = "imagenet") -> nn.Module:
    """A fresh timm encoder x -> h [n, `width`], pooled and without a classifier head.

    Encoders of one seed differ by their stem alone. ValueError names an ``arch`` that has not the ``stem``.
    """
    with torch_seed(seed, "encoder"):
        return build(arch, stem)


def build(arch: str, stem: Stem = "imagenet") -> nn.Module:
    """The same from torch's generator and on torch's device as they are."""
    network = timm.create_model(arch, pretrained=False, num_classes=0)
    return network if stem == "imagenet" else _for_cifar(network, arch)


def _for_cifar(network: nn.Module, arch: str) -> nn.Module:
    """Replace the first convolution, deep or not, and the pooling after it; all that follows stays."""
    if not isinstance(network, ResNet):
        raise ValueError(f"stem: {arch} has no stem to replace; allowed: the ResNets of timm, or stem 'imagenet'")
    replaced = [layer for layer in network.conv1.modules() if isinstance(layer, nn.Conv2d)]
    first = nn.Conv2d(3, replaced[-1].out_channels, kernel_size=3, stride=1, padding=1, bias=False)
    nn.init.kaiming_normal_(first.weight, mode="fan_out", nonlinearity="relu")
    network.set_submodule("conv1", first)
    network.set_submodule("maxpool", nn.Identity())
    return network


def projector(width: int, *, hidden: int, out: int, seed: int, purpose: str = "projector") -> nn.Sequential:
    """The MLP h [n, width] -> z [n, out] used as projector in training and, freshly initialised, as critic after it."""
    with torch_seed(seed, purpose):
        return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, out))


# Measured without computing anything


@dataclass(frozen=True)
class Pass:
    """A forward pass of one image: ``width`` of h, and floating-point operations."""

    width: int
    flops: int


def width(arch: str, stem: Stem = "imagenet") -> int:
    """Number of features of h: that of the output, which timm's ``num_features`` need not be (MobileNetV3, VGG)."""
    return forward_pass(arch, own_side(arch, stem), stem).width


def forward_flops(arch: str, side: int, stem: Stem = "imagenet") -> int:
    """Floating-point operations of one image's forward pass."""
    return forward_pass(arch, side, stem).flops


def own_side(arch: str, stem: Stem = "imagenet") -> int:
    """Pixels along the images that timm states for ``arch``."""
    facts = cast("dict[str, Any]", blank(arch, stem).pretrained_cfg)
    return cast("int", facts["input_size"][-1])


def forward_pass(arch: str, side: int, stem: Stem = "imagenet", *, training: bool = False) -> Pass:
    """Measure a forward pass on images of ``side`` pixels; with ``training``, also that of a step on two views.

    ValueError names an ``arch`` that does not make h [n, width] of them, why, and a side that it takes.
    """
    try:
        return _measured(arch, side, stem, training)
    except _Misfit as misfit:
        raise ValueError(
            f"arch: {arch!r} takes no images of {side} x {side} pixels ({misfit});"
            f" allowed: {_allowed_side(arch, side, stem, training)}"
        ) from misfit


class _Misfit(Exception):
    """Why an encoder does not take images of a side, in a line."""


@lru_cache(maxsize=256)
def _measured(arch: str, side: int, stem: Stem, training: bool) -> Pass:
    network = blank(arch, stem)
    if training:
        frozen = _measured(arch, side, stem, False)
        if _width_of(network.train(), n=2, side=side) != frozen.width:
            raise _Misfit("the width of h differs in training")
        return frozen
    with FlopCounterMode(display=False) as counter:
        width = _width_of(network.eval(), n=1, side=side)
    return Pass(width, counter.get_total_flops())


def _width_of(network: nn.Module, *, n: int, side: int) -> int:
    try:
        h = network(torch.empty(n, 3, side, side, device="meta"))
    except Exception as error:  # each family has its own way to fail
        raise _Misfit((str(error).strip() or type(error).__name__).splitlines()[0]) from error
    if not isinstance(h, Tensor) or h.ndim != 2 or len(h) != n:
        raise _Misfit(f"its output is {list(h.shape) if isinstance(h, Tensor) else type(h).__name__}, not [n, width]")
    return h.shape[1]


def _allowed_side(arch: str, side: int, stem: Stem, training: bool) -> str:
    """The least of the usual sides that ``arch`` takes, or its own."""
    for other in sorted({*SIDES, own_side(arch, stem)} - {side}):
        with suppress(_Misfit):
            _measured(arch, other, stem, training)
            return f"a side of {other}"
    return "another arch: it takes none of the usual sides"


@lru_cache(maxsize=64)
def blank(arch: str, stem: Stem = "imagenet") -> nn.Module:
    """An encoder that has shapes and no values (PyTorch's meta device), shared by all who ask: not to be changed.

    ValueError names an ``arch`` that timm cannot build or that has not the ``stem``.
    """
    try:
        with torch.device("meta"):
            return build(arch, stem).eval().requires_grad_(False)
    except RuntimeError as error:
        names = ", ".join(timm.list_pretrained(f"{arch.partition('.')[0]}.*")) or "the names of timm"
        raise ValueError(f"arch: {arch!r} cannot be built ({error}); allowed: {names}") from error


@lru_cache(maxsize=64)
def limits(arch: str, stem: Stem = "imagenet") -> frozenset[str]:
    """Names of the tensors in which a fresh encoder holds infinity: the limits that it clips by (Gemma 4's)."""
    return frozenset(name for name, tensor in build(arch, stem).state_dict().items() if not tensor.isfinite().all())


# Pixels
