"""The optimal critic of same-class pairs, from a linear probe: x and y are independent given C, so the density ratio
is sum_c p(c|x) p(c|y) / p(c). The probe sees labels, as same-class sampling does; any critic gives a lower bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from mi_ray.compute.estimation.readings import Pairs
from mi_ray.compute.numerics.axes import PrincipalAxes
from mi_ray.compute.numerics.finite import refuse_rows
from mi_ray.compute.numerics.jackknife import Mean, Nwj, Sums, cross_counts, numbered, over_pairs, per_source, units
from mi_ray.compute.numerics.strata import Labels
from mi_ray.compute.probes.logistic import Probes, fit_probes
from mi_ray.theory.channel import LabelChannel

Posterior = Float64[np.ndarray, "n classes"]


SOFTNESS = tuple(np.geomspace(0.5, 4, 7))
"""Candidate divisors of the probe's logits; validation chooses one."""


@dataclass(frozen=True, eq=False)
class PosteriorModel:
    """p(c | h): a probe under one penalty, its logits divided by ``softness``, mixed with ``doubt`` of the prior.

    The doubt follows Laplace's rule, 1 / (sources of validation + 2): a probe without an error on validation may err on
    test, and one certain error would cost an unbounded logarithm.
    """

    probes: Probes
    penalty: int
    shift: Float64[np.ndarray, " classes"]
    prior: Float64[np.ndarray, " classes"]
    softness: float
    doubt: float

    def __call__(self, h: Float[Tensor, "n width"]) -> Posterior:
        logits = self.probes.logits(h, 0)[:, self.penalty].double().numpy()
        return _posterior(logits, self.shift, self.prior, self.softness, self.doubt)


def fit_posterior(
    train: tuple[Float[Tensor, "n width"], Labels],
    validation: tuple[Float[Tensor, "m width"], Int64[np.ndarray, " m"]],
    sources: Int64[np.ndarray, " m"],
    prior: Sequence[float],
    *,
    penalties: Sequence[float],
    axes: PrincipalAxes | None = None,
) -> PosteriorModel:
    """Fit p(c | h) on train; penalty and softness are those of the best likelihood on validation.

    ``sources`` [m] of validation; ``prior`` [C]: chance of each class among the pairs. Class shares of train
    that differ are corrected; a class absent from train keeps its doubt.
    """
    h, labels = train
    classes = np.asarray(prior)
    probes = fit_probes(h, [torch.from_numpy(labels)], [len(classes)], penalties, axes=axes)
    with np.errstate(divide="ignore"):
        shift = np.log(_over(classes, np.bincount(labels, minlength=len(classes)) / len(labels)))
    logits = probes.logits(validation[0], 0).double().numpy()
    rows = np.arange(len(logits))

    doubt = 1 / (len(np.unique(sources)) + 2)

    def loss(choice: tuple[int, float]) -> float:
        penalty, softness = choice
        p = _posterior(logits[:, penalty], shift, classes, softness, doubt)
        return float(-np.log(p[rows, validation[1]]).mean())

    penalty, softness = min(product(range(len(penalties)), SOFTNESS), key=loss)
    return PosteriorModel(probes, penalty, shift, classes, softness, doubt)


def _posterior(logits: np.ndarray, shift: np.ndarray, prior: np.ndarray, softness: float, doubt: float) -> Posterior:
    tilted = logits / softness + shift
    p = np.exp(tilted - tilted.max(1, keepdims=True))
    return (1 - doubt) * p / p.sum(1, keepdims=True) + doubt * prior


def confused(
    held: Float64[np.ndarray, "m classes"],
    labels: Int64[np.ndarray, " m"],
    prior: Float64[np.ndarray, " classes"],
    p: Posterior,
) -> Posterior:
    """p(c | predicted class) of the rows ``p``, which keeps their predicted class alone.

    The confusion matrix is counted on other rows, ``held`` with their ``labels``, with one pseudo-count of the prior
    for each prediction. By the data-processing inequality its reading is a lower bound of that of h.
    """
    for rows in (held, p):
        refuse_rows("p", rows)
    counts = np.tile(prior, (len(prior), 1))
    np.add.at(counts, (held.argmax(1), labels), 1.0)
    return (counts / counts.sum(1, keepdims=True))[p.argmax(1)]


def score_posterior(p: Posterior, pairs: Pairs, channel: LabelChannel) -> Nwj:
    """The NWJ bound of the critic log((1 - r) sum_c p(c|x) p(c|y) / p(c) + r), r the chance of a redraw.

    The sum over all cross pairs factorises over classes: the cost is linear in pairs. NotFinite if a value of p is not.
    """
    refuse_rows("p", p)
    x, y = pairs.x.ravel(), pairs.y.ravel()
    source, size = numbered(pairs.sources)
    of_x, of_y = source[x], source[y]
    weighted = _over(p, np.asarray(channel.prior))
    stays, anew = 1 - channel.redraw, channel.redraw
    ratio = stays * (weighted[x] * p[y]).sum(1) + anew
    all_x, all_y = weighted[x].sum(0), p[y].sum(0)
    counts = cross_counts(of_x, of_y, size)
    per_x = stays * weighted[x] @ all_y + anew * len(y) - ratio
    per_y = stays * p[y] @ all_x + anew * len(x) - ratio
    same = of_x == of_y
    both = stays * (_by_source(weighted[x], of_x, size) * _by_source(p[y], of_y, size)).sum(1)
    both += anew * counts.as_both + anew * per_source(np.ones(same.sum()), of_x[same], size)
    both -= per_source(ratio[same], of_x[same], size)
    cross = Sums(float(per_x.sum()), per_source(per_x, of_x, size), per_source(per_y, of_y, size), both)
    worst = float(np.log(stays * (weighted[x] * p[np.roll(y, 1)]).sum(1) + anew).min())
    f = np.log(ratio)
    return Nwj(over_pairs(f, of_x, of_y, size), Mean(cross, counts), worst, units(f, x, y, source))


def _over(p: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """p / chances, and 0 of a class without a chance."""
    return np.divide(p, chances, out=np.zeros(p.shape), where=chances > 0)


def _by_source(rows: np.ndarray, source: np.ndarray, size: int) -> Float64[np.ndarray, "g classes"]:
    totals = np.zeros((size, rows.shape[1]))
    np.add.at(totals, source, rows)
    return totals
