"""Three readings of frozen cosine critics on positive pairs: nominal (Eq. 4), strict (cross-view, log K), NWJ.

Only the last two are lower bounds of the mutual information whatever the critic is, provided that it was fitted and
selected on other rows; the nominal form can exceed it by up to log(2 - 1/K). All come from one pass over the kernel
exp(cos / temperature) between images, in tiles, which is computed once however many pairs are drawn and whatever K is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from mi_ray.compute.numerics.blocks import rows_within, slices
from mi_ray.compute.numerics.finite import refuse_rows
from mi_ray.compute.numerics.jackknife import (
    Mean,
    Nwj,
    Sums,
    cross_counts,
    jackknife_standard_error,
    numbered,
    over_pairs,
    per_source,
    units,
)
from mi_ray.compute.numerics.sphere import directions
from mi_ray.compute.numerics.uncertainty import Sources, paired_standard_error
from mi_ray.compute.pairs.couples import Couple
from mi_ray.compute.seeding import stream
from mi_ray.theory.certificate import Reading
from mi_ray.theory.information import bits, nominal_bound_bits, strict_bound_bits

TILE = 512
"""Most rows of the kernel that exist at once; fewer if they have more than `blocks.BLOCK` bytes."""

FLOAT32_NATS = 80.0
"""Depth to which float32 keeps small numbers; the kernel spans 2 / temperature."""

Indices = Int64[np.ndarray, "batches k"]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Batches of K independent positive pairs, as indices into images; ``sources`` [n] of the images."""

    x: Indices
    y: Indices
    sources: Sources

    @property
    def k(self) -> int:
        return self.x.shape[1]


def draw_pairs(couple: Couple, sources: Sources, *, k: int, batches: int, seed: int, purpose: str) -> Pairs:
    """The pairs that a split is read on: a function of seed, purpose and batch number."""
    drawn = [couple(k, stream(seed, purpose, batch)) for batch in range(batches)]
    return Pairs(np.stack([x for x, _ in drawn]), np.stack([y for _, y in drawn]), sources)


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of one frozen critic on some pairs: -L per pair in both InfoNCE forms, in nats, and its NWJ bound."""

    nominal: Float64[np.ndarray, "batches k"]
    strict: Float64[np.ndarray, "batches k"]
    nwj: Nwj

    @property
    def nominal_bits(self) -> float:
        """Eq. 4: log(2K-1) - L."""
        return nominal_bound_bits(self.nominal.shape[1]) + bits(self.nominal.mean())

    @property
    def strict_bits(self) -> float:
        """Cross-view InfoNCE: log K - L."""
        return strict_bound_bits(self.strict.shape[1]) + bits(self.strict.mean())


@dataclass(frozen=True, kw_only=True)
class Readings:
    """The three readings, each the mean over critics."""

    nominal: Reading
    strict: Reading
    nwj: Reading


def score(z: Float[Tensor, "n d"], pairs: Pairs, *, temperature: float) -> Scores:
    """Score ``pairs`` by the cosine critic z [n, d] / temperature; NotFinite if a value of z is not."""
    z, pairs = only_used(z, pairs)
    refuse_rows("z", z)
    unit = directions(z.detach()).float()
    counts = np.stack([np.bincount(batch, minlength=len(z)) for batch in (*pairs.x, *pairs.y)], axis=1).astype(float)
    source, size = numbered(pairs.sources)
    batches = len(pairs.x)
    sums, own = kernel_sums(unit, counts, source, batches, temperature)
    to_x, to_y = np.split(sums + counts, 2, axis=1)
    of_others, of_itself = (part[:, :batches] + part[:, batches:] for part in (sums, counts))
    batch = np.arange(batches)[:, None]
    positive = _positive(unit, pairs, temperature)
    worst = float(_positive(unit, replace(pairs, y=np.roll(pairs.y, 1)), temperature).min())
    twice = [np.log(of_others[side, batch] + (of_itself[side, batch] - 1)) for side in (pairs.x, pairs.y)]
    once = np.log(to_y[pairs.x, batch]), np.log(to_x[pairs.y, batch])
    return Scores(
        nominal=positive - (twice[0] + twice[1]) / 2,
        strict=positive - (once[0] + once[1]) / 2,
        nwj=nwj_of_sums(positive.ravel(), worst, pairs, to_x.sum(1), to_y.sum(1), own, source, size),
    )


Rows = TypeVar("Rows", Tensor, np.ndarray)


def only_used(z: Rows, pairs: Pairs) -> tuple[Rows, Pairs]:
    """The rows of z that the pairs were made from, and the pairs as indices into these."""
    used, place = np.unique(np.stack([pairs.x, pairs.y]), return_inverse=True)
    x, y = place.reshape(2, *pairs.x.shape)
    return z[used], Pairs(x, y, pairs.sources[used])


@torch.inference_mode()
def kernel_sums(
    unit: Tensor, counts: np.ndarray, source: Sources, batches: int, temperature: float
) -> tuple[np.ndarray, np.ndarray]:
    """Sums of exp((cos - 1) / temperature) from every image: over the images of each batch, and over y of its source.

    Computed on the device of ``unit``. ``counts`` [n, 2 batches]: how often each image is x, then y, of a batch. The
    first sums [n, 2 batches] leave out an image's term with itself, which is 1 and would drown a small sum.
    """
    dtype = torch.float32 if 2 / temperature < FLOAT32_NATS else torch.float64
    unit = unit.to(dtype)
    weights, group = torch.from_numpy(counts).to(unit), torch.from_numpy(source).to(unit.device)
    as_y = weights[:, batches:].sum(1)
    sums, own = [], []
    for rows in slices(len(unit), min(TILE, rows_within(len(unit) * unit.element_size()))):
        kernel = (unit[rows] @ unit.T).sub_(1).div_(temperature).exp_()
        kernel.diagonal(rows.start).zero_()
        sums.append(kernel @ weights)
        own.append(kernel.mul_(group[rows, None] == group) @ as_y)
    totals, of_source, alone = (part.double().cpu().numpy() for part in (torch.cat(sums), torch.cat(own), as_y))
    return totals, of_source + alone


def _positive(unit: Tensor, pairs: Pairs, temperature: float) -> Float64[np.ndarray, "batches k"]:
    cosine = (unit[pairs.x.ravel()] * unit[pairs.y.ravel()]).sum(1).double().cpu().numpy()
    return ((cosine - 1) / temperature).reshape(pairs.x.shape)


def nwj_of_sums(
    positive: np.ndarray,
    worst: float,
    pairs: Pairs,
    to_x: np.ndarray,
    to_y: np.ndarray,
    own: np.ndarray,
    source: Sources,
    size: int,
) -> Nwj:
    """The NWJ bound of a critic f from f of every pair, and from sums of exp f over cross pairs.

    ``positive`` [p]; ``worst``: the least f of some cross pairs. ``to_y`` [n]: of each image as x, the sum over all y;
    ``to_x`` [n]: of each image as y, the sum over all x; ``own`` [n]: as ``to_y``, over the y of the image's source.
    ``source`` [n] numbers the sources from 0, ``size`` counts them.
    """
    x, y = pairs.x.ravel(), pairs.y.ravel()
    of_x, of_y, self_term = source[x], source[y], np.exp(positive)
    per_x, per_y = to_y[x] - self_term, to_x[y] - self_term
    both = own[x] - np.where(of_x == of_y, self_term, 0.0)
    cross = Sums(
        float(per_x.sum()), per_source(per_x, of_x, size), per_source(per_y, of_y, size), per_source(both, of_x, size)
    )
    return Nwj(
        over_pairs(positive, of_x, of_y, size),
        Mean(cross, cross_counts(of_x, of_y, size)),
        worst,
        units(positive, x, y, source),
    )


def read(scores: Sequence[Scores], pairs: Pairs, offsets: Sequence[float]) -> Readings:
    """The readings of critics that were fitted alike but for their seeds, with NWJ ``offsets`` from other rows.

    Each standard error is that over source images of the mean over critics, and the spread between critics.
    """
    phantom = _phantom([s.nwj for s in scores])
    return Readings(
        nominal=_averaged([s.nominal for s in scores], nominal_bound_bits(pairs.k), pairs, phantom),
        strict=_averaged([s.strict for s in scores], strict_bound_bits(pairs.k), pairs, phantom),
        nwj=read_nwj([s.nwj for s in scores], offsets),
    )


def _averaged(nats: Sequence[np.ndarray], bound: float, pairs: Pairs, phantom: float) -> Reading:
    rows = np.mean(nats, axis=0).ravel()
    images = paired_standard_error(rows, pairs.sources[pairs.x.ravel()], pairs.sources[pairs.y.ravel()])
    return _reading(bound + bits(rows.mean()), bits(images), [bits(critic.mean()) for critic in nats], phantom)


def read_nwj(bounds: Sequence[Nwj], offsets: Sequence[float]) -> Reading:
    """The NWJ reading of critics, jackknifed over sources."""
    values = [bits(bound.value(offset)) for bound, offset in zip(bounds, offsets, strict=True)]
    without = np.mean([bound.leave_one_out(offset) for bound, offset in zip(bounds, offsets, strict=True)], axis=0)
    return _reading(float(np.mean(values)), bits(jackknife_standard_error(without)), values, _phantom(bounds))


def _phantom(bounds: Sequence[Nwj]) -> float:
    """The loss in bits if one more source were misplaced, mean over critics."""
    return bits(float(np.mean([bound.phantom for bound in bounds])))


def _reading(value: float, over_images: float, of_critics: Sequence[float], phantom: float) -> Reading:
    between = np.var(of_critics, ddof=1) / len(of_critics) if len(of_critics) > 1 else 0.0
    error = float(np.hypot(over_images, np.sqrt(between)))
    return Reading(bits=float(value), standard_error_bits=error, phantom_bits=phantom)
