"""Classes discovered from pairs alone: the critic of `posterior` without labels.

The two sides of a pair share a hidden class: p(x, y) = sum_kl A_kl p(x|k) p(y|l), where
A = (1 - r) diag(p) + r p p', as in `mi_ray.theory.channel`. Features are whitened by the differences of pairs, in which
the class cancels, so that classes become isotropic. Annealed EM fits far too many classes; then those whose loss costs
the least likelihood are dropped, and validation selects the smallest sufficient number. Any critic gives a lower bound
on other rows, whether its classes are right or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from jaxtyping import Float32, Float64

from mi_ray.compute.estimation.posterior import Posterior, score_posterior
from mi_ray.compute.estimation.readings import Pairs
from mi_ray.compute.numerics.axes import Standardiser
from mi_ray.compute.numerics.jackknife import Nwj
from mi_ray.compute.seeding import stream
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import bits

AXES = 128
"""Number of directions that are kept: those in which pairs agree most."""

CLASSES, PAIRS_PER_CLASS = 256, 8
"""Number of classes that the search begins with; pairs per class that it needs, so that few pairs begin with fewer."""

ANNEALING, STEPS, LAST_STEPS = np.geomspace(0.15, 1.0, 12), 3, 10
"""Sharpness of each of the first steps of EM; number of steps each time classes were dropped, and at the end."""

ENOUGH_BITS = 0.01
"""Difference to the best validation value at which a smaller number of classes is sufficient."""

REDRAW, DEEPEST_NATS = (1e-4, 0.999), -40.0
"""Limits of the chance of a redraw; lower limit of log posteriors, so that float32 can represent a product of two."""

GLANCE, SOFTNESS, DOUBT = (0.05, 0.25, 0.8), tuple(np.geomspace(0.02, 1.4, 10)), (2.5e-4, 1e-3, 5e-3, 2e-2)
"""Factors of the log-likelihood that validation selects from, while classes are dropped and at the end; shares of the
prior that are mixed in at the end."""

Rows = Float32[np.ndarray, "_ _"]
Couples = tuple[Rows, Rows]
"""The two sides of pairs [n, width], row by row."""


class PairAxes:
    """Directions sorted by the ratio of the variance of pairs' sums to that of their differences. ``roundness`` in
    [0, 1] is the weight of a multiple of the identity in the covariance of the differences (of standardised
    features)."""

    def __init__(self, x: Rows, y: Rows, roundness: float) -> None:
        h = torch.from_numpy(np.concatenate([x, y])).double()
        self._standardiser = Standardiser(h)
        x, y = np.split(self._standardiser(h).numpy(), 2)
        apart, together = (side.T @ side / (2 * len(side)) for side in (x - y, x + y))
        level, roundness = max(apart.trace() / len(apart), 1e-12), max(roundness, 1e-6)
        values, vectors = np.linalg.eigh((1 - roundness) * apart + roundness * level * np.eye(len(apart)))
        whiten = vectors / np.sqrt(values)
        self._rotation = whiten @ np.linalg.eigh(whiten.T @ together @ whiten)[1][:, : -AXES - 1 : -1]

    def __call__(self, h: Rows) -> Rows:
        return (self._standardiser(torch.from_numpy(h).double()).numpy() @ self._rotation).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Mixture:
    """Isotropic Gaussian classes of unit variance with ``means`` [K, axes] and probabilities ``prior`` [K]; a partner's
    class is drawn anew with probability ``redraw``."""

    means: Float32[np.ndarray, "k axes"]
    prior: Float32[np.ndarray, " k"]
    redraw: float

    def joint(self, h: Rows, softness: float = 1.0) -> Float32[np.ndarray, "n k"]:
        """log p(h, k) up to a term that all classes share."""
        near = h @ self.means.T - (self.means**2).sum(1) / 2
        return np.float32(softness) * near + np.log(self.prior)

    def posterior(self, h: Rows, softness: float = 1.0) -> Float32[np.ndarray, "n k"]:
        """p(k | h)."""
        joint = self.joint(h, softness)
        p = np.exp(np.maximum(joint - joint.max(1, keepdims=True), DEEPEST_NATS))
        return p / p.sum(1, keepdims=True)

    def doubted(self, h: Rows, softness: float, doubt: float) -> Posterior:
        """p(k | h), mixed with ``doubt`` of the prior."""
        return (1 - doubt) * self.posterior(h, softness).astype(float) + doubt * np.asarray(self.channel.prior)

    @property
    def channel(self) -> LabelChannel:
        prior = self.prior.astype(float)
        return LabelChannel(prior=tuple((prior / prior.sum()).tolist()), redraw=self.redraw)


@dataclass(frozen=True, eq=False)
class Discovered:
    """p(k | h) of discovered classes, with the ``softness`` and the ``doubt`` that are best on validation."""

    axes: PairAxes
    mixture: Mixture
    softness: float
    doubt: float

    @property
    def channel(self) -> LabelChannel:
        return self.mixture.channel

    def __call__(self, h: Rows) -> Posterior:
        return self.mixture.doubted(self.axes(h), self.softness, self.doubt)


def discover(train: Couples, validation: Couples, *, roundness: float, seed: int) -> Discovered:
    """Fit classes to the pairs of ``train``; select their number, softness and doubt on ``validation``."""
    axes = PairAxes(*train, roundness)
    (x, y), held = ((axes(side[0]), axes(side[1])) for side in (train, validation))
    few = _enough(_fewer(_many(x, y, seed), x, y, held, share=0.08, hopeless=0.5))
    mixture = _enough(_fewer(few, x, y, held, share=0.0, hopeless=0.99))
    for _ in range(LAST_STEPS):
        mixture = _step(mixture, x, y)
    level = replace(mixture, prior=np.full_like(mixture.prior, 1 / len(mixture.prior)))
    tried = product((mixture, level), SOFTNESS, DOUBT)
    return Discovered(axes, *max(tried, key=lambda settings: _held_bits(held, *settings)))


def score_couples(p: Float64[np.ndarray, "rows k"], channel: LabelChannel) -> Nwj:
    """`score_posterior` of the pairs of row i with row n + i of ``p`` [2 n, K]."""
    x, y = np.arange(len(p)).reshape(2, 1, -1)
    return score_posterior(p, Pairs(x, y, np.tile(x[0], 2)), channel)


def _held_bits(held: Couples, mixture: Mixture, softness: float, doubt: float) -> float:
    """The NWJ bound on held-out pairs in bits, with the offset that is best on them."""
    scored = score_couples(mixture.doubted(np.concatenate(held), softness, doubt), mixture.channel)
    return bits(scored.value(scored.best_offset))


def _many(x: Rows, y: Rows, seed: int) -> Mixture:
    """A mixture of too many classes: k-means++ centres among the means of pairs, then annealed EM."""
    count = max(2, min(CLASSES, len(x) // PAIRS_PER_CLASS))
    means = _spread((x + y) / 2, count, stream(seed, "discovered classes"))
    mixture = Mixture(means, np.full(count, 1 / count, np.float32), 0.1)
    for sharpness in ANNEALING:
        mixture = _step(mixture, x, y, sharpness)
    return mixture


def _spread(rows: Rows, count: int, rng: np.random.Generator, candidates: int = 8) -> Rows:
    """``count`` rows by k-means++: each is the best of ``candidates``, which are drawn by squared distance to the rows
    chosen so far."""
    size, nearest = (rows**2).sum(1), np.full(len(rows), np.inf)
    drawn = rng.integers(len(rows), size=1)
    chosen: list[int] = []
    while True:
        left = np.minimum(nearest, np.maximum(size + size[drawn, None] - 2 * rows[drawn] @ rows.T, 0))
        best = left.sum(1).argmin()
        nearest = left[best]
        chosen.append(int(drawn[best]))
        if len(chosen) == count:
            return rows[chosen]
        drawn = np.searchsorted(nearest.cumsum(), rng.random(candidates) * nearest.sum()).clip(max=len(rows) - 1)


def _step(mixture: Mixture, x: Rows, y: Rows, sharpness: float = 1.0) -> Mixture:
    """One step of EM. Both sides of a pair inform its class; if the class was redrawn, each side informs its own."""
    of_x, of_y = (mixture.posterior(side, sharpness) for side in (x, y))
    both = (1 - mixture.redraw) * of_x * of_y / mixture.prior
    total = both.sum(1, keepdims=True) + mixture.redraw
    both, anew = both / total, mixture.redraw / total
    of_x, of_y = both + anew * of_x, both + anew * of_y
    count = of_x.sum(0) + of_y.sum(0) + 1e-3
    means = (of_x.T @ x + of_y.T @ y) / count[:, None]
    return Mixture(means, count / count.sum(), float(np.clip(anew.mean(), *REDRAW)))


Tried = Iterator[tuple[float, Mixture]]


def _fewer(mixture: Mixture, x: Rows, y: Rows, held: Couples, *, share: float, hopeless: float) -> Tried:
    """Validation values with mixtures of fewer and fewer classes, ``share`` of them dropped at a time, until the value
    is less than ``hopeless`` times the best."""
    best, value = 0.0, np.inf
    while len(mixture.prior) >= 2 and value >= hopeless * best - ENOUGH_BITS:
        value = max(_held_bits(held, mixture, softness, DOUBT[0]) for softness in GLANCE)
        best = max(best, value)
        yield value, mixture
        mixture = _without(mixture, np.concatenate([x, y]), max(1, int(share * len(mixture.prior))))
        for _ in range(STEPS):
            mixture = _step(mixture, x, y)


def _enough(tried: Tried) -> Mixture:
    """The mixture of fewest classes whose value is within `ENOUGH_BITS` of the best."""
    mixtures = list(tried)
    best = max(value for value, _ in mixtures)
    return min((m for value, m in mixtures if value >= best - ENOUGH_BITS), key=lambda m: len(m.prior))


def _without(mixture: Mixture, h: Rows, count: int) -> Mixture:
    """The mixture without ``count`` classes: those whose rows lose the least likelihood when their second best class
    takes them. The class that takes most rows of a dropped class is kept, so that two similar classes are not dropped
    together."""
    rows, size, joint = np.arange(len(h)), len(mixture.prior), mixture.joint(h)
    first = joint.argmax(1)
    top = joint[rows, first]
    joint[rows, first] = -np.inf
    second = joint.argmax(1)
    missed = np.bincount(first, top - joint[rows, second], size)
    heir = np.bincount(first * size + second, minlength=size * size).reshape(size, size).argmax(1)
    dropped, prior = np.zeros(size, dtype=bool), mixture.prior.copy()
    for label in np.argsort(missed, kind="stable"):
        if dropped.sum() < count and not dropped[heir[label]] and label not in heir[dropped]:
            dropped[label] = True
            prior[heir[label]] += prior[label]
    return Mixture(mixture.means[~dropped], prior[~dropped], mixture.redraw)
