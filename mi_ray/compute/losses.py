"""The InfoNCE loss of Eqs. 2-3 in NT-Xent form, in nats. A loss is never called mutual information."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

TILE = 256
"""Rows of the similarity matrix that exist at once: memory is linear in K."""


def nt_xent(z_x: Float[Tensor, "k d"], z_y: Float[Tensor, "k d"], *, temperature: float | Tensor) -> Float[Tensor, ""]:
    """L_InfoNCE of Eq. 2, in nats: the mean of `nt_xent_rows` over K positive pairs."""
    return nt_xent_rows(z_x, z_y, temperature=temperature).mean()


def nt_xent_rows(
    z_x: Float[Tensor, "k d"], z_y: Float[Tensor, "k d"], *, temperature: float | Tensor
) -> Float[Tensor, " k"]:
    """l(x_i, y_i) and l(y_i, x_i) of Eq. 3 averaged for each positive pair, in nats.

    z_x, z_y: [k, d] projections, any scale (they are normalised here, in float32). Returns [k]. In-view negatives
    count, the pair itself does not: 2K-1 terms in each denominator.
    """
    k = len(z_x)
    z = normalize(torch.cat([z_x, z_y]).float(), dim=1)
    inverse = torch.as_tensor(1 / temperature, dtype=z.dtype, device=z.device)
    positive = (z[:k] * z[k:]).sum(1) * inverse
    return _LogDenominator.apply(z, inverse).view(2, k).mean(0) - positive


class _LogDenominator(torch.autograd.Function):
    """log sum_{j != i} exp(z_i z_j / tau) for every row of z [n, d], a tile of rows at a time, recomputed backwards."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, inverse: Tensor) -> Tensor:
        log_sum = z.new_empty(len(z))
        for start in range(0, len(z), TILE):
            log_sum[start : start + TILE] = _scores(z, start, inverse).logsumexp(1)
        ctx.save_for_backward(z, inverse, log_sum)
        return log_sum

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor]:
        z, inverse, log_sum = ctx.saved_tensors
        towards_z, towards_inverse = torch.zeros_like(z), torch.zeros_like(inverse)
        for start in range(0, len(z), TILE):
            rows = slice(start, start + TILE)
            weights = _scores(z, start, inverse).sub_(log_sum[rows, None]).exp_().mul_(upstream[rows, None])
            pull = weights @ z
            towards_z[rows] += pull * inverse
            towards_z.addmm_(weights.T, z[rows] * inverse)
            towards_inverse += (pull * z[rows]).sum()
        return towards_z, towards_inverse


def _scores(z: Tensor, start: int, inverse: Tensor) -> Tensor:
    """Scores of the rows from ``start`` on against all rows, minus infinity on the diagonal: [tile, n]."""
    scores = (z[start : start + TILE] @ z.T).mul_(inverse)
    scores.diagonal(start).fill_(float("-inf"))
    return scores
