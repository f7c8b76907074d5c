"""Estimators of mutual information for comparison with NT-Xent, in nats: bounds of a score matrix, CLUB and KSG.

A score matrix f [k, k] holds critic(x_i, y_j): its diagonal is drawn from the joint distribution, every other entry
from the product of the marginals. The means over the two are written E_joint and E_cross. All functions of f return a
differentiable scalar.
"""

from __future__ import annotations

from math import inf, log, log1p

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy.spatial import cKDTree
from scipy.special import digamma
from torch import Tensor
from torch.nn.functional import softplus

from mi_ray.compute.numerics.axes import PrincipalAxes
from mi_ray.compute.numerics.blocks import tensor_of
from mi_ray.compute.numerics.finite import refuse_rows
from mi_ray.compute.seeding import stream

Scores = Float[Tensor, "x y"]
"""f [k, k], in nats; anything but a square of at least two rows of finite numbers is refused with ValueError."""

Nats = Float[Tensor, ""]

TIE_BREAK = 1e-10
"""Deviation of the noise that parts equal rows, as Kraskov et al. advise; the data have unit variance."""

SILENT = 1e-6
"""Deviation along a principal axis, of features at unit variance, that is rounding: the features depend on each other
linearly there. No offset and no scale of a feature makes an axis silent."""

# Lower bounds


def info_nce(scores: Scores) -> Nats:
    """log K + E_joint[f_ii - log sum_j exp f_ij] (Oord et al. 2018): each x among K candidates y, at most log K."""
    return log(_size(scores)) + (scores.diagonal() - scores.logsumexp(1)).mean()


def nwj(scores: Scores) -> Nats:
    """E_joint[f] - E_cross[exp(f - 1)] (Nguyen et al. 2010); tight where f = 1 + log ratio."""
    return _joint(scores) - (_log_mean_cross(scores) - 1).exp()


def donsker_varadhan(scores: Scores) -> Nats:
    """E_joint[f] - log E_cross[exp f] (Donsker & Varadhan 1983); tight where f = constant + log ratio.

    A bound for infinitely many pairs: the logarithm of a mean over few overestimates the information.
    """
    return _joint(scores) - _log_mean_cross(scores)


def mine(scores: Scores, log_average: Nats | None = None, *, rate: float = 0.01) -> tuple[Nats, Nats]:
    """MINE (Belghazi et al. 2018): the value of Donsker-Varadhan, with its gradient corrected for small batches.

    The gradient is E_joint[df] - E_cross[exp(f) df] / average, where average <- (1 - rate) average + rate E_cross[exp
    f]. Takes the logarithm of the last average (none on the first batch) and returns the value and the new logarithm.
    """
    if not 0 < rate < 1:
        raise ValueError(f"rate: {rate} must lie between 0 and 1")
    log_mean = _log_mean_cross(scores)
    batch = log_mean.detach()
    average = batch if log_average is None else torch.logaddexp(log_average + log1p(-rate), batch + log(rate))
    return _valued(_joint(scores) - (log_mean - average).exp(), donsker_varadhan(scores)), average


# No lower bounds


def smile(scores: Scores, *, clip: float = 5.0) -> Nats:
    """E_joint[f] - log E_cross[exp(clip(f, -clip, clip))] (Song & Ermon 2020), neither a lower nor an upper bound.

    As in the authors' code, that is the value only: the gradient is that of `jensen_shannon`.
    """
    if not clip > 0:
        raise ValueError(f"clip: {clip} must be above 0; inf gives Donsker-Varadhan")
    return _valued(jensen_shannon(scores), _joint(scores) - _log_mean_cross(scores.clamp(-clip, clip)))


def jensen_shannon(scores: Scores) -> Nats:
    """-E_joint[softplus(-f)] - E_cross[softplus(f)] (Nowozin et al. 2016): an objective that trains f to log ratio.

    At its maximum it is 2 JSD(joint, cross) - log 4, no mutual information.
    """
    k, penalty = _size(scores), softplus(scores)
    cross = (penalty.sum() - penalty.diagonal().sum()) / (k * (k - 1))
    return -softplus(-scores.diagonal()).mean() - cross


def club(log_likelihoods: Scores) -> Nats:
    """E_joint[log q(y|x)] - E_cross[log q(y|x)] (Cheng et al. 2020): an upper bound where q is the true p(y|x).

    ``log_likelihoods``: [k, k], log q(y_j|x_i). The paper's double sum counts the diagonal too, which shrinks the value
    by 1 - 1/K; here it is left out.
    """
    k = _size(log_likelihoods, "log_likelihoods")
    joint = _joint(log_likelihoods)
    return joint - (log_likelihoods.sum() - k * joint) / (k * (k - 1))


def ksg(
    x: Float[np.ndarray, "n_x d_x"],
    y: Float[np.ndarray, "n_y d_y"],
    k: int = 3,
    components: int = 8,
    *,
    seed: int = 0,
) -> float:
    """psi(k) + psi(n) - E[psi(n_x + 1) + psi(n_y + 1)] (Kraskov et al. 2004, I^(1)), in nats.

    x, y: [n, any width], row by row one independent pair, finite, at any offset and scale. Distances are maximum norms
    over the ``components`` loudest principal axes of each side, at unit variance; n_x and n_y count neighbours nearer
    than the k-th joint neighbour.
    """
    n = len(x)
    if len(y) != n:
        raise ValueError(f"y: {len(y)} rows, but x has {n}")
    if not 0 < k < n:
        raise ValueError(f"k: {k} must be from 1 to n - 1 = {n - 1}")
    rng = stream(seed, "ksg")
    sides = [_loudest(name, side, components, rng) for name, side in (("x", x), ("y", y))]
    joint = np.hstack(sides)
    farthest = cKDTree(joint).query(joint, k=[k + 1], p=inf)[0][:, 0]
    within = np.nextafter(farthest, 0)
    nearer = [cKDTree(side).query_ball_point(side, within, p=inf, return_length=True) for side in sides]
    return float(digamma(k) + digamma(n) - sum(digamma(count).mean() for count in nearer))  # counts hold the row itself


# Parts of the above


def _size(scores: Tensor, name: str = "scores") -> int:
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1] or len(scores) < 2:
        raise ValueError(f"{name}: shape {list(scores.shape)} must be a square of at least two rows")
    refuse_rows(name, scores.detach())
    return len(scores)


def _joint(scores: Tensor) -> Tensor:
    return scores.diagonal().sum() / _size(scores)


def _log_mean_cross(scores: Tensor) -> Tensor:
    """log E_cross[exp f]."""
    k = _size(scores)
    diagonal = torch.eye(k, dtype=torch.bool, device=scores.device)
    return scores.masked_fill(diagonal, -inf).logsumexp((0, 1)) - log(k * (k - 1))


def _valued(objective: Tensor, value: Tensor) -> Tensor:
    """``value``, with the gradient of ``objective``."""
    return value.detach() + (objective - objective.detach())


def _loudest(name: str, h: np.ndarray, components: int, rng: np.random.Generator) -> Float64[np.ndarray, "n c"]:
    """The ``components`` loudest principal axes of h at unit variance, with ties broken; silent axes are left out."""
    if components < 1:
        raise ValueError(f"components: {components} must be at least 1")
    refuse_rows(name, h)
    rows = tensor_of(np.ascontiguousarray(h)).double()
    loudest = PrincipalAxes(rows)(rows)[:, -components:].numpy()
    deviation = loudest.std(0)
    heard = deviation > SILENT
    if not heard.any():
        raise ValueError(f"{name}: every row is the same")
    scaled = loudest[:, heard] / deviation[heard]
    return scaled + TIE_BREAK * rng.standard_normal(scaled.shape)
