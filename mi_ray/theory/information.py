"""Entropies, the bounds of Props. II.1-II.2 and what a perfect encoder reads at finite K. Bits unless named nats."""

from __future__ import annotations

from math import log, log2

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom

NATS_PER_BIT = log(2.0)


def bits(nats: float) -> float:
    """Convert nats to bits; `NATS_PER_BIT` is the only constant of conversion in the house."""
    return nats / NATS_PER_BIT


def entropy_bits(probabilities: ArrayLike) -> float:
    """Shannon entropy H(p) in bits; ``probabilities`` [C] are non-negative and sum to one, otherwise ValueError."""
    p = np.asarray(probabilities, dtype=float)
    if (p < 0).any() or not np.isclose(p.sum(), 1.0):
        raise ValueError(f"probabilities: {p.tolist()} must be non-negative and sum to 1")
    p = p[p > 0]
    return float(-(p * np.log2(p)).sum())


def label_channel_bits(n_classes: int, redraw: float) -> float:
    """True I(C; C') in bits if the partner's class is redrawn uniformly with probability ``redraw``: log C - H(row)."""
    row = np.full(n_classes, redraw / n_classes)
    row[0] += 1.0 - redraw
    return log2(n_classes) - entropy_bits(row)


def nominal_bound_bits(k: int) -> float:
    """Upper bound log(2K-1) of the estimate of Eq. 4 (Prop. II.2), in bits; ``k`` counts positive pairs."""
    return log2(2 * k - 1)


def strict_bound_bits(k: int) -> float:
    """Upper bound log K of the cross-view InfoNCE reading, in bits; ``k`` counts positive pairs."""
    return log2(k)


def nominal_ceiling_bits(n_classes: int, k: int) -> float:
    """What a perfect encoder reads by Eq. 4 on same-class pairs of ``n_classes`` uniform classes, in bits.

    ceil(C, K) = log(2K-1) - E log(1 + 2 B), B ~ Binomial(K-1, 1/C): each same-class negative pair adds two
    terms to the denominator of Eq. 3.
    """
    return nominal_bound_bits(k) - _expected_log2_collisions(n_classes, k, per_pair=2)


def strict_ceiling_bits(n_classes: int, k: int) -> float:
    """What a perfect encoder reads in the cross-view form (log K) on same-class pairs, in bits."""
    return strict_bound_bits(k) - _expected_log2_collisions(n_classes, k, per_pair=1)


def _expected_log2_collisions(n_classes: int, k: int, *, per_pair: int) -> float:
    collisions = np.arange(k)
    return float(binom.pmf(collisions, k - 1, 1.0 / n_classes) @ np.log2(1 + per_pair * collisions))
