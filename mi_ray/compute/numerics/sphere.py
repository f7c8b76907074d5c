"""Directions of vectors, at any length that their number type holds."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

SHORT, LONG = 2.0**-30, 2.0**40
"""Largest components between which no square overflows float32, and no length falls below the 1e-12 of `normalize`."""


def directions(z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """z / |z| row by row, in float32 (float64 if z is); a row of zeros stays zero, one that is not finite holds NaN.

    Rows whose squares might overflow or vanish are divided by their largest component first, so that value and gradient
    are those of z / |z| at any length; the gradient of a row of zeros, which has no direction, is taken as if its
    length were one.
    """
    z = z if z.dtype == torch.float64 else z.float()
    largest = z.detach().abs().amax(1, keepdim=True)
    ordinary = (largest > SHORT) & (largest < LONG) | (largest == 0)
    scaled = z / torch.where(ordinary, 1.0, largest)
    return torch.where(largest == 0, scaled, normalize(scaled, dim=1))
