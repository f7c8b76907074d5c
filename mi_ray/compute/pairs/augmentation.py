"""Views of an image (Fig. 1): plain for same-class sampling, SimCLR's random crop and colour for augmentation.

torchvision's transforms give every row of a batch one and the same crop; here every row draws its own. Crop, flip and
the colour operations are torchvision's, with two liberties: the colour operations come in the fixed order brightness,
contrast, saturation, hue (there: shuffled), and a crop's corners are real numbers rather than whole pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from mi_ray.compute.images.pixels import MEAN, STD
from mi_ray.compute.seeding import stream

RATIOS = (3 / 4, 4 / 3)
ATTEMPTS = 10
JITTER = np.array([0.8, 0.8, 0.8, 0.2])
NEUTRAL = np.array([1.0, 1.0, 1.0, 0.0])
MAX_STRENGTH = 2.5
"""Beyond it the hue would turn by more than half a circle."""


@dataclass(frozen=True)
class Rows:
    """Which rows of a batch of ``of`` rows are viewed here: what is drawn for them is what the whole batch would get.

    ``places``: [n], of those ``of``.
    """

    places: NDArray[np.int64]
    of: int

    @classmethod
    def all(cls, n: int) -> Rows:
        """A whole batch of n rows."""
        return cls(np.arange(n), of=n)


def plain(images: Tensor, seed: int, rows: Rows | None = None) -> Tensor:
    """The view is the identity (Fig. 1c): images [n, 3, side, side] come back untouched, whatever the seed."""
    return images


@dataclass(frozen=True, kw_only=True)
class SimCLRView:
    """SimCLR's augmentation (Fig. 1b, Fig. 5): resized crop, flip, colour jitter, grayscale, drawn anew for every row.

    ``crop_min_scale`` c: the crop covers a share of the image between c and 1, None does not crop; ``jitter_strength``
    s: brightness, contrast and saturation by up to 0.8s, hue by up to 0.2s turns; ``flip``, ``jitter`` and
    ``grayscale`` are probabilities per row. ValueError names a field out of its range.
    """

    crop_min_scale: float | None = 0.2
    flip: float = 0.5
    jitter_strength: float = 0.5
    jitter: float = 0.8
    grayscale: float = 0.2

    def __post_init__(self) -> None:
        if self.crop_min_scale is not None and not 0 < self.crop_min_scale <= 1:
            raise ValueError(f"crop_min_scale: {self.crop_min_scale} is no share of an image; allowed: (0, 1] or None")
        if not 0 <= self.jitter_strength <= MAX_STRENGTH:
            raise ValueError(f"jitter_strength: {self.jitter_strength} is out of range; allowed: 0 to {MAX_STRENGTH}")
        for field in ("flip", "jitter", "grayscale"):
            if not 0 <= getattr(self, field) <= 1:
                raise ValueError(f"{field}: {getattr(self, field)} is no probability; allowed: 0 to 1")

    def __call__(self, images: Tensor, seed: int, rows: Rows | None = None) -> Tensor:
        """View centred images [n, 3, side, side] (see `pixels`), a function of (images, seed, rows) alone.

        ``rows``: which of a larger batch the images are; None: all of it.
        """
        rows = rows or Rows.all(len(images))
        if self.crop_min_scale is not None or self.flip:
            images = self._resample(images, seed, rows)
        if self.jitter * self.jitter_strength or self.grayscale:
            images = self._recolor(images * STD + MEAN, seed, rows).sub(MEAN).div(STD)
        return images.contiguous(memory_format=torch.channels_last)

    def _resample(self, images: Tensor, seed: int, rows: Rows) -> Tensor:
        boxes = np.tile([1.0, 1.0, 0.0, 0.0], (len(images), 1))
        if self.crop_min_scale is not None:
            boxes = crop_boxes(rows.of, self.crop_min_scale, stream(seed, "crop"))[rows.places]
        mirrored = stream(seed, "flip").random(rows.of)[rows.places] < self.flip
        theta = torch.from_numpy(_affine(boxes, mirrored)).to(images)
        grid = affine_grid(theta, list(images.shape), align_corners=False)
        return grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)

    def _recolor(self, rgb: Tensor, seed: int, rows: Rows) -> Tensor:
        if self.jitter * self.jitter_strength:
            factors = jitter_factors(rows.of, self.jitter_strength, self.jitter, stream(seed, "jitter"))
            brightness, contrast, saturation, hue = _per_row(factors[rows.places], rgb)
            rgb = adjust_contrast(adjust_brightness(rgb, brightness), contrast)
            rgb = shift_hue(adjust_saturation(rgb, saturation), hue)
        kept = stream(seed, "grayscale").random((rows.of, 1)) >= self.grayscale
        return adjust_saturation(rgb, _per_row(kept[rows.places], rgb)[0])


def crop_boxes(n: int, min_scale: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Random resized crops [n, (width, height, left, top)] as shares of a square image.

    Area uniform in (min_scale, 1), log aspect ratio uniform in 3/4..4/3; the first of ten attempts that fits, otherwise
    the whole image.
    """
    area = rng.uniform(min_scale, 1, size=(n, ATTEMPTS))
    ratio = np.exp(rng.uniform(log(RATIOS[0]), log(RATIOS[1]), size=(n, ATTEMPTS)))
    width, height = np.sqrt(area * ratio), np.sqrt(area / ratio)
    fits = (width <= 1) & (height <= 1)
    first = np.arange(n), fits.argmax(1)
    size = np.where(fits.any(1), (width[first], height[first]), 1.0).T
    return np.hstack([size, rng.random((n, 2)) * (1 - size)])


def _affine(boxes: NDArray, mirrored: NDArray) -> NDArray[np.float64]:
    """The map [n, 2, 3] from output to input coordinates, both -1..1, that reads each box, mirrored or not."""
    size, corner = boxes[:, :2], boxes[:, 2:]
    theta = np.zeros((len(boxes), 2, 3))
    theta[:, 0, 0] = np.where(mirrored, -size[:, 0], size[:, 0])
    theta[:, 1, 1] = size[:, 1]
    theta[:, :, 2] = 2 * corner + size - 1
    return theta


def jitter_factors(n: int, strength: float, share: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Factors [n, (brightness, contrast, saturation, hue)], uniform around neutral for a ``share`` of the rows."""
    reach = strength * JITTER
    lowest = np.where(NEUTRAL == 1, np.maximum(NEUTRAL - reach, 0), -reach)
    drawn = rng.uniform(lowest, NEUTRAL + reach, size=(n, 4))
    return np.where(rng.random((n, 1)) < share, drawn, NEUTRAL)


def _per_row(factors: NDArray, rgb: Tensor) -> tuple[Tensor, ...]:
    """Columns of factors [n, m] as m tensors [n, 1, 1, 1] that multiply images."""
    return torch.from_numpy(factors).to(rgb)[:, :, None, None, None].unbind(1)


def adjust_brightness(rgb: Tensor, factor: Tensor) -> Tensor:
    """Scale colours in 0..1 by ``factor`` [n, 1, 1, 1]."""
    return (rgb * factor).clamp(0, 1)


def adjust_contrast(rgb: Tensor, factor: Tensor) -> Tensor:
    """Move colours away from the image's mean grey by ``factor`` [n, 1, 1, 1]."""
    return torch.lerp(_grey(rgb).mean((1, 2, 3), keepdim=True), rgb, factor).clamp(0, 1)


def adjust_saturation(rgb: Tensor, factor: Tensor) -> Tensor:
    """Move colours away from their own grey by ``factor`` [n, 1, 1, 1]; 0 is grayscale."""
    return torch.lerp(_grey(rgb), rgb, factor).clamp(0, 1)


def shift_hue(rgb: Tensor, turns: Tensor) -> Tensor:
    """Turn the hue of HSV by ``turns`` [n, 1, 1, 1] of a circle at constant saturation and value."""
    red, green, blue = rgb.split(1, dim=1)
    value = rgb.amax(1, keepdim=True)
    chroma = value - rgb.amin(1, keepdim=True)
    sector = torch.where(value == red, green - blue, torch.where(value == green, blue - red, red - green))
    sector = sector / chroma.clamp(min=1e-8) + torch.where(value == red, 0.0, torch.where(value == green, 2.0, 4.0))
    of_channel = torch.tensor([5.0, 3.0, 1.0], device=rgb.device).view(1, 3, 1, 1)
    distance = (of_channel + sector + 6 * turns).remainder(6)
    return value - chroma * torch.minimum(distance, 4 - distance).clamp(0, 1)


def _grey(rgb: Tensor) -> Tensor:
    """Luma [n, 1, h, w] by ITU-R 601-2, as torchvision and Pillow have it."""
    red, green, blue = rgb.split(1, dim=1)
    return 0.2989 * red + 0.587 * green + 0.114 * blue


View = Callable[..., Tensor]
"""Views images [n, 3, h, w] (float, channels last) given a seed and, where they are part of a larger batch, their
`Rows` of it; the identity for same-class sampling."""
