"""Views of photographs: random resized crops of the decoded photograph, as SimCLR's and torchvision's code takes them,
then the same colours and blur as of square images.

A view is a function of (photograph, seed, place in its batch), whoever computes it and however a batch is cut.
"""

from __future__ import annotations

from dataclasses import replace
from math import log

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from mi_ray.compute.images.crops import Crops, Sizes, centred
from mi_ray.compute.pairs.augmentation import (
    ATTEMPTS,
    NEUTRAL,
    RATIOS,
    Draws,
    Rows,
    SimCLRView,
    View,
    jitter_factors,
    plain,
)
from mi_ray.compute.pairs.blur import BlurredView, random_blur


def crops_of(view: View, sizes: Sizes, *, size: int, seed: int, rows: Rows, share: float) -> Crops:
    """The crops that ``view`` takes of photographs of ``sizes`` [n, 2]: random, or the plain view (``share``) if it
    crops nothing. ``rows``: the places of the photographs in their batch."""
    match view:
        case BlurredView():
            return crops_of(view.simclr, sizes, size=size, seed=seed, rows=rows, share=share)
        case SimCLRView():
            draws = Draws(seed, rows)
            central = centred(sizes, size=size, share=share)
            mirrored = draws("flip", lambda n, rng: rng.random(n)) < view.flip
            if view.crop_min_scale is None or view.crop_min_scale == 1:
                return replace(central, mirrored=mirrored)
            return replace(central, boxes=resized_crops(sizes, view.crop_min_scale, draws), mirrored=mirrored)
        case _:
            return centred(sizes, size=size, share=share)


def resized_crops(sizes: Sizes, min_scale: float, draws: Draws) -> np.ndarray:
    """Random resized crops [n, (left, top, width, height)], in whole pixels, as torchvision's ``RandomResizedCrop``.

    The area is a share of the photograph, uniform in (min_scale, 1), and the log of the aspect ratio is uniform between
    those of 3/4 and 4/3. Of ten attempts the first that fits counts; if none does, the largest central region with an
    allowed ratio.
    """
    shares = draws("crop area", lambda n, rng: rng.uniform(min_scale, 1, size=(n, ATTEMPTS)))
    logs = draws("crop ratio", lambda n, rng: rng.uniform(log(RATIOS[0]), log(RATIOS[1]), size=(n, ATTEMPTS)))
    corners = draws("crop corner", lambda n, rng: rng.random((n, 2)))
    whole = sizes.astype(np.float64)
    area, ratio = whole.prod(axis=1)[:, None] * shares, np.exp(logs)
    extents = np.stack([np.rint(np.sqrt(area * ratio)), np.rint(np.sqrt(area / ratio))], axis=2)
    fits = ((extents > 0) & (extents <= whole[:, None])).all(axis=2)
    chosen = extents[np.arange(len(sizes)), fits.argmax(axis=1)]
    room = whole - chosen + 1
    left_top = np.floor(corners * room)
    # the fallback: a photograph that is too wide or too high for any attempt
    widest = np.rint(whole[:, ::-1] * [RATIOS[1], 1 / RATIOS[0]])
    largest = np.minimum(whole, np.maximum(1, widest))
    found = np.any(fits, axis=1, keepdims=True)
    extent = np.where(found, chosen, largest)
    return np.hstack([np.where(found, left_top, (whole - largest) // 2), extent]).astype(np.int64)


def recoloured(
    cropped: UInt8[Tensor, "n 3 size size"], view: View, seed: int, rows: Rows
) -> UInt8[Tensor, "n 3 size size"]:
    """Colours and blur of ``view`` on cropped photographs, as bytes like the images that public recipes view. A view
    that is not SimCLR's is left to `rest_of`."""
    match view:
        case BlurredView():
            # random_blur takes any range of values; its kernel averages
            images = recoloured(cropped, view.simclr, seed, rows).float()
            blur = random_blur(
                images, Draws(seed, rows), share=view.share, sigma_min=view.sigma_min, sigma_max=view.sigma_max
            )
            return _bytes(blur)
        case SimCLRView():
            return _recoloured(cropped, view, Draws(seed, rows))
        case _:
            return cropped


def rest_of(view: View) -> View:
    """What a view does to the pixels after `crops_of` and `recoloured`: nothing, unless it is a user's own."""
    return plain if isinstance(view, SimCLRView | BlurredView) else view


def _recoloured(
    cropped: UInt8[Tensor, "n 3 size size"], view: SimCLRView, draws: Draws
) -> UInt8[Tensor, "n 3 size size"]:
    """Colour jitter and grayscale. A CPU takes one row at a time, as planes of colour, so that all steps find it in the
    cache, and leaves rows that keep their colours (`benchmarks/decoders.py`). A GPU takes all rows at once.
    """
    factors = draws("jitter", lambda n, rng: jitter_factors(n, view.jitter_strength, view.jitter, rng))
    is_grey = draws("grayscale", lambda n, rng: rng.random((n, 1)))[:, 0] < view.grayscale
    is_jittered = np.any(factors != NEUTRAL, axis=1)
    views = cropped.clone(memory_format=torch.preserve_format)
    if cropped.device.type == "cpu":
        parts = [slice(row, row + 1) for row in np.flatnonzero(is_grey | is_jittered).tolist()]
    else:
        parts = [slice(0, len(cropped))]
    for part in parts:
        rgb = torch.empty(cropped[part].shape, device=cropped.device).copy_(cropped[part]).div_(255)
        if is_jittered[part].any():
            jitter_in_place(rgb, torch.from_numpy(factors[part]).to(rgb))
        if is_grey[part].any():
            greys = torch.from_numpy(np.flatnonzero(is_grey[part])).to(rgb.device)
            rgb[greys] = _grey(rgb[greys]).expand(-1, 3, -1, -1)
        views[part] = rgb.mul_(255).round_()
    return views


def _bytes(values: Float[Tensor, "n 3 size size"]) -> UInt8[Tensor, "n 3 size size"]:
    return values.round_().clamp_(0, 255).to(torch.uint8)


def jitter_in_place(rgb: Float[Tensor, "n 3 h w"], factors: Float[Tensor, "n 4"]) -> None:
    """Change brightness, contrast, saturation and hue of colours in 0..1, in this order and in place: the operations of
    `augmentation`, up to rounding."""
    brightness, contrast, saturation, turns = factors[:, :, None, None, None].unbind(1)
    rgb.mul_(brightness).clamp_(0, 1)
    mean = _grey(rgb).mean((1, 2, 3), keepdim=True)
    rgb.mul_(contrast).add_(mean.mul_(1 - contrast)).clamp_(0, 1)
    grey = _grey(rgb)
    rgb.mul_(saturation).add_(grey.mul_(1 - saturation)).clamp_(0, 1)
    red, green, blue = rgb.unbind(1)
    value = torch.maximum(torch.maximum(red, green), blue)
    chroma = value - torch.minimum(torch.minimum(red, green), blue)
    inverse = chroma.clamp(min=1e-8).reciprocal_()
    sector = (red - green).mul_(inverse).add_(4)
    sector = torch.where(value == green, (blue - red).mul_(inverse).add_(2), sector)
    sector = torch.where(value == red, (green - blue).mul_(inverse), sector)
    sector.add_(6 * turns[:, 0])
    for plane, offset in ((red, 5.0), (green, 3.0), (blue, 1.0)):
        # min(d, 4 - d) = 2 - |d - 2|, with d - 2 brought to -3..3
        distance = sector + (offset - 2)
        distance.sub_((distance / 6).round_(), alpha=6).abs_().neg_().add_(2).clamp_(0, 1)
        torch.addcmul(value, distance, chroma, value=-1, out=plane)


def _grey(rgb: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 1 h w"]:
    red, green, blue = rgb.split(1, dim=1)
    return torch.add(red * 0.2989, green, alpha=0.587).add_(blue, alpha=0.114)
