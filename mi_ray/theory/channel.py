"""The label channel C -> C' of same-class pairs: its mutual information, and the estimates of a perfect encoder.

An estimate at finite K has a ceiling below its bound, because some negatives have the anchor's own class.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import NDArray

from mi_ray.theory.information import entropy_bits, nominal_bound_bits, strict_bound_bits

Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LabelChannel:
    """Class C of x is drawn from ``prior`` [C]. Class C' of y equals C, or with probability ``redraw`` is drawn anew.

    ValueError unless ``prior`` is a distribution over at least two possible classes and ``redraw`` is in [0, 1].
    """

    prior: tuple[float, ...]
    redraw: float = 0.0

    def __post_init__(self) -> None:
        if entropy_bits(self.prior) == 0:
            raise ValueError(f"prior: {self.prior} must give at least two classes a chance")
        if not 0 <= self.redraw <= 1:
            raise ValueError(f"redraw: {self.redraw} must be between 0 and 1")

    @classmethod
    def uniform(cls, n_classes: int, redraw: float = 0.0) -> LabelChannel:
        """Equally likely classes: H(C) = log C."""
        return cls(prior=(1 / n_classes,) * n_classes, redraw=redraw)

    @property
    def entropy_bits(self) -> float:
        """Class entropy H(C)."""
        return entropy_bits(self.prior)

    @property
    def information_bits(self) -> float:
        """I(C; C'), an upper bound of the MI of embeddings (data processing inequality); H(C) if ``redraw`` is 0."""
        p, apart = np.asarray(self.prior), self.redraw
        stays = 1 - apart + apart * p
        possible = p > 0
        same = (p[possible] * stays[possible] * np.log2(stays[possible] / p[possible])).sum()
        other = apart * (1 - (p**2).sum())
        return float(same + (other * np.log2(apart) if apart > 0 else 0.0))

    def nominal_ceiling_bits(self, k: int, *, temperature: float | None = None) -> float:
        """Estimate of Eq. 4, in bits, for a perfect encoder and ``k`` pairs; each negative pair gives two terms.

        With ``temperature``: the highest estimate that a cosine critic of that temperature reaches.
        """
        return nominal_bound_bits(k) - self._expected_log2_share(k, 2, temperature)

    def strict_ceiling_bits(self, k: int, *, temperature: float | None = None) -> float:
        """Cross-view estimate (bound log K), in bits, for a perfect encoder; arguments as `nominal_ceiling_bits`."""
        return strict_bound_bits(k) - self._expected_log2_share(k, 1, temperature)

    def _expected_log2_share(self, k: int, per_pair: int, temperature: float | None) -> float:
        """E log2 of the denominator over the positive pair's term, over anchors of all classes."""
        terms = []
        values, multiplicity = np.unique([p for p in self.prior if p > 0], return_counts=True)
        for p, classes in zip(values, multiplicity, strict=True):  # classes of equal probability have equal terms
            stays = 1 - self.redraw + self.redraw * p
            same, other = stays / p, max(self.redraw, self._floor(temperature) * stays / p)
            hits = same_class_terms(p, stays, k - 1, per_pair)
            counts = np.arange(len(hits))
            negatives = counts * same + (len(hits) - 1 - counts) * other
            share = stays * np.log2(1 + negatives / same)
            if stays < 1:
                share = share + (1 - stays) * np.log2(1 + negatives / other)
            terms.append(float(classes * p * float(hits @ share)))
        return sum(terms)

    def _floor(self, temperature: float | None) -> float:
        """Smallest ratio of a term of another class to a term of the anchor's class: 0 for an unrestricted critic.

        For a cosine critic it is exp(-gap / temperature). Equally likely classes are best placed as a simplex, with a
        gap of C / (C - 1) between cosines; in general the gap is at most 2.
        """
        if temperature is None:
            return 0.0
        possible = [p for p in self.prior if p > 0]
        uniform = max(possible) - min(possible) < 1e-9
        return exp(-(len(possible) / (len(possible) - 1) if uniform else 2) / temperature)


def same_class_terms(p: float, stays: float, pairs: int, per_pair: int) -> Vector:
    """Distribution [per_pair * pairs + 1] of the number of negative terms that have the anchor's class.

    ``p``: probability of the anchor's class; ``stays``: probability that both images of a pair have the same class;
    ``pairs``: independent negative pairs, of which each gives ``per_pair`` (1 or 2) terms. The distribution of one pair
    is convolved ``pairs`` times by FFT.
    """
    both = p * stays
    single = np.array([1 - p, p]) if per_pair == 1 else np.array([1 - 2 * p + both, 2 * (p - both), both])
    size = per_pair * pairs + 1
    return np.clip(np.fft.irfft(np.fft.rfft(single, 2 * size) ** pairs, 2 * size)[:size], 0, None)
