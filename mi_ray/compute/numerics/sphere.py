"""Unit vectors z / |z|, accurate at every length that the number type can represent."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

SHORT, LONG = 2.0**-30, 2.0**40
"""Largest components between which no square overflows float32, and no length falls below the 1e-12 of `normalize`."""


def directions(z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """z / |z| of each row, in float32 (float64 if z is). A row of zeros stays zero; a row that is not finite has NaN.

    Rows whose squares might overflow or underflow are first divided by their largest component, so that value and
    gradient are those of z / |z| at every length. The gradient at a row of zeros, which has no direction, is that of a
    row of length one.
    """
    z = z if z.dtype == torch.float64 else z.float()
    largest = z.detach().abs().amax(1, keepdim=True)
    ordinary = (largest > SHORT) & (largest < LONG) | (largest == 0)
    scaled = z / torch.where(ordinary, 1.0, largest)
    return torch.where(largest == 0, scaled, normalize(scaled, dim=1))
