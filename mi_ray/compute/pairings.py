"""Couples: which two images form a positive pair (Sec. III-A, Fig. 1). Views of them live in `augmentation`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


@runtime_checkable
class Couple(Protocol):
    """Draws k independent couples: two index arrays [k] into an image set."""

    def __call__(self, k: int, rng: np.random.Generator) -> tuple[Indices, Indices]: ...


@dataclass(frozen=True)
class WithItself:
    """An image with itself, the couple of augmentation-based pairings (Fig. 1b): uniform over ``n`` images."""

    n: int

    def __call__(self, k: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
        chosen = rng.integers(self.n, size=k)
        return chosen, chosen


class WithinClass:
    """Two distinct images of one class, the couple of same-class sampling (Fig. 1c).

    Classes are drawn uniformly and independently, never balanced within a batch: balanced batches bias the estimate
    upwards. With probability ``redraw`` the partner's class is drawn anew (uniformly), which dials the true MI to
    `mi_ray.theory.information.label_channel_bits`.
    """

    def __init__(self, labels: Indices, n_classes: int, *, redraw: float = 0.0) -> None:
        """``labels``: [n] class indices; ValueError if a class has fewer than two images."""
        self.n_classes, self.redraw = n_classes, redraw
        self._count = np.bincount(labels, minlength=n_classes)
        if self._count.min() < 2:
            short = int(self._count.argmin())
            raise ValueError(f"class {short} has {self._count[short]} images; same-class pairs need at least 2")
        self._order = np.argsort(labels, kind="stable")
        self._first = np.cumsum(self._count) - self._count

    def __call__(self, k: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
        anchor_class = rng.integers(self.n_classes, size=k)
        anew, fresh = rng.random(k) < self.redraw, rng.integers(self.n_classes, size=k)
        partner_class = np.where(anew, fresh, anchor_class)
        same = partner_class == anchor_class
        anchor = rng.integers(self._count[anchor_class])
        partner = rng.integers(self._count[partner_class] - same)
        partner += same & (partner >= anchor)
        return self._order[self._first[anchor_class] + anchor], self._order[self._first[partner_class] + partner]
