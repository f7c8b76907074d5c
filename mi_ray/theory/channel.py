"""The classes of the two sides of same-class pairs: their mutual information, and what a perfect encoder reads of it.

A reading at finite K has a ceiling below its bound: negatives of the anchor's own class stand in the denominator.
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
    """C of x is drawn from ``prior`` [C]; that of y is the same, or with probability ``redraw`` drawn anew.

    ValueError if ``prior`` is no distribution with at least two possible classes, or ``redraw`` no probability.
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
        """All classes alike: H(C) = log C."""
        return cls(prior=(1 / n_classes,) * n_classes, redraw=redraw)

    @property
    def entropy_bits(self) -> float:
        """Class entropy H(C)."""
        return entropy_bits(self.prior)

    @property
    def information_bits(self) -> float:
        """I(C; C'), the most that embeddings of such pairs can share (data processing): H(C) unless redrawn."""
        p, apart = np.asarray(self.prior), self.redraw
        stays = 1 - apart + apart * p
        held = p > 0
        same = (p[held] * stays[held] * np.log2(stays[held] / p[held])).sum()
        other = apart * (1 - (p**2).sum())
        return float(same + (other * np.log2(apart) if apart > 0 else 0.0))

    def nominal_ceiling_bits(self, k: int, *, temperature: float | None = None) -> float:
        """What a perfect encoder reads by Eq. 4 with ``k`` pairs; a negative pair counts twice.

        With ``temperature``, what it reads through a cosine critic at most.
        """
        return nominal_bound_bits(k) - self._expected_log2_share(k, 2, temperature)

    def strict_ceiling_bits(self, k: int, *, temperature: float | None = None) -> float:
        """What a perfect encoder reads in the cross-view form (log K), the same way."""
        return strict_bound_bits(k) - self._expected_log2_share(k, 1, temperature)

    def _expected_log2_share(self, k: int, per_pair: int, temperature: float | None) -> float:
        """E log of the denominator over the positive's term, anchors of each class by its chance."""
        values, counts = np.unique([p for p in self.prior if p > 0], return_counts=True)
        return sum(
            float(count * p * self._log2_share(p, k, per_pair, temperature))
            for p, count in zip(values, counts, strict=True)
        )

    def _log2_share(self, p: float, k: int, per_pair: int, temperature: float | None) -> float:
        """The same for an anchor of one class of chance ``p``."""
        stays = 1 - self.redraw + self.redraw * p
        same, other = stays / p, max(self.redraw, self._floor(temperature) * stays / p)
        hits = _hits(p, stays, k - 1, per_pair)
        counts = np.arange(len(hits))
        negatives = counts * same + (len(hits) - 1 - counts) * other
        share = stays * np.log2(1 + negatives / same)
        if stays < 1:
            share = share + (1 - stays) * np.log2(1 + negatives / other)
        return float(hits @ share)

    def _floor(self, temperature: float | None) -> float:
        """Least ratio of another class's term to the own class's: 0, or that of a cosine critic. Classes that are all
        alike stand best as a simplex, where cosines differ by C / (C - 1); unlike ones never differ by more than 2."""
        if temperature is None:
            return 0.0
        chances = [p for p in self.prior if p > 0]
        alike = max(chances) - min(chances) < 1e-9
        return exp(-(len(chances) / (len(chances) - 1) if alike else 2) / temperature)


def _hits(p: float, stays: float, pairs: int, per_pair: int) -> Vector:
    """Distribution of how many terms of independent negative ``pairs`` are of the anchor's class."""
    both = p * stays
    one = np.array([1 - p, p]) if per_pair == 1 else np.array([1 - 2 * p + both, 2 * (p - both), both])
    size = per_pair * pairs + 1
    return np.clip(np.fft.irfft(np.fft.rfft(one, 2 * size) ** pairs, 2 * size)[:size], 0, None)
