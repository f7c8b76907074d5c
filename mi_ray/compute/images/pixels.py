"""Pixels as encoders see them: centred, or as the encoder was trained to see them."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from mi_ray.compute.choices import Input

MEAN, STD = 0.5, 0.25


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
