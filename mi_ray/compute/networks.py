"""Encoder f_e (any timm name), projector f_p, critic f_c (the same MLP, Sec. III-C), and pixels ready for them."""

from __future__ import annotations

from functools import lru_cache
from typing import cast

import timm
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mi_ray.compute.seeding import torch_seed

MEAN, STD = 0.5, 0.25


def encoder(arch: str, *, seed: int) -> nn.Module:
    """A fresh timm encoder x -> h of width ``.num_features``, pooled and without a classifier head."""
    with torch_seed(seed, "encoder"):
        return timm.create_model(arch, pretrained=False, num_classes=0)


def projector(width: int, *, hidden: int, out: int, seed: int, purpose: str = "projector") -> nn.Sequential:
    """The MLP h [n, width] -> z [n, out] used as projector in training and, freshly initialised, as critic after it."""
    with torch_seed(seed, purpose):
        return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, out))


def pixels(images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """uint8 [n, 3, h, w] to centred float32 in channels-last layout."""
    return images.to(memory_format=torch.channels_last).float().div_(255 * STD).sub_(MEAN / STD)


@lru_cache(maxsize=64)
def width(arch: str) -> int:
    """Number of features of h."""
    return cast("int", _shape_only(arch).num_features)


@lru_cache(maxsize=64)
def forward_flops(arch: str, side: int) -> int:
    """Floating-point operations of one image's forward pass, counted without computing anything."""
    with FlopCounterMode(display=False) as counter:
        _shape_only(arch)(torch.empty(1, 3, side, side, device="meta"))
    return counter.get_total_flops()


def _shape_only(arch: str) -> nn.Module:
    with torch.device("meta"):
        return timm.create_model(arch, pretrained=False, num_classes=0).eval()
