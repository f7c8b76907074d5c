"""Pixels in the form that an encoder takes: centred for ours, resized and normalised for those trained elsewhere."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from mi_ray.compute.choices import Input

MEAN, STD = 0.5, 0.25


def pixels(images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """uint8 [n, 3, h, w] to float32 in channels-last layout: 0..1 less `MEAN`, over `STD`."""
    return images.to(memory_format=torch.channels_last).float().div_(255 * STD).sub_(MEAN / STD)


def as_trained(x: Float[Tensor, "n 3 h w"], seen: Input | None) -> Float[Tensor, "n 3 size size"]:
    """Centred images, or views of them, resized (bilinear, antialiased) and normalised as ``seen`` states; unchanged if
    it is None, as for encoders trained here."""
    if seen is None:
        return x
    mean, std = (torch.tensor(channels, device=x.device).view(3, 1, 1) for channels in (seen.mean, seen.std))
    size = (seen.size, seen.size)
    resized = x if x.shape[-2:] == size else interpolate(x, size=size, mode="bilinear", antialias=True)
    return resized.mul(STD).add_(MEAN).sub_(mean).div_(std)
