"""Gaussian blur of views, as SimCLR's recipe for ImageNet has it after crop and colour (Chen et al. 2020, App. A)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d, pad

from mi_ray.compute.pairs.augmentation import Draws, Rows, SimCLRView

KERNEL_SHARE = 0.1
"""Length of the kernel as a share of the side, as in SimCLR's code."""


@dataclass(frozen=True, kw_only=True)
class BlurredView:
    """SimCLR's augmentation, then a Gaussian blur of a ``share`` of the rows.

    The standard deviation is drawn for every row, uniform from ``sigma_min`` to ``sigma_max`` pixels. ValueError names
    a field out of its range.
    """

    simclr: SimCLRView
    share: float = 0.5
    sigma_min: float = 0.1
    sigma_max: float = 2.0

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share: {self.share} is not allowed; allowed: 0 to 1")
        if not 0 < self.sigma_min <= self.sigma_max:
            raise ValueError(f"sigma_min: {self.sigma_min} is not allowed; allowed: above 0, up to {self.sigma_max}")

    def __call__(self, images: Tensor, seed: int, rows: Rows | None = None) -> Tensor:
        """View centred images [n, 3, side, side], a function of (images, seed, rows) alone."""
        rows = rows or Rows.all(len(images))
        return random_blur(
            self.simclr(images, seed, rows),
            Draws(seed, rows),
            share=self.share,
            sigma_min=self.sigma_min,
            sigma_max=self.sigma_max,
        )


def random_blur(images: Tensor, draws: Draws, *, share: float, sigma_min: float, sigma_max: float) -> Tensor:
    """Blur a ``share`` of the rows, each with a standard deviation of its own."""
    sigma = draws("blur sigma", lambda n, rng: rng.uniform(sigma_min, sigma_max, n))
    blurred = draws("blur", lambda n, rng: rng.random(n)) < share
    if not blurred.any():
        return images
    chosen = torch.from_numpy(np.flatnonzero(blurred)).to(images.device)
    return images.index_copy(0, chosen, gaussian_blur(images[chosen], sigma[blurred]))


def gaussian_blur(images: Float[Tensor, "n 3 side side"], sigma: Float[np.ndarray, " n"]) -> Tensor:
    """Blur each image with its own standard deviation, in pixels; edges are reflected.

    The kernel is a tenth of the side long, made odd, at least 3.
    """
    n, channels, side, _ = images.shape
    half = max(1, int(KERNEL_SHARE * side) // 2)
    offsets = torch.arange(-half, half + 1, device=images.device, dtype=images.dtype)
    kernel = (-(offsets**2) / (2 * torch.from_numpy(sigma).to(images)[:, None] ** 2)).softmax(1)
    weights = kernel.repeat_interleave(channels, 0)
    flat = pad(images, (half, half, half, half), mode="reflect").reshape(1, n * channels, side + 2 * half, -1)
    flat = conv2d(flat, weights[:, None, :, None], groups=n * channels)
    flat = conv2d(flat, weights[:, None, None, :], groups=n * channels)
    return flat.reshape(n, channels, side, side)
