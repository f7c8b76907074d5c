"""Couples: the two images of a positive pair (Sec. III-A, Fig. 1); `augmentation` views them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


@runtime_checkable
class Couple(Protocol):
    """Draws k independent couples, as two arrays [k] of indices into an image set."""

    def __call__(self, k: int, rng: np.random.Generator) -> tuple[Indices, Indices]: ...


@dataclass(frozen=True)
class WithItself:
    """An image with itself, uniform over ``n`` images: the couple of augmentation-based pairings (Fig. 1b)."""

    n: int

    def __call__(self, k: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
        chosen = rng.integers(self.n, size=k)
        return chosen, chosen


class WithinClass:
    """Two distinct images of one class, the couple of same-class sampling (Fig. 1c).

    Classes are drawn independently, because batches with balanced classes bias the estimate upwards. With probability
    ``redraw`` the class of the second image is drawn anew; the true MI is that of the
    `mi_ray.theory.channel.LabelChannel` with this ``redraw``.
    """

    def __init__(
        self, labels: Indices, n_classes: int, *, redraw: float = 0.0, prior: NDArray[np.float64] | None = None
    ) -> None:
        """``labels``: [n] class indices; ``prior``: [n_classes], None for uniform; ValueError if a class of positive
        probability has fewer than two images."""
        self.n_classes, self.redraw, self.prior = n_classes, redraw, prior
        self._count = np.bincount(labels, minlength=n_classes)
        drawn = np.ones(n_classes, dtype=bool) if prior is None else prior > 0
        if self._count[drawn].min() < 2:
            short = int(np.flatnonzero(drawn & (self._count < 2))[0])
            raise ValueError(f"class {short} has {self._count[short]} images; same-class pairs need at least 2")
        self._order = np.argsort(labels, kind="stable")
        self._first = np.cumsum(self._count) - self._count

    def __call__(self, k: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
        anchor_class = self._classes(k, rng)
        anew, fresh = rng.random(k) < self.redraw, self._classes(k, rng)
        partner_class = np.where(anew, fresh, anchor_class)
        same = partner_class == anchor_class
        anchor = rng.integers(self._count[anchor_class])
        partner = rng.integers(self._count[partner_class] - same)
        partner += same & (partner >= anchor)
        return self._order[self._first[anchor_class] + anchor], self._order[self._first[partner_class] + partner]

    def _classes(self, k: int, rng: np.random.Generator) -> Indices:
        if self.prior is None:
            return rng.integers(self.n_classes, size=k)
        return rng.choice(self.n_classes, size=k, p=self.prior)


@dataclass(frozen=True, eq=False)
class Among:
    """Couples of the images ``rows`` of a set: ``couple`` draws positions in ``rows``."""

    couple: Couple
    rows: Indices

    def __call__(self, k: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
        x, y = self.couple(k, rng)
        return self.rows[x], self.rows[y]


def among(couple: Couple, rows: Indices, n: int) -> Couple:
    """Restrict ``couple`` to the images ``rows``, ascending, of a set of ``n``; unchanged if ``rows`` are all."""
    return couple if len(rows) == n else Among(couple, rows)


@dataclass(frozen=True)
class TwoViews:
    """Two distinct views of an image, uniform over ``n`` images. View v of image i is row i * per_image + v.

    ValueError if there is no image, or no second view.
    """

    n: int
    per_image: int

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"n: {self.n} images make no pair; allowed: at least 1")
        if self.per_image < 2:
            raise ValueError(f"per_image: {self.per_image} makes no pair of distinct views; allowed: at least 2")

    def __call__(self, k: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
        first = rng.integers(self.n, size=k) * self.per_image
        x, y = rng.integers(self.per_image, size=k), rng.integers(self.per_image - 1, size=k)
        return first + x, first + y + (y >= x)
