"""Encoder f_e (any timm name), projector f_p, critic f_c (the same MLP, Sec. III-C), and pixels ready for them."""

from __future__ import annotations

from functools import lru_cache
from typing import cast

import timm
import torch
from jaxtyping import Float, UInt8
from timm.models.resnet import ResNet
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.utils.flop_counter import FlopCounterMode

from mi_ray.compute.choices import Input, Stem
from mi_ray.compute.seeding import torch_seed

MEAN, STD = 0.5, 0.25

# Networks


def encoder(arch: str, *, seed: int, stem: Stem = "imagenet") -> nn.Module:
    """A fresh timm encoder x -> h of width ``.num_features``, pooled and without a classifier head.

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


@lru_cache(maxsize=64)
def width(arch: str, stem: Stem = "imagenet") -> int:
    """Number of features of h."""
    return cast("int", _shape_only(arch, stem).num_features)


@lru_cache(maxsize=64)
def forward_flops(arch: str, side: int, stem: Stem = "imagenet") -> int:
    """Floating-point operations of one image's forward pass, counted without computing anything."""
    with FlopCounterMode(display=False) as counter:
        _shape_only(arch, stem)(torch.empty(1, 3, side, side, device="meta"))
    return counter.get_total_flops()


def _shape_only(arch: str, stem: Stem) -> nn.Module:
    with torch.device("meta"):
        return build(arch, stem).eval()


# Pixels


def pixels(images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """uint8 [n, 3, h, w] to centred float32 in channels-last layout."""
    return images.to(memory_format=torch.channels_last).float().div_(255 * STD).sub_(MEAN / STD)


def as_trained(x: Float[Tensor, "n 3 h w"], seen: Input | None) -> Float[Tensor, "n 3 size size"]:
    """What `pixels` gave, or a view of it, as the encoder was trained to see it: resized (bilinear, antialiased) and
    normalised. None, the encoders trained here: untouched."""
    if seen is None:
        return x
    mean, std = (torch.tensor(of, device=x.device).view(3, 1, 1) for of in (seen.mean, seen.std))
    return _resized(x, seen.size).mul(STD).add_(MEAN).sub_(mean).div_(std)


def _resized(x: Tensor, size: int) -> Tensor:
    if x.shape[-2:] == (size, size):
        return x
    return interpolate(x, size=(size, size), mode="bilinear", antialias=True)
