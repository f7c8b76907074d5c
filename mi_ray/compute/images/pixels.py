"""Pixels as tensors: of encoded photographs and of regions of them, and in the form that an encoder takes: centred for
ours, resized and normalised for those trained elsewhere."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from mi_ray.compute.choices import Input
from mi_ray.compute.images.crops import Crops
from mi_ray.compute.images.decode import decode_bytes, refusals, refuse_pixels
from mi_ray.compute.images.encoded import Encoded
from mi_ray.compute.numerics.eager import without_compiler

MEAN, STD = 0.5, 0.25

DIVISORS = (8, 4, 2)
"""Reductions at which a JPEG can be decoded."""

JPEG = b"\xff\xd8\xff"
"""The first bytes of a JPEG."""


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


# Photographs


def pixels_of(encoded: Encoded, i: int) -> UInt8[Tensor, "3 height width"]:
    """The pixels of photograph i at its full size, with the colours of a pixel side by side in memory.

    torchvision decodes a JPEG in two thirds of PIL's time, to the same pixels.
    """
    content = encoded.content(i)
    with refusals(encoded.called(i)):  # torchvision has no limit of its own
        refuse_pixels(*encoded.sizes[i].tolist())
    if content.startswith(JPEG):
        with without_compiler():
            from torchvision.io import ImageReadMode, decode_jpeg  # noqa: PLC0415  (only photographs need it)

        with suppress(RuntimeError):  # a kind of JPEG that it does not know
            known = torch.frombuffer(content, dtype=torch.uint8)
            decoded = decode_jpeg(known, ImageReadMode.UNCHANGED, apply_exif_orientation=True)
            if len(decoded) == 3:  # four are CMYK; one is grey
                return decoded
    photograph = decode_bytes(content, encoded.called(i), encoded.matte)
    return torch.from_numpy(np.array(photograph)).permute(2, 0, 1)


def regions(encoded: Encoded, rows: Int64[np.ndarray, " m"], crops: Crops) -> UInt8[Tensor, "m 3 size size"]:
    """A region of each of the photographs ``rows``; one that follows itself is decoded once."""
    shape = (len(rows), 3, crops.size, crops.size)
    views = torch.empty(shape, dtype=torch.uint8, memory_format=torch.channels_last)
    last: tuple[int, int] | None = None
    for place, row in enumerate(rows.tolist()):
        left, top, width, height = crops.boxes[place].tolist()
        box = (left, top, left + width, top + height)
        divisor = _divisor(min(width, height), crops.size)
        if (row, divisor) != last:
            photograph = pixels_of(encoded, row) if divisor == 1 else encoded.photograph(row, divisor)
            last = row, divisor
        if isinstance(photograph, Tensor):
            view = _resized(photograph, box, crops)
        else:
            view = _resized_from_reduced(photograph, box, int(encoded.sizes[row].max()), crops)
        views[place] = view.flip(-1) if crops.mirrored[place] else view
    return views


Box = tuple[int, int, int, int]
"""Left, top, right and bottom."""


def _divisor(extent: int, size: int) -> int:
    """The largest reduction at which a region of ``extent`` pixels has ``size`` left: antialiasing reduces the rest."""
    return next((divisor for divisor in DIVISORS if extent >= divisor * size), 1)


def _resized(photograph: UInt8[Tensor, "3 height width"], box: Box, crops: Crops) -> UInt8[Tensor, "3 size size"]:
    """A region of a photograph. torch resizes bytes with antialiasing several times faster than PIL, to the same values
    but for rounding."""
    left, top, right, bottom = box
    # copied as it lies in memory: torch's fast path takes colours side by side, without gaps
    region = photograph[None, :, top:bottom, left:right].contiguous(memory_format=torch.channels_last)
    mode = "bicubic" if crops.bicubic else "bilinear"
    return interpolate(region, size=(crops.size, crops.size), mode=mode, antialias=True)[0]


def _resized_from_reduced(
    photograph: Image.Image, box: Box, longest: int, crops: Crops
) -> UInt8[Tensor, "3 size size"]:
    """A region of a photograph that was decoded at a reduced size; ``box`` and its ``longest`` side are those at full
    size. PIL takes the edges of a region between pixels, torch does not."""
    divisor = round(longest / max(photograph.size))
    left, top, right, bottom = (edge / divisor for edge in box)
    method = Image.Resampling.BICUBIC if crops.bicubic else Image.Resampling.BILINEAR
    view = photograph.resize((crops.size, crops.size), method, box=(left, top, right, bottom))
    return torch.from_numpy(np.array(view)).permute(2, 0, 1)
