"""Alignment, uniformity and tolerance of embeddings on the unit sphere (Tables II and IV-IX); h is normalised here.

Values of same-class pairs are expectations under the declared sampling (Sec. III-A), by which the estimate draws its
pairs. Standard errors are the jackknife that leaves out one source image at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from scipy.sparse import csr_array

from mi_ray.compute.numerics.blocks import CPU, Rows, rows_within, slices, tensor_of
from mi_ray.compute.numerics.finite import refuse_rows
from mi_ray.compute.numerics.jackknife import jackknife_standard_error
from mi_ray.compute.numerics.sphere import directions
from mi_ray.compute.numerics.strata import Labels, Strata
from mi_ray.compute.numerics.uncertainty import Sources, clustered_standard_error, paired_standard_error

Embeddings = Float[np.ndarray, "n width"]
"""h [n, width], finite, any scale; a row of zeros has no direction and is refused with ValueError."""

ROWS = 256
"""Most rows of the distance matrix that exist at once; fewer if they have more than `blocks.BLOCK` bytes."""

SOME = 1e-12
"""Chance of two different rows above which there is a pair; below it is rounding."""

NAMED = 10
"""Scarce classes that a refusal lists."""


@dataclass(frozen=True, kw_only=True)
class Estimated:
    """A value without a unit and its standard error over source images: nan where leaving one out leaves no pair."""

    value: float
    standard_error: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Sampling:
    """Same-class sampling of rows, as `mi_ray.compute.pairs.couples.WithinClass` draws them.

    ``labels``: [n]; ``prior``: chance of each class [C], or None for its share of the rows; ``redraw``: probability
    that the partner's class is drawn anew. ValueError names every class that can be drawn and has fewer than two rows.
    """

    labels: Labels
    prior: Sequence[float] | None = None
    redraw: float = 0.0

    def __post_init__(self) -> None:
        counts = np.bincount(self.labels, minlength=0 if self.prior is None else len(self.prior))
        drawn = counts > 0 if self.prior is None else np.asarray(self.prior) > 0
        if len(drawn) < len(counts):
            raise ValueError(f"prior: {len(drawn)} classes, but the labels go to {len(counts) - 1}")
        scarce = np.flatnonzero(drawn & (counts < 2))
        if len(scarce):
            named = ", ".join(f"{label} ({counts[label]})" for label in scarce[:NAMED])
            more = f" and {len(scarce) - NAMED} more" if len(scarce) > NAMED else ""
            raise ValueError(f"labels: classes with too few images: {named}{more}; same-class pairs need at least 2")


@dataclass(frozen=True, kw_only=True)
class OfClasses:
    """Geometry under same-class pairs (T_class)."""

    alignment: Estimated
    uniformity: Estimated
    tolerance: Estimated


def of_classes(h: Embeddings, sampling: Sampling, sources: Sources, device: torch.device = CPU) -> OfClasses:
    """`alignment`, `uniformity` and `tolerance` under ``sampling``; the first is 2 - 2 `tolerance`."""
    inner = tolerance(h, sampling, sources, device)
    aligned = Estimated(value=2 - 2 * inner.value, standard_error=2 * inner.standard_error)
    return OfClasses(alignment=aligned, uniformity=uniformity(h, sources, sampling, device), tolerance=inner)


def alignment(h: Embeddings, x: Int64[np.ndarray, " k"], y: Int64[np.ndarray, " k"], sources: Sources) -> Estimated:
    """Mean of |h_x - h_y|^2 over given positive pairs (Wang & Isola 2020, alpha = 2): 0 to 4, less is nearer.

    ``x``, ``y``: [k] indices into the rows; ``sources``: [n].
    """
    unit = _unit(h)
    distances = ((_some(unit, x) - _some(unit, y)) ** 2).sum(1)
    error = paired_standard_error(distances, sources[x], sources[y])
    return Estimated(value=float(distances.mean()), standard_error=error)


def tolerance(h: Embeddings, sampling: Sampling, sources: Sources, device: torch.device = CPU) -> Estimated:
    """Expected h_x . h_y of pairs of ``sampling`` (Wang & Liu 2021, with pairs of one class): -1 to 1, in closed form.

    Pairs are of distinct images; an image's pair with itself would move a tolerance T to T + (1 - T) / m with m images
    a class, and only so do Tables VIII-IX agree with 2 - 2 T (m = 50, within 0.003).
    """
    strata = Strata.of(sampling.labels, sources)
    prior, redraw = sampling.prior, sampling.redraw

    def terms(classes: np.ndarray, rows: np.ndarray, totals: np.ndarray) -> np.ndarray:
        chances = rows if prior is None else np.asarray(prior)[strata.classes[classes]]
        return _pair_terms(chances, rows, totals, vectors=redraw > 0)

    unit = _unit(h, device)
    whole, without = strata.sums(lambda rows: _some(unit, rows), terms, lambda sums: _expected(sums, redraw))
    return Estimated(value=float(_expected(whole[None], redraw)[0]), standard_error=jackknife_standard_error(without))


def uniformity(
    h: Embeddings, sources: Sources, sampling: Sampling | None = None, device: torch.device = CPU
) -> Estimated:
    """log of the mean of exp(-2 |h_i - h_j|^2) over pairs i != j (Wang & Isola 2020, t = 2): -8 to 0.

    i and j are drawn independently, each as an image of a pair of ``sampling`` is, until they differ: by class, then
    alike within it; all images alike without ``sampling``, and where classes are drawn by their share of the rows.
    """
    if len(h) < 2:
        raise ValueError(f"h: its {len(h)} rows form no pair")
    alike = Sampling(labels=np.zeros(len(h), dtype=np.int64), prior=(1.0,))
    drawn = alike if sampling is None or sampling.prior is None else sampling
    strata = Strata.of(drawn.labels, sources)
    total, without = _potentials(_unit(h, device), strata, np.asarray(drawn.prior)[strata.classes])
    return Estimated(value=float(np.log(total)), standard_error=jackknife_standard_error(np.log(without)))


@dataclass(frozen=True, kw_only=True)
class OfViews:
    """Geometry under pairs of views (T_SimCLR)."""

    alignment: Estimated
    uniformity: Estimated


def of_views(h: Float[np.ndarray, "n per_image width"], sources: Sources, device: torch.device = CPU) -> OfViews:
    """`alignment` over all pairs of distinct views of an image, and `uniformity` over the first view of each.

    ``sources``: [n]. Of the m views of an image the mean of |h_v - h_w|^2 is 2 (m - |sum of h_v|^2 / m) / (m - 1).
    """
    n, m, width = h.shape
    if m < 2:
        raise ValueError(f"h: {m} view of each image forms no pair")
    unit = _unit(h.reshape(n * m, width), device)
    squares = [
        (unit[m * part.start : m * part.stop].cpu().numpy().reshape(-1, m, width).sum(1) ** 2).sum(1)
        for part in slices(n, rows_within(8 * m * width))
    ]
    distances = 2 * (m - np.concatenate(squares) / m) / (m - 1)
    error = clustered_standard_error(distances, sources)
    return OfViews(
        alignment=Estimated(value=float(distances.mean()), standard_error=error),
        uniformity=uniformity(h[:, 0], sources, device=device),
    )


def _unit(h: np.ndarray, device: torch.device = CPU) -> Rows:
    """h / |h| of each row in float64."""
    refuse_rows("h", h)
    silent = ~h.any(1)
    if silent.any():
        raise ValueError(f"h: row {int(silent.argmax())} has no direction")
    return Rows(tensor_of(h), lambda rows: directions(rows.double()), device=device)


def _some(unit: Rows, rows: Int64[np.ndarray, " m"]) -> Float64[np.ndarray, "m width"]:
    return unit[torch.from_numpy(rows)].cpu().numpy()


def _potential(unit: Rows, rows: slice) -> Float64[np.ndarray, "m n"]:
    """exp(-2 |h_i - h_j|^2) of some rows with all rows."""
    some, potentials = unit[rows], []
    for part in slices(len(unit), rows_within(8 * unit.shape[1])):
        if unit.device.type == "cpu":
            potentials.append(np.exp(4 * (some.numpy() @ unit[part].numpy().T - 1)))
        else:
            potentials.append((some @ unit[part].T).sub_(1).mul_(4).exp_().cpu().numpy())
    return np.hstack(potentials)


def _pair_terms(
    chances: np.ndarray, rows: np.ndarray, totals: Float64[np.ndarray, "c width"], *, vectors: bool
) -> Float64[np.ndarray, "c t"]:
    """Additive terms of classes, of which `_expected` is a function: weight w, w within, w^2 (within - |mean|^2), and,
    if ``vectors``, w mean; within is the mean of h_i . h_j over i != j, mean that of h, ``totals`` its sum."""
    weight, n = np.where(rows >= 2, chances, 0.0), np.maximum(rows, 2)
    squared = np.einsum("cw,cw->c", totals, totals)
    within = (squared - rows) / (n * (n - 1))
    scalars = np.stack([weight, weight * within, weight**2 * (within - squared / n**2)], axis=1)
    return np.hstack([scalars, (weight / n)[:, None] * totals]) if vectors else scalars


def _expected(terms: Float64[np.ndarray, "m t"], redraw: float) -> Float64[np.ndarray, " m"]:
    """Expected h_x . h_y from `_pair_terms` that were summed over classes: nan where no class has a pair."""
    weight = np.where(terms[:, 0] > 0, terms[:, 0], np.nan)
    kept, anew = terms[:, 1] / weight, (terms[:, 2] + (terms[:, 3:] ** 2).sum(1)) / weight**2
    return (1 - redraw) * kept + redraw * anew


def _potentials(
    unit: Rows, strata: Strata, chances: Float64[np.ndarray, " c"]
) -> tuple[float, Float64[np.ndarray, " s"]]:
    """The mean of exp(-2 |h_i - h_j|^2) over i != j, and that without each source; nan where no pair is left.

    A row of class c has the weight chance_c / rows_c. Leaving out a source makes the other rows of its classes heavier.
    """
    left, remain = np.maximum(strata.rows_left, 1), strata.rows_left > 0
    weight, without = chances / strata.rows, np.where(remain, chances[strata.class_of] / left, 0.0)

    def terms(classes: np.ndarray, rows: np.ndarray, _: np.ndarray) -> np.ndarray:
        p = np.where(rows > 0, chances[classes], 0.0)
        return np.stack([p, p**2 / np.maximum(rows, 1)], axis=1)

    whole, others = strata.sums(np.empty((len(unit), 0)), terms)
    value, values = _weighted(unit, strata, weight, without)
    pairs, pairs_left = whole[0] ** 2 - whole[1], others[:, 0] ** 2 - others[:, 1]
    return value / pairs, values / np.where(pairs_left > SOME, pairs_left, np.nan)


def _weighted(
    unit: Rows,
    strata: Strata,
    weight: Float64[np.ndarray, " c"],
    left: Float64[np.ndarray, " g"],
) -> tuple[float, Float64[np.ndarray, " s"]]:
    """Sum of w_i w_j exp(-2 |h_i - h_j|^2) over i != j, and that without each source, a tile of rows at a time.

    ``weight``: of a row of each class; ``left``: of the other rows of each group's class when its source is left out.
    """
    n, c = len(unit), len(weight)
    of_class = csr_array((np.ones(n), (np.arange(n), strata.label)), shape=(n, c))
    places = (strata.source_of, strata.class_of)
    change = csr_array((left - weight[strata.class_of], places), shape=(strata.n_sources, c))
    blocks, touching = np.zeros((c, c)), np.zeros(n)
    for rows in slices(n, min(ROWS, rows_within(8 * n))):
        potential = _potential(unit, rows)
        itself = np.arange(len(potential))
        potential[itself, rows.start + itself] = 0
        sums = potential @ of_class
        np.add.at(blocks, strata.label[rows], sums)
        own = np.where(strata.source[rows, None] == strata.source, potential, 0.0) @ left[strata.group]
        others = sums @ weight + (change[strata.source[rows]] * sums).sum(1)
        touching[rows] = left[strata.group[rows]] * (2 * others - own)
    total = weight @ blocks @ weight
    squares = [(change[part] * (change[part] @ blocks)).sum(1) for part in slices(strata.n_sources, rows_within(8 * c))]
    heavier = 2 * change @ (blocks @ weight) + np.concatenate(squares)
    return float(total), total + heavier - np.bincount(strata.source, touching)
