"""Eq. 4 against the mutual information that a perfect encoder has: its excess, and its ceilings."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2, sqrt

import numpy as np

from mi_ray.compute.pairs.couples import WithinClass
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import nominal_bound_bits

IMAGES = 64
"""Images of each class of the sampled estimates."""


@dataclass(frozen=True)
class Sampled:
    """Mean over batches, in bits, with its standard error."""

    mean_bits: float
    standard_error_bits: float


def ideal_reading_bits(same_class: np.ndarray) -> np.ndarray:
    """Eq. 4 per pair, in bits, for a critic that scores same-class pairs +inf apart from all others.

    ``same_class``: [k] number of OTHER pairs of the batch with the pair's class, of which each gives two terms.
    """
    return nominal_bound_bits(len(same_class)) - np.log2(1 + 2 * same_class)


def sampled_bits(n_classes: int, k: int, batches: int, seed: int = 0) -> Sampled:
    """Eq. 4 of a perfect encoder on batches of independent same-class pairs, drawn by mi-ray's own sampler."""
    labels = np.repeat(np.arange(n_classes), IMAGES)
    couple, rng = WithinClass(labels, n_classes), np.random.default_rng(seed)
    means = np.array([_reading_of(labels[couple(k, rng)[0]], n_classes) for _ in range(batches)])
    return Sampled(float(means.mean()), float(means.std(ddof=1) / sqrt(batches)))


def balanced_bits(n_classes: int, k: int) -> float:
    """Eq. 4 of a perfect encoder on a batch with ``k`` / ``n_classes`` pairs of every class; ValueError if that is
    not a whole number."""
    if k % n_classes:
        raise ValueError(f"k: {k} is not allowed; allowed: a multiple of {n_classes}")
    return _reading_of(np.repeat(np.arange(n_classes), k // n_classes), n_classes)


def _reading_of(classes: np.ndarray, n_classes: int) -> float:
    """Mean of Eq. 4 over a batch whose pairs have these classes [k]."""
    same = np.bincount(classes, minlength=n_classes)[classes] - 1
    return float(ideal_reading_bits(same).mean())


def ceiling_lines(n_classes: int, sizes: tuple[int, ...]) -> list[tuple[int, float, float, float]]:
    """For each K: the bound log2(2K - 1), the most that Eq. 4 and the cross-view estimate reach, all in bits."""
    channel = LabelChannel.uniform(n_classes)
    return [(k, nominal_bound_bits(k), channel.nominal_ceiling_bits(k), channel.strict_ceiling_bits(k)) for k in sizes]


def least_k(bits: float) -> int:
    """The smallest K whose bound log2(2K - 1) is at least ``bits``."""
    k = max(1, int((2**bits + 1) / 2))
    while log2(2 * k - 1) < bits:
        k += 1
    return k
