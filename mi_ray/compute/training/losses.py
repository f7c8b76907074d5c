"""The InfoNCE loss of Eqs. 2-3 in NT-Xent form and two relatives, in nats. A loss is never called mutual information.

Projections may have any scale and precision: they are normalised and compared here, in float32 (float64 for float64
projections). A projection that is not finite makes the loss NaN, at which a training ends.

If several workers share the pairs of a step, each computes the loss of its own pairs, with the views of all workers in
the denominators: the mean over workers is the loss of all pairs. A worker holds its own rows of the similarity matrix.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import softplus

from mi_ray.compute.numerics.sphere import directions
from mi_ray.compute.training.workers import ALONE, Workers

TILE = 256
"""Rows of the similarity matrix that exist at once: memory is linear in K."""


def nt_xent(
    z_x: Float[Tensor, "k d"], z_y: Float[Tensor, "k d"], *, temperature: float | Tensor, workers: Workers = ALONE
) -> Float[Tensor, ""]:
    """L_InfoNCE of Eq. 2, in nats: the mean of `nt_xent_rows` over K positive pairs."""
    return nt_xent_rows(z_x, z_y, temperature=temperature, workers=workers).mean()


def nt_xent_rows(
    z_x: Float[Tensor, "k d"], z_y: Float[Tensor, "k d"], *, temperature: float | Tensor, workers: Workers = ALONE
) -> Float[Tensor, " k"]:
    """l(x_i, y_i) and l(y_i, x_i) of Eq. 3 averaged for each positive pair, in nats.

    z_x, z_y: [k, d], of this worker's pairs. Returns [k]. A denominator has 2K-1 terms, where K counts the pairs of all
    workers: all views except the one itself.
    """
    k = len(z_x)
    z = _normalised(z_x, z_y)
    inverse = _inverse(temperature, z)
    positive = (z[:k] * z[k:]).sum(1) * inverse
    return _log_denominators(z, inverse, workers) - positive


def sup_con(
    z_x: Float[Tensor, "k d"],
    z_y: Float[Tensor, "k d"],
    labels: Int64[Tensor, " all"],
    *,
    temperature: float | Tensor,
    workers: Workers = ALONE,
) -> Float[Tensor, ""]:
    """L_out^sup of Khosla et al. 2020 (Eq. 2; Table III here), in nats, as a mean over the 2K views.

    -1/2K sum_i 1/|P(i)| sum_{p in P(i)} log(exp(z_i z_p / tau) / sum_{j != i} exp(z_i z_j / tau)), where P(i) are the
    other views of i's class. labels: any integers, one for each pair of all workers in the order of ranks. Equals
    `nt_xent` if all labels differ. There is no factor of tau / tau_base.
    """
    k = len(z_x)
    z = _normalised(z_x, z_y)
    inverse = _inverse(temperature, z)
    positive = mean_positive_similarity(z[:k], z[k:], labels, workers) * inverse
    return (_log_denominators(z, inverse, workers) - positive).mean()


def nt_xent_against(
    z_x: Float[Tensor, "k d"],
    z_y: Float[Tensor, "k d"],
    z_negative: Float[Tensor, "m d"],
    *,
    temperature: float | Tensor,
) -> Float[Tensor, ""]:
    """Eqs. 2-3 with negatives from another data set D- (Appendix C, Table X), in nats.

    z_negative: [m, d], views from D-. The denominators of x_i and y_i have 1 + m terms, their positive and all of D-,
    but no other view of D: the loss is the mean of log(1 + sum_n exp((z_i z_n - z_x z_y) / tau)) over views.
    """
    k = len(z_x)
    z = _normalised(z_x, z_y)
    inverse = _inverse(temperature, z)
    positive = (z[:k] * z[k:]).sum(1) * inverse
    negative = _LogSumExp.apply(z, _normalised(z_negative), None, inverse).view(2, k)
    return softplus(negative - positive).mean()


def _normalised(*z: Tensor) -> Tensor:
    return directions(torch.cat(z))


def _inverse(temperature: float | Tensor, z: Tensor) -> Tensor:
    return torch.as_tensor(1 / temperature, dtype=z.dtype, device=z.device)


def _log_denominators(z: Tensor, inverse: Tensor, workers: Workers) -> Tensor:
    """The log denominators of Eq. 3 averaged over the two views of each pair: [k] for z [2k, d]."""
    columns = None if workers.size == 1 else workers.gather(z)
    return _LogSumExp.apply(z, columns, workers.rank * len(z), inverse).view(2, len(z) // 2).mean(0)


def mean_positive_similarity(z_x: Tensor, z_y: Tensor, labels: Tensor, workers: Workers) -> Tensor:
    """Mean similarity to the other views of the class, averaged over the two views of each of this worker's pairs: [k].

    z_x, z_y: [k, d], normalised. Linear in K, because the sum over positives is z_x z_y and, for the other pairs of the
    class, z_i (class sum - own pair).
    """
    own = z_x + z_y
    mine = slice(workers.rank * len(own), (workers.rank + 1) * len(own))
    _, classes, pairs = torch.unique(labels, return_inverse=True, return_counts=True)
    positives, classes = (2 * pairs[classes] - 1).to(z_x.device), classes.to(z_x.device)
    every = workers.gather(own)
    others = torch.zeros_like(every).index_add(0, classes, every).index_select(0, classes[mine]) - own
    return ((z_x * z_y).sum(1) + (own * others).sum(1) / 2) / positives[mine]


class _LogSumExp(torch.autograd.Function):
    """log sum_j exp(r_i c_j / tau) of rows r [n, d] over columns c [m, d], a tile of rows at a time; the backward pass
    computes the scores again. ``columns``: None for the rows themselves. ``own``: row i is column own + i and has no
    term for itself (j != i); None if the rows are not among the columns."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, columns: Tensor | None, own: int | None, inverse: Tensor) -> Tensor:
        log_sum = rows.new_empty(len(rows))
        for start in range(0, len(rows), TILE):
            log_sum[start : start + TILE] = _scores(rows, columns, own, start, inverse).logsumexp(1)
        ctx.save_for_backward(rows, columns, inverse, log_sum)
        ctx.own = own
        return log_sum

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor | None, None, Tensor]:
        rows, columns, inverse, log_sum = ctx.saved_tensors
        against = rows if columns is None else columns
        towards_rows, towards_inverse = torch.zeros_like(rows), torch.zeros_like(inverse)
        towards_columns = towards_rows if columns is None else torch.zeros_like(columns)
        for start in range(0, len(rows), TILE):
            tile = slice(start, start + TILE)
            weights = _scores(rows, columns, ctx.own, start, inverse)
            weights.sub_(log_sum[tile, None]).exp_().mul_(upstream[tile, None])
            pull = weights @ against
            towards_rows[tile] += pull * inverse
            towards_columns.addmm_(weights.T, rows[tile] * inverse)
            towards_inverse += (pull * rows[tile]).sum()
        return towards_rows, None if columns is None else towards_columns, None, towards_inverse


def _scores(rows: Tensor, columns: Tensor | None, own: int | None, start: int, inverse: Tensor) -> Tensor:
    """Scores of a tile of rows, from row ``start``, against the columns: [tile, m]; -inf for a row against itself."""
    against = rows if columns is None else columns
    scores = (rows[start : start + TILE] @ against.T).mul_(inverse)
    if own is not None:
        scores.diagonal(own + start).fill_(float("-inf"))
    return scores
