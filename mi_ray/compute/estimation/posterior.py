"""The optimal critic of same-class pairs, from a probe: x and y are independent given C, so the density ratio is
sum_c p(c|x) p(c|y) / p(c). The probe sees labels, as same-class sampling does; any critic gives a lower bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from mi_ray.compute.estimation.perceptron import Perceptron
from mi_ray.compute.estimation.readings import Pairs
from mi_ray.compute.numerics.axes import PrincipalAxes
from mi_ray.compute.numerics.blocks import rows_within, slices
from mi_ray.compute.numerics.finite import refuse_rows
from mi_ray.compute.numerics.jackknife import Mean, Nwj, Sums, cross_counts, numbered, over_pairs, per_source, units
from mi_ray.compute.numerics.strata import Labels
from mi_ray.compute.numerics.uncertainty import Sources
from mi_ray.compute.probes.logistic import Probes, fit_probes
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import bits

Posterior = Float64[np.ndarray, "n classes"]
Read = Callable[[np.ndarray], np.ndarray]
"""A function that returns a row [classes] for each image."""


SOFTNESS = tuple(np.geomspace(0.5, 4, 7))
"""Candidate divisors of the probe's logits; validation chooses one."""

LEFT_BITS = 0.02
"""Cross-entropy on validation, above the least possible, from which another probe than the linear one is tried."""


@dataclass(frozen=True, eq=False)
class PosteriorModel:
    """p(c | h): a probe under one penalty, its logits divided by ``softness``, mixed with ``doubt`` of the prior.
    ``penalty``: its number; 0 of a perceptron, which has one.

    The doubt follows Laplace's rule, 1 / (sources of validation + 2): a probe without an error on validation may err on
    test, and one certain error would cost an unbounded logarithm.
    """

    probes: Probes | Perceptron
    penalty: int
    shift: Float64[np.ndarray, " classes"]
    prior: Float64[np.ndarray, " classes"]
    softness: float
    doubt: float

    @property
    def hidden_units(self) -> int:
        """Units of the probe's hidden layer; 0 of a linear one."""
        return self.probes.hidden if isinstance(self.probes, Perceptron) else 0

    def __call__(self, h: Float[Tensor, "n width"]) -> Posterior:
        return np.concatenate([self._of(logits) for _, logits in self.probes.blocks(h, 0)])

    def _of(self, logits: Float[Tensor, "n penalties classes"]) -> Posterior:
        chosen = logits[:, self.penalty].double().cpu().numpy()
        return _posterior(chosen, self.shift, self.prior, self.softness, self.doubt)


def fit_posterior(
    train: tuple[Float[Tensor, "n width"], Labels],
    validation: tuple[Float[Tensor, "m width"], Int64[np.ndarray, " m"]],
    sources: Int64[np.ndarray, " m"],
    prior: Sequence[float],
    *,
    penalties: Sequence[float],
    axes: PrincipalAxes | None = None,
    richer: Callable[[], Perceptron] | None = None,
) -> PosteriorModel:
    """Fit p(c | h) on train; probe, penalty and softness are those of the best likelihood on validation.

    ``sources`` [m] of validation; ``prior`` [C]: chance of each class among the pairs. Class shares of train
    that differ are corrected; a class absent from train keeps its doubt. ``axes``: those of h, if already known; their
    device computes. ``richer`` fits another probe of the same rows, and is asked only where the linear one leaves more
    than `LEFT_BITS` on validation.
    """
    h, labels = train
    classes = np.asarray(prior)
    probes = fit_probes(h, [torch.from_numpy(labels)], [len(classes)], penalties, axes=axes)
    with np.errstate(divide="ignore"):
        shift = np.log(_over(classes, np.bincount(labels, minlength=len(classes)) / len(labels)))
    doubt = 1 / (len(np.unique(sources)) + 2)

    def best(probes: Probes | Perceptron, n_penalties: int) -> tuple[PosteriorModel, float]:
        settings = product(range(n_penalties), SOFTNESS)
        models = [PosteriorModel(probes, penalty, shift, classes, softness, doubt) for penalty, softness in settings]
        return _likeliest(models, *validation)

    model, loss = best(probes, len(penalties))
    least = -np.log(1 - doubt + doubt * classes[validation[1]]).mean()
    if richer is None or bits(loss - least) <= LEFT_BITS:
        return model
    other, other_loss = best(richer(), 1)
    return other if other_loss < loss else model


def _likeliest(
    models: Sequence[PosteriorModel], h: Float[Tensor, "n width"], labels: Int64[np.ndarray, " n"]
) -> tuple[PosteriorModel, float]:
    """The model of the best likelihood, of several with the same probes, and its cross-entropy in nats."""
    chances = [_chances(models, logits, labels[rows]) for rows, logits in models[0].probes.blocks(h, 0)]
    losses = [-np.log(of_labels).mean() for of_labels in np.concatenate(chances, axis=1)]
    best = int(np.argmin(losses))
    return models[best], float(losses[best])


def _chances(models: Sequence[PosteriorModel], logits: Tensor, labels: np.ndarray) -> Float64[np.ndarray, "models n"]:
    """The probability that each model gives to the labels of some rows."""
    return np.stack([model._of(logits)[np.arange(len(labels)), labels] for model in models])


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

    By the data-processing inequality its reading is a lower bound of that of h. ``held``, ``labels``: other rows, which
    `confusion` is counted on.
    """
    return confusion(predicted(held), labels, prior)[predicted(p)]


def predicted(p: Posterior) -> Int64[np.ndarray, " n"]:
    """The likeliest class of each row; NotFinite if a value of p is not."""
    refuse_rows("p", p)
    return p.argmax(1)


def confusion(
    predictions: Int64[np.ndarray, " m"], labels: Int64[np.ndarray, " m"], prior: Float64[np.ndarray, " classes"]
) -> Float64[np.ndarray, "classes classes"]:
    """p(c | predicted class), a row for each prediction, counted with one pseudo-count of the prior each."""
    counts = np.tile(prior, (len(prior), 1))
    np.add.at(counts, (predictions, labels), 1.0)
    return counts / counts.sum(1, keepdims=True)


def score_posterior(
    p: Posterior, pairs: Pairs, channel: LabelChannel, row_of: Int64[np.ndarray, " images"] | None = None
) -> Nwj:
    """The NWJ bound of the critic log((1 - r) sum_c p(c|x) p(c|y) / p(c) + r), r the chance of a redraw.

    The sum over all cross pairs factorises over classes: the cost is linear in pairs, which are read in blocks.
    ``row_of``: the row of p that each image has, if images share rows (`confusion`); else p has a row for each image.
    NotFinite if a value of p is not.
    """
    refuse_rows("p", p)
    x, y = pairs.x.ravel(), pairs.y.ravel()
    source, size = numbered(pairs.sources)
    of_x, of_y = source[x], source[y]
    stays, anew, prior = 1 - channel.redraw, channel.redraw, np.asarray(channel.prior)
    at = np.arange(len(p)) if row_of is None else row_of

    def of(side: np.ndarray) -> np.ndarray:
        return p[at[side]]

    def weighted(side: np.ndarray) -> np.ndarray:
        return _over(p[at[side]], prior)

    classes, at_once = p.shape[1], rows_within(p.shape[1] * p.itemsize)
    blocks = list(slices(len(x), at_once))
    ratio = stays * np.concatenate([(weighted(x[b]) * of(y[b])).sum(1) for b in blocks]) + anew
    all_x, all_y = sum(weighted(x[b]).sum(0) for b in blocks), sum(of(y[b]).sum(0) for b in blocks)
    counts = cross_counts(of_x, of_y, size)
    per_x = np.concatenate([stays * weighted(x[b]) @ all_y for b in blocks]) + anew * len(y) - ratio
    per_y = np.concatenate([stays * of(y[b]) @ all_x for b in blocks]) + anew * len(x) - ratio
    same = of_x == of_y
    both = stays * _shared([(weighted, x), (of, y)], source, size, classes, at_once)
    both += anew * counts.as_both + anew * per_source(np.ones(same.sum()), of_x[same], size)
    both -= per_source(ratio[same], of_x[same], size)
    cross = Sums(float(per_x.sum()), per_source(per_x, of_x, size), per_source(per_y, of_y, size), both)
    misplaced = np.roll(y, 1)
    worst = min(float(np.log(stays * (weighted(x[b]) * of(misplaced[b])).sum(1) + anew).min()) for b in blocks)
    f = np.log(ratio)
    return Nwj(over_pairs(f, of_x, of_y, size), Mean(cross, counts), worst, units(f, x, y, source))


def _shared(
    sides: Sequence[tuple[Read, np.ndarray]], source: Sources, size: int, classes: int, at_once: int
) -> Float64[np.ndarray, " g"]:
    """For each source [g], the inner product of the sums over its x and over its y, ``at_once`` sources at a time.
    ``sides``: how rows are read, and the images, of x and of y."""
    products = []
    for part in slices(size, at_once):
        totals = np.zeros((2, part.stop - part.start, classes))
        for total, (rows, images) in zip(totals, sides, strict=True):
            number = source[images] - part.start
            here = np.flatnonzero((number >= 0) & (number < total.shape[0]))
            for block in slices(len(here), at_once):
                np.add.at(total, number[here[block]], rows(images[here[block]]))
        products.append((totals[0] * totals[1]).sum(1))
    return np.concatenate(products)


def _over(p: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """p / chances, and 0 of a class without a chance."""
    return np.divide(p, chances, out=np.zeros(p.shape), where=chances > 0)
