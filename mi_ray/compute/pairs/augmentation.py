"""Views of an image (Fig. 1): plain for same-class sampling, SimCLR's random crop and colour for augmentation.

torchvision's transforms crop all rows of a batch alike; here every row draws its own crop. Crop, flip and colour
operations are torchvision's with two differences: brightness, contrast, saturation and hue come in this fixed order
(torchvision shuffles them), and the corners of a crop are real numbers instead of whole pixels.

Each random operation is a function of images and `Draws`, with a random stream of its own, so that adding an operation,
or leaving one out, changes no draw of any other.
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
"""Above it the hue would turn by more than half a circle."""


@dataclass(frozen=True)
class Rows:
    """The rows of a batch of ``batch`` rows that are viewed here. They get what a view of the whole batch would draw
    for them, so that workers can share a batch. ``places``: int64 [n], below ``batch``."""

    places: NDArray[np.int64]
    batch: int

    @classmethod
    def all(cls, n: int) -> Rows:
        """A whole batch of n rows."""
        return cls(np.arange(n), batch=n)


@dataclass(frozen=True)
class Draws:
    """Random numbers for some rows of a batch, a function of seed and purpose."""

    seed: int
    rows: Rows

    def __call__(self, purpose: str, draw: Callable[[int, np.random.Generator], NDArray]) -> NDArray:
        """The rows viewed here of ``draw(n, rng)``, which draws for all n rows of the batch."""
        return draw(self.rows.batch, stream(self.seed, purpose))[self.rows.places]


def plain(images: Tensor, seed: int, rows: Rows | None = None) -> Tensor:
    """The identity view (Fig. 1c): images [n, 3, side, side] unchanged, whatever the seed."""
    return images


@dataclass(frozen=True, kw_only=True)
class SimCLRView:
    """SimCLR's augmentation (Fig. 1b, Fig. 5): resized crop, flip, colour jitter, grayscale, in this order, with fresh
    random numbers for every row.

    ``crop_min_scale`` c: the crop covers a share of the image between c and 1; None leaves it whole.
    ``jitter_strength`` s: brightness, contrast and saturation change by up to 0.8s, hue by up to 0.2s turns; ``flip``,
    ``jitter`` and ``grayscale`` are probabilities per row. ValueError names a field out of its range.
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

        ``rows``: the rows of a larger batch that the images are; None if they are the whole batch.
        """
        draws = Draws(seed, rows or Rows.all(len(images)))
        if self.crop_min_scale is not None or self.flip:
            images = crop_and_flip(images, draws, min_scale=self.crop_min_scale, flip=self.flip)
        if self.jitter * self.jitter_strength or self.grayscale:
            rgb = images * STD + MEAN
            if self.jitter * self.jitter_strength:
                rgb = jitter_colours(rgb, draws, strength=self.jitter_strength, share=self.jitter)
            images = random_grayscale(rgb, draws, share=self.grayscale).sub(MEAN).div(STD)
        return images.contiguous(memory_format=torch.channels_last)


# Random operations, in the order in which a view applies them


def crop_and_flip(images: Tensor, draws: Draws, *, min_scale: float | None, flip: float) -> Tensor:
    """Crop at random (None: not at all) and mirror a share ``flip`` of the rows, in one bilinear resampling."""
    boxes = np.tile([1.0, 1.0, 0.0, 0.0], (len(images), 1))
    if min_scale is not None:
        boxes = draws("crop", lambda n, rng: crop_boxes(n, min_scale, rng))
    mirrored = draws("flip", lambda n, rng: rng.random(n)) < flip
    size, corner = boxes[:, :2], boxes[:, 2:]
    # the map [n, 2, 3] from output to input coordinates, both -1..1, that reads each box
    theta = np.zeros((len(boxes), 2, 3))
    theta[:, 0, 0] = np.where(mirrored, -size[:, 0], size[:, 0])
    theta[:, 1, 1] = size[:, 1]
    theta[:, :, 2] = 2 * corner + size - 1
    grid = affine_grid(torch.from_numpy(theta).to(images), list(images.shape), align_corners=False)
    return grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def jitter_colours(rgb: Tensor, draws: Draws, *, strength: float, share: float) -> Tensor:
    """Change brightness, contrast, saturation and hue of a ``share`` of the rows; colours in 0..1."""
    factors = draws("jitter", lambda n, rng: jitter_factors(n, strength, share, rng))
    brightness, contrast, saturation, hue = _per_row(factors, rgb)
    rgb = adjust_contrast(adjust_brightness(rgb, brightness), contrast)
    return shift_hue(adjust_saturation(rgb, saturation), hue)


def random_grayscale(rgb: Tensor, draws: Draws, *, share: float) -> Tensor:
    """Take the colour from a ``share`` of the rows; colours in 0..1."""
    keeps_colour = draws("grayscale", lambda n, rng: rng.random((n, 1))) >= share
    return adjust_saturation(rgb, _per_row(keeps_colour, rgb)[0])


# Random numbers of an operation, and images changed by given numbers


def crop_boxes(n: int, min_scale: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Random resized crops [n, (width, height, left, top)] as shares of a square image.

    The area is uniform in (min_scale, 1) and the log of the aspect ratio between those of 3/4 and 4/3; of ten attempts
    the first that fits counts, or the whole image if none fits.
    """
    area = rng.uniform(min_scale, 1, size=(n, ATTEMPTS))
    ratio = np.exp(rng.uniform(log(RATIOS[0]), log(RATIOS[1]), size=(n, ATTEMPTS)))
    width, height = np.sqrt(area * ratio), np.sqrt(area / ratio)
    fits = (width <= 1) & (height <= 1)
    first = np.arange(n), fits.argmax(1)
    size = np.where(fits.any(1), (width[first], height[first]), 1.0).T
    return np.hstack([size, rng.random((n, 2)) * (1 - size)])


def jitter_factors(n: int, strength: float, share: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Factors [n, (brightness, contrast, saturation, hue)], uniform around neutral for a ``share`` of the rows."""
    reach = strength * JITTER
    lowest = np.where(NEUTRAL == 1, np.maximum(NEUTRAL - reach, 0), -reach)
    drawn = rng.uniform(lowest, NEUTRAL + reach, size=(n, 4))
    return np.where(rng.random((n, 1)) < share, drawn, NEUTRAL)


def _per_row(factors: NDArray, rgb: Tensor) -> tuple[Tensor, ...]:
    """The columns of factors [n, m] as m tensors [n, 1, 1, 1] on the device of ``rgb``."""
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
    red, green, blue = rgb.unbind(1)
    value = torch.maximum(torch.maximum(red, green), blue)
    chroma = value - torch.minimum(torch.minimum(red, green), blue)
    is_red, is_green = value == red, value == green
    sector = torch.where(is_red, green - blue, torch.where(is_green, blue - red, red - green))
    sector.div_(chroma.clamp(min=1e-8)).add_(torch.where(is_red, 0.0, torch.where(is_green, 2.0, 4.0)))
    shift, turned = 6 * turns[:, 0], torch.empty_like(rgb)
    for channel, offset in enumerate((5.0, 3.0, 1.0)):
        # modulo 6, in steps that the processor vectorises; at a multiple of 6 both sides are clamped to 0
        distance = (offset + sector).add_(shift)
        distance.sub_((distance / 6).floor_().mul_(6))
        distance = torch.minimum(distance, 4 - distance).clamp_(0, 1)
        torch.sub(value, distance.mul_(chroma), out=turned[:, channel])
    return turned


def _grey(rgb: Tensor) -> Tensor:
    """Luma [n, 1, h, w] by ITU-R 601-2, with the weights of torchvision and Pillow."""
    red, green, blue = rgb.split(1, dim=1)
    return 0.2989 * red + 0.587 * green + 0.114 * blue


View = Callable[..., Tensor]
"""view(images, seed, rows=None): images [n, 3, h, w] (float, channels last) to images of the same shape; `Rows` if they
are part of a larger batch."""
