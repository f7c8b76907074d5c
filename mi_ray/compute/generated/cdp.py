"""The colour-digit-position images (Sec. III-B, Fig. 2): uniform, independent attributes, photographs behind.

The paper gives no recipe for the pixels. Here a digit of 0.4 canvas, jittered inside its quadrant, is painted in a pure
colour on black and mixed with a crop of a photograph that is drawn independently for every image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from mi_ray.compute.choices import Mix
from mi_ray.compute.generated.drawings import Drawings
from mi_ray.compute.generated.photographs import Photograph
from mi_ray.compute.images.image_set import ImageSet
from mi_ray.compute.seeding import stream
from mi_ray.theory.tasks import ATTRIBUTES, VALUES_PER_ATTRIBUTE

RGB = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
DIGIT_SHARE = 0.4
CHUNK = 1024


def render(
    n: int,
    drawings: Drawings,
    allowed: NDArray[np.int64],
    photographs: Sequence[Photograph],
    *,
    canvas: int,
    mix: Mix,
    background_weight: float,
    seed: int,
    split: str,
) -> ImageSet:
    """Make ``n`` CDP images of the ``allowed`` drawings and the photographs; same arguments, same bytes.

    ``background_weight`` w: ``linear`` is (1-w) digit + w photograph, ``additive`` is clip(digit + w photograph).
    Returns images [n, 3, canvas, canvas], attributes [n, 3] and the index of each image's drawing.
    """
    rng = stream(seed, f"cdp {split}")
    attributes = rng.integers(VALUES_PER_ATTRIBUTE, size=(n, len(ATTRIBUTES)))
    sources = np.empty(n, dtype=np.int64)
    for digit in range(VALUES_PER_ATTRIBUTE):
        wanted = attributes[:, 1] == digit
        sources[wanted] = rng.choice(allowed[drawings.labels[allowed] == digit], size=int(wanted.sum()))
    photo_of_image = rng.integers(len(photographs), size=n)
    crops, jitter = rng.random((n, 3)), rng.random((n, 2))
    images = np.empty((n, 3, canvas, canvas), dtype=np.uint8)
    for start in range(0, n, CHUNK):
        part = slice(start, start + CHUNK)
        painted = paint(drawings.images[sources[part]], attributes[part], jitter[part], canvas)
        behind = background_weight * crop_photographs(photographs, photo_of_image[part], crops[part], canvas)
        mixed = (1 - background_weight) * painted + behind if mix == "linear" else (painted + behind).clamp(0, 1)
        images[part] = mixed.mul(255).round().to(torch.uint8).numpy()
    names = tuple(f"CDP {split} image {i} of drawing {source}" for i, source in enumerate(sources))
    return ImageSet(images, attributes, sources, names)


def paint(glyphs: NDArray, attributes: NDArray, jitter: NDArray, canvas: int) -> Tensor:
    """Digits [m, h, w] in colour on black, at a jittered place inside their quadrant: [m, 3, canvas, canvas].

    ``attributes``: [m, (colour, digit, position)]; ``jitter``: [m, 2] in 0..1.
    """
    cell, size = canvas // 2, round(DIGIT_SHARE * canvas)
    glyph = interpolate(torch.from_numpy(glyphs)[:, None], size=(size, size), mode="bilinear", antialias=True)[:, 0]
    row, column = np.divmod(attributes[:, 2], 2)
    slack = cell - size + 1
    top = torch.from_numpy(row * cell + (jitter[:, 0] * slack).astype(np.int64))
    left = torch.from_numpy(column * cell + (jitter[:, 1] * slack).astype(np.int64))
    ink = torch.zeros(len(glyph), canvas, canvas)
    index = torch.arange(size)
    ink[
        torch.arange(len(glyph))[:, None, None], (top[:, None] + index)[:, :, None], (left[:, None] + index)[:, None, :]
    ] = glyph
    return ink[:, None] * RGB[torch.from_numpy(attributes[:, 0])][:, :, None, None]


def crop_photographs(photographs: Sequence[Photograph], photo_of_image: NDArray, crops: NDArray, canvas: int) -> Tensor:
    """A square crop per image, with a side between the canvas and the photograph's short side: [m, 3, canvas, canvas].

    ``photo_of_image``: [m], the photograph of each image; ``crops``: [m, (side, top, left)] in 0..1.
    """
    behind = torch.empty(len(crops), 3, canvas, canvas)
    for photo in np.unique(photo_of_image):
        wanted = np.flatnonzero(photo_of_image == photo)
        photograph = torch.from_numpy(np.array(photographs[photo]())).permute(2, 0, 1).float() / 255
        grid = _crop_grid(photograph.shape[1:], torch.from_numpy(crops[wanted]).float(), canvas)
        source = photograph.expand(len(wanted), -1, -1, -1)
        behind[wanted] = grid_sample(source, grid, mode="bilinear", padding_mode="border", align_corners=True)
    return behind


def _crop_grid(shape: torch.Size, crops: Tensor, canvas: int) -> Tensor:
    """Sampling grid [m, canvas, canvas, 2] of crops [m, (side, top, left)] in 0..1."""
    extent = torch.tensor(shape).float() - 1
    short = extent.min()
    smallest = short.clamp(max=canvas - 1)
    side = smallest + crops[:, 0] * (short - smallest)
    corner = crops[:, 1:] * (extent - side[:, None])
    steps = torch.linspace(0, 1, canvas)
    y, x = ((corner[:, axis, None] + side[:, None] * steps) / extent[axis] * 2 - 1 for axis in (0, 1))
    return torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), dim=-1)
