"""Means over positive and over cross pairs that can leave out a source image, and the NWJ bound that they make."""

from __future__ import annotations

from dataclasses import dataclass
from math import e

import numpy as np
from jaxtyping import Float64, Int64

from mi_ray.compute.numerics.uncertainty import Sources, paired_standard_error

PerSource = Float64[np.ndarray, " g"]


@dataclass(frozen=True)
class Sums:
    """A sum over pairs, and its parts that touch each source: as x, as y, and as both."""

    total: float
    as_x: PerSource
    as_y: PerSource
    as_both: PerSource

    def without_one(self) -> PerSource:
        """The sum without each source in turn."""
        return self.total - self.as_x - self.as_y + self.as_both


@dataclass(frozen=True)
class Mean:
    """A mean over pairs that can leave out a source; counts are kept as sums are."""

    sums: Sums
    counts: Sums

    @property
    def value(self) -> float:
        return self.sums.total / self.counts.total

    def without_one(self) -> PerSource:
        """The mean without each source in turn."""
        return self.sums.without_one() / self.counts.without_one()


def over_pairs(values: Float64[np.ndarray, " p"], of_x: Sources, of_y: Sources, size: int) -> Mean:
    """Mean of ``values`` [p] over positive pairs whose sources are ``of_x`` and ``of_y`` [p], of ``size`` in all."""
    same = of_x == of_y

    def sums(v: Float64[np.ndarray, " p"]) -> Sums:
        return Sums(
            float(v.sum()), per_source(v, of_x, size), per_source(v, of_y, size), per_source(v[same], of_x[same], size)
        )

    return Mean(sums(values), sums(np.ones(len(values))))


def cross_counts(of_x: Sources, of_y: Sources, size: int) -> Sums:
    """Numbers of cross pairs, x of one pair with y of another: in all and by source."""
    ones, others, same = np.ones(len(of_x)), len(of_x) - 1.0, of_x == of_y
    as_x, as_y = (per_source(ones, side, size) for side in (of_x, of_y))
    own = per_source(ones[same], of_x[same], size)
    return Sums(len(of_x) * others, as_x * others, as_y * others, as_x * as_y - own)


def per_source(values: Float64[np.ndarray, " p"], source: Sources, size: int) -> PerSource:
    """Sum of ``values`` [p] by ``source`` [p]."""
    return np.bincount(source, values, size).astype(float)


def numbered(sources: Sources) -> tuple[Int64[np.ndarray, " n"], int]:
    """Sources as numbers from 0, and how many there are."""
    distinct, number = np.unique(sources, return_inverse=True)
    return number, len(distinct)


@dataclass(frozen=True)
class Nwj:
    """E_joint[f + b] - E_cross[exp(f + b)] / e, in nats, for a critic f with offset b (Nguyen et al. 2010).

    ``worst``: the least f of some cross pairs, which a positive pair with a misplaced image would score; ``units``: how
    many images may be misplaced independently (`units`).
    """

    joint: Mean
    cross: Mean
    worst: float
    units: float

    def value(self, offset: float) -> float:
        return float(_nwj(np.array(self.joint.value), np.array(self.cross.value), offset))

    def without_one(self, offset: float) -> PerSource:
        """The bound without each source in turn."""
        return _nwj(self.joint.without_one(), self.cross.without_one(), offset)

    @property
    def phantom(self) -> float:
        """The loss of the bound if one more unit were misplaced."""
        return 2 * max(0.0, self.joint.value - self.worst) / self.units

    @property
    def best_offset(self) -> float:
        """The offset that makes the bound tightest on these pairs: 1 - log E_cross[exp f]."""
        return float(1 - np.log(self.cross.value))


def units(
    values: Float64[np.ndarray, " p"], x: Int64[np.ndarray, " p"], y: Int64[np.ndarray, " p"], sources: Sources
) -> float:
    """The effective number of independent images behind pairs [p] of images x, y (the design effect of Kish).

    It is the number of images if images of a source are no more alike in ``values`` than others, and the number of
    sources if they are all the same. Where sources err as a whole, but so rarely that no sample shows it, it is too
    large.
    """
    images, groups = (len(np.unique(ids)) for ids in (np.stack([x, y]), sources[np.stack([x, y])]))
    alone, together = paired_standard_error(values, x, y), paired_standard_error(values, sources[x], sources[y])
    effect = (together / alone) ** 2 if alone > 0 else images / groups
    return images / min(max(effect, 1.0), images / groups)


def _nwj(score: np.ndarray, ratio: np.ndarray, offset: float) -> np.ndarray:
    return np.asarray(score + offset - np.exp(offset) * ratio / e)


def jackknife_standard_error(without: PerSource) -> float:
    """Standard error from the values ``without`` each source."""
    n = len(without)
    return float(np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum()))
