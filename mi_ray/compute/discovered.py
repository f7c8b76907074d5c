"""Classes discovered from pairs alone: the critic of `posterior` where nobody tells the labels.

What the two sides of a pair share is taken for a class that neither tells: p(x, y) = sum_kl A_kl p(x|k) p(y|l), where
A = (1 - r) diag(p) + r p p', as in `mi_ray.theory.channel`. Classes are round after whitening by the differences of
pairs, in which a class cancels. Far too many are fitted by annealed EM, then those that the rows would miss least are
dropped, and validation says how few are enough. Any critic makes a legal bound on other rows, found or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from jaxtyping import Float32, Float64

from mi_ray.compute.jackknife import Nwj
from mi_ray.compute.posterior import Posterior, score_posterior
from mi_ray.compute.readings import Pairs
from mi_ray.compute.seeding import stream
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import bits

AXES = 128
"""Directions that are kept: those in which pairs agree most."""

CLASSES, PAIRS_PER_CLASS = 256, 8
"""How many classes the search begins with, and fewer if pairs are few."""

ANNEALING = np.geomspace(0.15, 1.0, 12)
STEPS, LAST_STEPS = 3, 10
"""Steps of EM after classes were dropped, and at the end."""

DROPPED = 0.08
"""Share of the classes that are dropped at once."""

ENOUGH_BITS = 0.01
"""The fewest classes whose value on validation is that near to the best are enough."""

HOPELESS = 0.85
"""The search ends where the value has fallen to this share of the best."""

REDRAW = 1e-4, 0.999
GLANCE = (0.05, 0.25, 0.8)
SOFTNESS = tuple(np.geomspace(0.02, 1.4, 10))
DOUBT = (2.5e-4, 1e-3, 5e-3, 2e-2)
"""Factors of the log-likelihood and shares of the prior that are tried on validation; by day few, in the end all."""

Rows = Float32[np.ndarray, "_ _"]
Couples = tuple[Rows, Rows]
"""The two sides of pairs, row by row."""


class PairAxes:
    """Directions by how far pairs agree, in units of how far they differ; ``roundness`` in [0, 1] is the share of
    the differences' covariance (of standardised features) that is taken for a multiple of the identity."""

    def __init__(self, x: Rows, y: Rows, roundness: float) -> None:
        h = np.concatenate([x, y]).astype(float)
        self._mean, std = h.mean(0), h.std(0)
        self._std = np.where(std > 1e-5 * np.abs(self._mean), std, np.inf)
        x, y = np.split((h - self._mean) / self._std, 2)
        apart, together = (side.T @ side / (2 * len(side)) for side in (x - y, x + y))
        level = max(np.trace(apart) / len(apart), 1e-12)
        roundness = max(roundness, 1e-6)
        values, vectors = np.linalg.eigh((1 - roundness) * apart + roundness * level * np.eye(len(apart)))
        whiten = vectors / np.sqrt(values)
        self._rotation = whiten @ np.linalg.eigh(whiten.T @ together @ whiten)[1][:, : -AXES - 1 : -1]

    def __call__(self, h: Rows) -> Rows:
        return (((h - self._mean) / self._std) @ self._rotation).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Mixture:
    """Round classes of unit variance with ``means`` [K, axes] and chances ``prior`` [K]; a partner's class is drawn
    anew with chance ``redraw``."""

    means: Float32[np.ndarray, "k axes"]
    prior: Float32[np.ndarray, " k"]
    redraw: float

    def joint(self, h: Rows, softness: float = 1.0) -> Float32[np.ndarray, "n k"]:
        """log p(h, k) up to what all classes share."""
        near = h @ self.means.T - (self.means**2).sum(1) / 2
        return np.float32(softness) * near + np.log(self.prior)

    def posterior(self, h: Rows, softness: float = 1.0) -> Float32[np.ndarray, "n k"]:
        """p(k | h)."""
        joint = self.joint(h, softness)
        p = np.exp(joint - joint.max(1, keepdims=True))
        return p / p.sum(1, keepdims=True)

    @property
    def channel(self) -> LabelChannel:
        prior = self.prior.astype(float)
        return LabelChannel(prior=tuple((prior / prior.sum()).tolist()), redraw=self.redraw)


@dataclass(frozen=True, eq=False)
class Discovered:
    """p(k | h) of discovered classes, calibrated: see `Mixture`; the doubt is a share of the prior in every row."""

    axes: PairAxes
    mixture: Mixture
    softness: float
    doubt: float

    @property
    def channel(self) -> LabelChannel:
        return self.mixture.channel

    def __call__(self, h: Rows) -> Posterior:
        return _doubted(self.mixture, self.axes(h), self.softness, self.doubt)


def discover(train: Couples, validation: Couples, *, roundness: float, seed: int) -> Discovered:
    """Fit classes to the pairs of ``train``; how many they are, how soft and how doubtful, ``validation`` says."""
    axes = PairAxes(*train, roundness)
    (x, y), held = ((axes(side[0]), axes(side[1])) for side in (train, validation))
    steps = list(_fewer(_many(x, y, seed), x, y, held, DROPPED))
    start, end = _enough(steps)
    one_by_one = list(_fewer(start, x, y, held, 0.0, least=end))
    mixture = _enough([*steps, *one_by_one])[0]
    for _ in range(LAST_STEPS):
        mixture = _step(mixture, x, y)
    level = replace(mixture, prior=np.full_like(mixture.prior, 1 / len(mixture.prior)))
    tried = product((mixture, level), SOFTNESS, DOUBT)
    best = max(tried, key=lambda settings: _held_bits(held, *settings))
    return Discovered(axes, *best)


Tried = tuple[float, Mixture]


def _many(x: Rows, y: Rows, seed: int) -> Mixture:
    """Too many classes: centres far apart among the means of pairs, then EM that begins with blurred ones."""
    count = max(2, min(CLASSES, len(x) // PAIRS_PER_CLASS))
    means = _spread((x + y) / 2, count, stream(seed, "discovered classes"))
    mixture = Mixture(means, np.full(count, 1 / count, np.float32), 0.1)
    for sharpness in ANNEALING:
        mixture = _step(mixture, x, y, sharpness)
    return mixture


def _spread(rows: Rows, count: int, rng: np.random.Generator, candidates: int = 8) -> Rows:
    """Rows that are drawn by squared distance to those drawn before, the best of some ``candidates`` (k-means++)."""
    size = (rows**2).sum(1)
    chosen = [int(rng.integers(len(rows)))]
    nearest = np.full(len(rows), np.inf)
    while True:
        distances = size + size[chosen[-1]] - 2 * rows @ rows[chosen[-1]]
        nearest = np.minimum(nearest, np.maximum(distances, 0))
        if len(chosen) == count:
            return rows[chosen]
        drawn = np.searchsorted(np.cumsum(nearest), rng.random(candidates) * nearest.sum()).clip(max=len(rows) - 1)
        left = np.minimum(nearest, size + size[drawn, None] - 2 * rows[drawn] @ rows.T).sum(1)
        chosen.append(int(drawn[left.argmin()]))


def _step(mixture: Mixture, x: Rows, y: Rows, sharpness: float = 1.0) -> Mixture:
    """One step of EM: a pair of one class tells it by both sides, and a redrawn one tells each class by its side."""
    of_x, of_y = (mixture.posterior(side, sharpness) for side in (x, y))
    both = (1 - mixture.redraw) * of_x * of_y / mixture.prior
    total = both.sum(1, keepdims=True) + mixture.redraw
    both, anew = both / total, mixture.redraw / total
    of_x, of_y = both + anew * of_x, both + anew * of_y
    count = of_x.sum(0) + of_y.sum(0) + 1e-3
    means = (of_x.T @ x + of_y.T @ y) / count[:, None]
    return Mixture(means, count / count.sum(), float(np.clip(anew.mean(), *REDRAW)))


def _fewer(mixture: Mixture, x: Rows, y: Rows, held: Couples, share: float, least: int = 2) -> Iterator[Tried]:
    """The mixture and ever smaller ones, down to ``least`` classes or hopeless values, each with its held bits."""
    best = 0.0
    while True:
        value = max(_held_bits(held, mixture, softness, DOUBT[0]) for softness in GLANCE)
        best = max(best, value)
        yield value, mixture
        if len(mixture.prior) <= least or value < HOPELESS * best - ENOUGH_BITS:
            return
        mixture = _without(mixture, np.concatenate([x, y]), max(1, int(share * len(mixture.prior))))
        for _ in range(STEPS):
            mixture = _step(mixture, x, y)


def _without(mixture: Mixture, h: Rows, count: int) -> Mixture:
    """``count`` classes dropped: those whose rows lose the least likelihood when the second best class takes them.

    The class that inherits most of a dropped one's rows stays, so that twins are never dropped together.
    """
    rows, joint = np.arange(len(h)), mixture.joint(h)
    first = joint.argmax(1)
    top = joint[rows, first]
    joint[rows, first] = -np.inf
    second = joint.argmax(1)
    size = len(mixture.prior)
    missed = np.bincount(first, top - joint[rows, second], size)
    heir = np.bincount(first * size + second, minlength=size * size).reshape(size, size).argmax(1)
    dropped, prior = np.zeros(size, dtype=bool), mixture.prior.copy()
    for one in np.argsort(missed, kind="stable"):
        if dropped.sum() < count and not dropped[heir[one]] and one not in heir[dropped]:
            dropped[one] = True
            prior[heir[one]] += prior[one]
    return Mixture(mixture.means[~dropped], prior[~dropped], mixture.redraw)


def _enough(tried: list[Tried]) -> tuple[Mixture, int]:
    """The smallest mixture that is as good as the best, and how many classes the next smaller one has."""
    best = max(value for value, _ in tried)
    sizes = {len(mixture.prior): mixture for value, mixture in tried if value >= best - ENOUGH_BITS}
    size = min(sizes)
    return sizes[size], max((len(m.prior) for _, m in tried if len(m.prior) < size), default=size)


def _held_bits(held: Couples, mixture: Mixture, softness: float, doubt: float) -> float:
    """NWJ on held-out pairs, with the offset that is best there."""
    scored = score_couples(np.concatenate([_doubted(mixture, side, softness, doubt) for side in held]), mixture.channel)
    return bits(scored.value(scored.best_offset))


def score_couples(p: Float64[np.ndarray, "rows k"], channel: LabelChannel) -> Nwj:
    """`score_posterior` of pairs: first sides are the first half of the rows ``p``, second sides the rest."""
    x, y = np.arange(len(p)).reshape(2, 1, -1)
    return score_posterior(p, Pairs(x, y, np.tile(x[0], 2)), channel)


def _doubted(mixture: Mixture, h: Rows, softness: float, doubt: float) -> Posterior:
    prior = np.asarray(mixture.channel.prior)
    return (1 - doubt) * mixture.posterior(h, softness).astype(float) + doubt * prior
