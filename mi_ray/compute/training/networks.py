"""Encoder f_e (any timm name), and the cost of its forward pass."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mi_ray.compute.choices import Stem
from mi_ray.compute.numerics.eager import without_compiler
from mi_ray.compute.seeding import torch_seed
from mi_ray.compute.training.sizes import Pass

with without_compiler():
    import timm
    from timm.models.resnet import ResNet

SIDES = (32, 48, 64, 96, 112, 128, 160, 192, 224, 256, 384)
"""Image sides that are tried to suggest one if an encoder does not accept the given side."""

FLOAT = 4
"""Bytes of a float32."""

# Networks


def encoder(arch: str, *, seed: int, stem: Stem = "imagenet") -> nn.Module:
    """A freshly initialised timm encoder x -> h [n, `width`], pooled and without a classifier head.

    Two encoders of the same seed and arch differ in their stem only. ValueError if ``arch`` cannot have the ``stem``.
    """
    with torch_seed(seed, "encoder"):
        return build(arch, stem)


def build(arch: str, stem: Stem = "imagenet") -> nn.Module:
    """The same encoder, initialised by torch's current generator on torch's current device."""
    network = timm.create_model(arch, pretrained=False, num_classes=0)
    return network if stem == "imagenet" else with_cifar_stem(network, arch)


def with_cifar_stem(network: nn.Module, arch: str) -> nn.Module:
    """Replace the first convolution (or the several of a deep stem) and the pooling after it; later layers stay.

    ValueError if the network is no ResNet of timm.
    """
    if not isinstance(network, ResNet):
        raise ValueError(f"stem: {arch} has no stem to replace; allowed: the ResNets of timm, or stem 'imagenet'")
    replaced = [layer for layer in network.conv1.modules() if isinstance(layer, nn.Conv2d)]
    first = nn.Conv2d(3, replaced[-1].out_channels, kernel_size=3, stride=1, padding=1, bias=False)
    nn.init.kaiming_normal_(first.weight, mode="fan_out", nonlinearity="relu")
    network.set_submodule("conv1", first)
    network.set_submodule("maxpool", nn.Identity())
    return network


# Shapes and costs, measured on PyTorch's meta device, which computes no values


def width(arch: str, stem: Stem = "imagenet") -> int:
    """Number of features of h, measured: timm's ``num_features`` may differ (MobileNetV3, VGG)."""
    return forward_pass(arch, own_side(arch, stem), stem).width


def forward_flops(arch: str, side: int, stem: Stem = "imagenet") -> int:
    """Floating-point operations of one image's forward pass."""
    return forward_pass(arch, side, stem).flops


def own_side(arch: str, stem: Stem = "imagenet") -> int:
    """Side of the images, in pixels, that timm states for ``arch``."""
    facts = cast("dict[str, Any]", blank(arch, stem).pretrained_cfg)
    return cast("int", facts["input_size"][-1])


def forward_pass(arch: str, side: int, stem: Stem = "imagenet", *, training: bool = False) -> Pass:
    """Measure a forward pass on images of ``side`` pixels; with ``training``, check a training pass of two views too.

    ValueError if the output of ``arch`` is not h [n, width]: the reason, and a side that it accepts.
    """
    try:
        return _measured(arch, side, stem, training)
    except _Misfit as misfit:
        raise ValueError(
            f"arch: {arch!r} takes no images of {side} x {side} pixels ({misfit});"
            f" allowed: {_allowed_side(arch, side, stem, training)}"
        ) from misfit


class _Misfit(Exception):
    """The reason, in one line, why an encoder does not accept images of a side."""


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
    """The smallest usual side that ``arch`` accepts, as the end of a refusal."""
    for other in sorted({*SIDES, own_side(arch, stem)} - {side}):
        with suppress(_Misfit):
            _measured(arch, other, stem, training)
            return f"a side of {other}"
    return "another arch: it takes none of the usual sides"


def encoder_bytes(arch: str, stem: Stem = "imagenet") -> int:
    """Bytes of the weights and statistics of an encoder."""
    return sum(tensor.numel() * tensor.element_size() for tensor in blank(arch, stem).state_dict().values())


def activation_bytes(arch: str, side: int, stem: Stem = "imagenet") -> int:
    """Bytes that the backward pass of one view needs in float32, roughly: outputs of all layers that have weights."""
    network, outputs = deepcopy(blank(arch, stem)).eval(), []
    for module in network.modules():
        if any(True for _ in module.parameters(recurse=False)):
            module.register_forward_hook(lambda module, given, output: outputs.append(_numbers(output)))
    network(torch.empty(1, 3, side, side, device="meta"))
    return FLOAT * sum(outputs)


def _numbers(output: object) -> int:
    return output.numel() if isinstance(output, Tensor) else 0


@lru_cache(maxsize=64)
def blank(arch: str, stem: Stem = "imagenet") -> nn.Module:
    """An encoder with shapes but no values (PyTorch's meta device). All callers share it, so it must not be changed.

    ValueError names an ``arch`` that timm cannot build or that cannot have the ``stem``.
    """
    try:
        with torch.device("meta"):
            return build(arch, stem).eval().requires_grad_(False)
    except RuntimeError as error:
        names = ", ".join(timm.list_pretrained(f"{arch.partition('.')[0]}.*")) or "the names of timm"
        raise ValueError(f"arch: {arch!r} cannot be built ({error}); allowed: {names}") from error


@lru_cache(maxsize=64)
def limits(arch: str, stem: Stem = "imagenet") -> frozenset[str]:
    """Names of the tensors that hold infinity in a fresh encoder: the limits to which it clips (Gemma 4)."""
    return frozenset(name for name, tensor in build(arch, stem).state_dict().items() if not tensor.isfinite().all())
