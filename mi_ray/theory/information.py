"""Entropies and the bounds of Props. II.1-II.2. Bits unless named nats."""

from __future__ import annotations

from math import log, log2

import numpy as np
from numpy.typing import ArrayLike

NATS_PER_BIT = log(2.0)


def bits(nats: float) -> float:
    """Convert nats to bits. All conversions use `NATS_PER_BIT`."""
    return nats / NATS_PER_BIT


def entropy_bits(probabilities: ArrayLike) -> float:
    """Shannon entropy H(p) in bits; ValueError unless ``probabilities`` [C] are non-negative and sum to one."""
    p = np.asarray(probabilities, dtype=float)
    if (p < 0).any() or not np.isclose(p.sum(), 1.0):
        raise ValueError(f"probabilities: {p.tolist()} must be non-negative and sum to 1")
    p = p[p > 0]
    return float(-(p * np.log2(p)).sum())


def nominal_bound_bits(k: int) -> float:
    """Upper bound log(2K-1) of the estimate of Eq. 4 (Prop. II.2), in bits; ``k`` counts positive pairs."""
    return log2(2 * k - 1)


def strict_bound_bits(k: int) -> float:
    """Upper bound log K of the cross-view InfoNCE reading, in bits; ``k`` counts positive pairs."""
    return log2(k)
