"""Leave-one-source-out means over positive and cross pairs, and the NWJ bound that is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from math import e

import numpy as np
from jaxtyping import Float64, Int64

from mi_ray.compute.numerics.uncertainty import Sources, paired_standard_error

PerSource = Float64[np.ndarray, " g"]


@dataclass(frozen=True)
class Sums:
    """A sum over pairs, and for each source [g] the part of it over pairs with that source as x, as y, and as both."""

    total: float
    as_x: PerSource
    as_y: PerSource
    as_both: PerSource

    def leave_one_out(self) -> PerSource:
        """For each source [g], the sum over pairs without it."""
        return self.total - self.as_x - self.as_y + self.as_both


@dataclass(frozen=True)
class Mean:
    """A mean over pairs, kept as the sum of values and the number of pairs, so that any source can be left out."""

    sums: Sums
    counts: Sums

    @property
    def value(self) -> float:
        return self.sums.total / self.counts.total

    def leave_one_out(self) -> PerSource:
        """For each source [g], the mean over pairs without it."""
        return self.sums.leave_one_out() / self.counts.leave_one_out()


def over_pairs(values: Float64[np.ndarray, " p"], of_x: Sources, of_y: Sources, size: int) -> Mean:
    """Mean of ``values`` [p] over positive pairs. ``of_x``, ``of_y`` [p]: sources of x and y, below ``size``."""
    same = of_x == of_y

    def sums(v: Float64[np.ndarray, " p"]) -> Sums:
        return Sums(
            float(v.sum()), per_source(v, of_x, size), per_source(v, of_y, size), per_source(v[same], of_x[same], size)
        )

    return Mean(sums(values), sums(np.ones(len(values))))


def cross_counts(of_x: Sources, of_y: Sources, size: int) -> Sums:
    """The number of cross pairs (x of one pair with y of another), in total and by source."""
    ones, others, same = np.ones(len(of_x)), len(of_x) - 1.0, of_x == of_y
    as_x, as_y = (per_source(ones, side, size) for side in (of_x, of_y))
    own = per_source(ones[same], of_x[same], size)
    return Sums(len(of_x) * others, as_x * others, as_y * others, as_x * as_y - own)


def per_source(values: Float64[np.ndarray, " p"], source: Sources, size: int) -> PerSource:
    """Sum of ``values`` [p] by ``source`` [p]."""
    return np.bincount(source, values, size).astype(float)


def numbered(sources: Sources) -> tuple[Int64[np.ndarray, " n"], int]:
    """Consecutive numbers from 0 for ``sources`` [n], and the number of distinct sources."""
    distinct, number = np.unique(sources, return_inverse=True)
    return number, len(distinct)


@dataclass(frozen=True)
class Nwj:
    """E_joint[f + b] - E_cross[exp(f + b)] / e, in nats, for a critic f with offset b (Nguyen et al. 2010).

    ``worst``: the lowest f of some cross pairs, which is the score that a positive pair would have if one of its images
    were misplaced; ``units``: the effective number of independent images (`units`), each of which may be misplaced.
    """

    joint: Mean
    cross: Mean
    worst: float
    units: float

    def value(self, offset: float) -> float:
        return float(_nwj(np.array(self.joint.value), np.array(self.cross.value), offset))

    def leave_one_out(self, offset: float) -> PerSource:
        """For each source [g], the bound over pairs without it, in nats."""
        return _nwj(self.joint.leave_one_out(), self.cross.leave_one_out(), offset)

    @property
    def phantom(self) -> float:
        """The amount by which the bound would fall if one more unit were misplaced, in nats."""
        return 2 * max(0.0, self.joint.value - self.worst) / self.units

    @property
    def best_offset(self) -> float:
        """The offset that makes the bound tightest on these pairs: 1 - log E_cross[exp f]."""
        return float(1 - np.log(self.cross.value))


def units(
    values: Float64[np.ndarray, " p"], x: Int64[np.ndarray, " p"], y: Int64[np.ndarray, " p"], sources: Sources
) -> float:
    """The effective number of independent images in pairs [p] of images x, y (from the design effect of Kish).

    It is the number of images if images of one source are no more alike in ``values`` than images of different sources,
    and the number of sources if images of one source all have the same value. It is too large if all images of a source
    err together, but so rarely that no source in the sample does.
    """
    images, groups = (len(np.unique(ids)) for ids in (np.stack([x, y]), sources[np.stack([x, y])]))
    alone, together = paired_standard_error(values, x, y), paired_standard_error(values, sources[x], sources[y])
    effect = (together / alone) ** 2 if alone > 0 else images / groups
    return images / min(max(effect, 1.0), images / groups)


def _nwj(score: np.ndarray, ratio: np.ndarray, offset: float) -> np.ndarray:
    return np.asarray(score + offset - np.exp(offset) * ratio / e)


def jackknife_standard_error(without: PerSource) -> float:
    """The jackknife standard error of a statistic, from its values [g] ``without`` each source."""
    n = len(without)
    return float(np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum()))
