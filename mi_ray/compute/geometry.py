"""Alignment, uniformity and tolerance of embeddings on the unit sphere (Tables II and IV-IX); h is normalised here.

The standard error of a mean over all pairs is the jackknife that leaves out one source at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64

from mi_ray.compute.finite import refuse_rows
from mi_ray.compute.sphere import directions
from mi_ray.compute.uncertainty import Sources, clustered_standard_error, paired_standard_error

Embeddings = Float[np.ndarray, "n width"]
"""h [n, width], finite, any scale; a row of zeros has no direction and is refused with ValueError."""

ROWS = 256
"""Rows of the distance matrix that exist at once: memory is linear in n."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A value without a unit and its standard error over source images: nan where leaving one out leaves no pair."""

    value: float
    standard_error: float


def alignment(h: Embeddings, x: Int64[np.ndarray, " k"], y: Int64[np.ndarray, " k"], sources: Sources) -> Measure:
    """Mean of |h_x - h_y|^2 over positive pairs (Wang & Isola 2020, alpha = 2): 0 to 4, less is nearer.

    ``x``, ``y``: [k] indices into the rows; ``sources``: [n]. Same-class pairs make it 2 - 2 `tolerance`.
    """
    unit = _unit(h)
    distances = ((unit[x] - unit[y]) ** 2).sum(1, dtype=float)
    error = paired_standard_error(distances, sources[x], sources[y])
    return Measure(value=float(distances.mean()), standard_error=error)


def uniformity(h: Embeddings, sources: Sources) -> Measure:
    """log of the mean of exp(-2 |h_i - h_j|^2) over all pairs i != j (Wang & Isola 2020, t = 2): -8 to 0."""
    potentials = _potentials(_unit(h), sources)
    everyone = np.zeros(len(h), dtype=np.int64)
    whole, without = _means(potentials, _partners(everyone, sources), sources)
    return Measure(value=float(np.log(whole)), standard_error=_jackknife_error(np.log(without)))


def tolerance(h: Embeddings, labels: Int64[np.ndarray, " n"], sources: Sources) -> Measure:
    """Mean of h_i . h_j over all pairs i != j of one class (Wang & Liu 2021, given the class): -1 to 1.

    A class counts by its pairs. An image's pair with itself does not count; it would move a tolerance T to
    T + (1 - T) / m with m images a class, and only so do Tables VIII-IX agree with 2 - 2 T (m = 50, within 0.003).
    """
    unit = _unit(h).astype(float)
    of_class, own = _inner_products(unit, labels), _inner_products(unit, _joined(labels, sources))
    whole, without = _means(_Sums(of_class, own), _partners(labels, sources), sources)
    return Measure(value=float(whole), standard_error=_jackknife_error(without))


@dataclass(frozen=True, kw_only=True)
class OfViews:
    """How views of an image lie together, and images apart (T_SimCLR)."""

    alignment: Measure
    uniformity: Measure


def of_views(h: Float[np.ndarray, "n per_image width"], sources: Sources) -> OfViews:
    """`alignment` over all pairs of distinct views of an image, and `uniformity` over the first view of each.

    ``sources``: [n]. Of the m views of an image the mean of |h_v - h_w|^2 is 2 (m - |sum of h_v|^2 / m) / (m - 1).
    """
    n, m, width = h.shape
    if m < 2:
        raise ValueError(f"h: {m} view of each image forms no pair")
    totals = _unit(h.reshape(n * m, width)).reshape(n, m, width).sum(1, dtype=float)
    distances = 2 * (m - (totals**2).sum(1) / m) / (m - 1)
    error = clustered_standard_error(distances, sources)
    return OfViews(
        alignment=Measure(value=float(distances.mean()), standard_error=error), uniformity=uniformity(h[:, 0], sources)
    )


def _unit(h: np.ndarray) -> np.ndarray:
    refuse_rows("h", h)
    silent = ~h.any(1)
    if silent.any():
        raise ValueError(f"h: row {int(silent.argmax())} has no direction")
    return directions(torch.from_numpy(np.ascontiguousarray(h))).numpy()


@dataclass(frozen=True)
class _Sums:
    """Of a symmetric function of two rows, its sum over each row's partners: all of them, and those of its source."""

    all: Float64[np.ndarray, " n"]
    own: Float64[np.ndarray, " n"]

    def without_one(self, sources: Sources) -> Float64[np.ndarray, " g"]:
        """The sum over all pairs without each source in turn, which a pair touches from either side."""
        _, source = np.unique(sources, return_inverse=True)
        return self.all.sum() - np.bincount(source, 2 * self.all - self.own)


def _means(values: _Sums, partners: _Sums, sources: Sources) -> tuple[float, Float64[np.ndarray, " g"]]:
    """The mean over pairs, and that without each source in turn (nan where no pair is left)."""
    if partners.all.sum() == 0:
        raise ValueError(f"h: its {len(partners.all)} rows form no pair")
    left = partners.without_one(sources)
    return values.all.sum() / partners.all.sum(), values.without_one(sources) / np.where(left > 0, left, np.nan)


def _jackknife_error(without: Float64[np.ndarray, " g"]) -> float:
    return float(np.sqrt((len(without) - 1) * without.var()))


def _potentials(unit: np.ndarray, sources: Sources) -> _Sums:
    """Sums of exp(-2 |h_i - h_j|^2), a tile of rows at a time."""
    tiles = [_tile(unit, sources, start) for start in range(0, len(unit), ROWS)]
    return _Sums(*(np.concatenate(part) for part in zip(*tiles, strict=True)))


def _tile(unit: np.ndarray, sources: Sources, start: int) -> tuple[np.ndarray, np.ndarray]:
    rows = slice(start, start + ROWS)
    potential = np.exp(4 * (unit[rows] @ unit.T - 1))
    itself = np.arange(len(potential))
    potential[itself, start + itself] = 0
    own = potential * (sources[rows, None] == sources)
    return potential.sum(1, dtype=float), own.sum(1, dtype=float)


def _inner_products(unit: Float64[np.ndarray, "n width"], groups: np.ndarray) -> Float64[np.ndarray, " n"]:
    """Each row's sum of inner products with the others of its group."""
    _, group = np.unique(groups, return_inverse=True)
    totals = np.zeros((group.max() + 1, unit.shape[1]))
    np.add.at(totals, group, unit)
    return np.einsum("nw,nw->n", unit, totals[group] - unit)


def _partners(labels: np.ndarray, sources: Sources) -> _Sums:
    """How many others are of each row's class, and how many of these of its source too."""
    return _Sums(_others(labels), _others(_joined(labels, sources)))


def _others(groups: np.ndarray) -> Float64[np.ndarray, " n"]:
    _, group, count = np.unique(groups, return_inverse=True, return_counts=True)
    return count[group] - 1.0


def _joined(labels: np.ndarray, sources: Sources) -> np.ndarray:
    """One group for each label and source that occur together."""
    _, source = np.unique(sources, return_inverse=True)
    return labels * len(labels) + source
