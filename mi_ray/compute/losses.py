"""The InfoNCE loss of Eqs. 2-3 in NT-Xent form and two relatives, in nats. A loss is never called mutual information.

Projections come at any scale and in any precision: they are normalised and compared here, in float32.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import normalize, softplus

TILE = 256
"""Rows of the similarity matrix that exist at once: memory is linear in K."""


def nt_xent(z_x: Float[Tensor, "k d"], z_y: Float[Tensor, "k d"], *, temperature: float | Tensor) -> Float[Tensor, ""]:
    """L_InfoNCE of Eq. 2, in nats: the mean of `nt_xent_rows` over K positive pairs."""
    return nt_xent_rows(z_x, z_y, temperature=temperature).mean()


def nt_xent_rows(
    z_x: Float[Tensor, "k d"], z_y: Float[Tensor, "k d"], *, temperature: float | Tensor
) -> Float[Tensor, " k"]:
    """l(x_i, y_i) and l(y_i, x_i) of Eq. 3 averaged for each positive pair, in nats.

    z_x, z_y: [k, d]. Returns [k]. In-view negatives count, the pair itself does not: 2K-1 terms in each denominator.
    """
    k = len(z_x)
    z = _normalised(z_x, z_y)
    inverse = _inverse(temperature, z)
    positive = (z[:k] * z[k:]).sum(1) * inverse
    return _log_denominators(z, inverse) - positive


def sup_con(
    z_x: Float[Tensor, "k d"], z_y: Float[Tensor, "k d"], labels: Int64[Tensor, " k"], *, temperature: float | Tensor
) -> Float[Tensor, ""]:
    """L_out^sup of Khosla et al. 2020 (Eq. 2; Table III here), in nats, as a mean over the 2K views.

    -1/2K sum_i 1/|P(i)| sum_{p in P(i)} log(exp(z_i z_p / tau) / sum_{j != i} exp(z_i z_j / tau)), where P(i) are the
    other views of i's class; labels: [k], any integers, one for both views of a pair. It is `nt_xent` where all labels
    differ. No factor of tau / tau_base.
    """
    k = len(z_x)
    z = _normalised(z_x, z_y)
    inverse = _inverse(temperature, z)
    positive = _mean_positive(z[:k], z[k:], labels) * inverse
    return (_log_denominators(z, inverse) - positive).mean()


def nt_xent_against(
    z_x: Float[Tensor, "k d"],
    z_y: Float[Tensor, "k d"],
    z_negative: Float[Tensor, "m d"],
    *,
    temperature: float | Tensor,
) -> Float[Tensor, ""]:
    """Eqs. 2-3 with negatives from another data set D- (Appendix C, Table X), in nats.

    z_negative: [m, d], views from D-. The denominators of x_i and of y_i hold their positive and all of D-, 1 + m
    terms, and no other view of D: log(1 + sum_n exp((z_i z_n - z_x z_y) / tau)), a mean over both and over pairs.
    """
    k = len(z_x)
    z = _normalised(z_x, z_y)
    inverse = _inverse(temperature, z)
    positive = (z[:k] * z[k:]).sum(1) * inverse
    negative = _LogSumExp.apply(z, _normalised(z_negative), inverse).view(2, k)
    return softplus(negative - positive).mean()


def _normalised(*z: Tensor) -> Tensor:
    return normalize(torch.cat(z).float(), dim=1)


def _inverse(temperature: float | Tensor, z: Tensor) -> Tensor:
    return torch.as_tensor(1 / temperature, dtype=z.dtype, device=z.device)


def _log_denominators(z: Tensor, inverse: Tensor) -> Tensor:
    """The log denominators of Eq. 3 averaged over the two views of each pair: [k] for z [2k, d]."""
    return _LogSumExp.apply(z, None, inverse).view(2, len(z) // 2).mean(0)


def _mean_positive(z_x: Tensor, z_y: Tensor, labels: Tensor) -> Tensor:
    """Mean similarity to the other views of the class, averaged over the two views of each pair: [k].

    The sum over positives is linear: z_x z_y and, for the other pairs of the class, z_i (class sum - own pair).
    """
    _, classes, pairs = torch.unique(labels, return_inverse=True, return_counts=True)
    positives, classes = (2 * pairs[classes] - 1).to(z_x.device), classes.to(z_x.device)
    own = z_x + z_y
    others = torch.zeros_like(own).index_add(0, classes, own).index_select(0, classes) - own
    return ((z_x * z_y).sum(1) + (own * others).sum(1) / 2) / positives


class _LogSumExp(torch.autograd.Function):
    """log sum_j exp(r_i c_j / tau) of rows r [n, d] over columns c [m, d], a tile of rows at a time, recomputed
    backwards. No columns: the rows themselves, each but its own (j != i)."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, columns: Tensor | None, inverse: Tensor) -> Tensor:
        log_sum = rows.new_empty(len(rows))
        for start in range(0, len(rows), TILE):
            log_sum[start : start + TILE] = _scores(rows, columns, start, inverse).logsumexp(1)
        ctx.save_for_backward(rows, columns, inverse, log_sum)
        return log_sum

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
        rows, columns, inverse, log_sum = ctx.saved_tensors
        against = rows if columns is None else columns
        towards_rows, towards_inverse = torch.zeros_like(rows), torch.zeros_like(inverse)
        towards_columns = towards_rows if columns is None else torch.zeros_like(columns)
        for start in range(0, len(rows), TILE):
            tile = slice(start, start + TILE)
            weights = _scores(rows, columns, start, inverse).sub_(log_sum[tile, None]).exp_().mul_(upstream[tile, None])
            pull = weights @ against
            towards_rows[tile] += pull * inverse
            towards_columns.addmm_(weights.T, rows[tile] * inverse)
            towards_inverse += (pull * rows[tile]).sum()
        return towards_rows, None if columns is None else towards_columns, towards_inverse


def _scores(rows: Tensor, columns: Tensor | None, start: int, inverse: Tensor) -> Tensor:
    """Scores of the rows from ``start`` on against the columns, [tile, m]; no columns: all rows, diagonal -inf."""
    if columns is not None:
        return (rows[start : start + TILE] @ columns.T).mul_(inverse)
    scores = (rows[start : start + TILE] @ rows.T).mul_(inverse)
    scores.diagonal(start).fill_(float("-inf"))
    return scores
