"""Three readings of one frozen critic, in bits: nominal (Eq. 4), strict (cross-view, log K) and NWJ (all cross pairs).

Only the last two are lower bounds of the mutual information whatever the critic is, provided that it was fitted and
selected on other rows; the nominal form can exceed it by up to log(2 - 1/K).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import e, log

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor
from torch.nn.functional import normalize

from mi_ray.compute.losses import info_nce_rows, nt_xent_rows
from mi_ray.compute.uncertainty import Sources, paired_standard_error
from mi_ray.theory.information import NATS_PER_BIT, bits, nominal_bound_bits, strict_bound_bits

Pairs = Sequence[tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"]]]
"""Batches of positive pairs: two index arrays [k] into the rows."""

ROWS = 256
"""Rows of the cross-pair matrix that exist at once."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A value in bits and its standard error over source images."""

    bits: float
    standard_error_bits: float


def read_nominal(z: Float[Tensor, "n d"], pairs: Pairs, sources: np.ndarray, *, temperature: float) -> Reading:
    """Eq. 4: log(2K-1) - L_InfoNCE."""
    nats = [nt_xent_rows(z[x], z[y], temperature=temperature) for x, y in pairs]
    return _averaged(nats, nominal_bound_bits(len(pairs[0][0])), pairs, sources)


def nominal_mean(z: Float[Tensor, "n d"], pairs: Pairs, *, temperature: float) -> float:
    """Eq. 4 in bits, without a standard error."""
    nats = torch.cat([nt_xent_rows(z[x], z[y], temperature=temperature) for x, y in pairs])
    return nominal_bound_bits(len(pairs[0][0])) - bits(nats.double().mean().item())


def read_strict(z: Float[Tensor, "n d"], pairs: Pairs, sources: np.ndarray, *, temperature: float) -> Reading:
    """Cross-view InfoNCE: log K - L over K candidates, a lower bound of the mutual information."""
    nats = [info_nce_rows(z[x], z[y], temperature=temperature) for x, y in pairs]
    return _averaged(nats, strict_bound_bits(len(pairs[0][0])), pairs, sources)


def _averaged(nats: Sequence[Tensor], bound: float, pairs: Pairs, sources: np.ndarray) -> Reading:
    values = bound - torch.cat(list(nats)).double().numpy() / NATS_PER_BIT
    x, y = (np.concatenate(side) for side in zip(*pairs, strict=True))
    return Reading(bits=values.mean(), standard_error_bits=paired_standard_error(values, sources[x], sources[y]))


def nwj_offset(z: Float[Tensor, "n d"], pairs: Pairs, *, temperature: float) -> float:
    """The constant that makes this critic's NWJ bound tightest, fitted on selection rows: 1 - log E_cross[exp f]."""
    nowhere = np.zeros(len(z), dtype=np.int64)
    cross = _cross(z, pairs, nowhere, temperature)
    return 1 - log(cross.value)


def read_nwj(
    z: Float[Tensor, "n d"], pairs: Pairs, sources: np.ndarray, *, temperature: float, offset: float
) -> Reading:
    """E_joint[f + b] - E_cross[exp(f + b)] / e over all cross pairs: a lower bound without a log K cap.

    Its standard error is the jackknife that leaves out one source at a time.
    """
    _, source = np.unique(sources, return_inverse=True)
    joint, cross = _joint(z, pairs, source, temperature), _cross(z, pairs, source, temperature)
    whole = _nwj(np.array(joint.value), np.array(cross.value), offset)
    without = _nwj(joint.without_one(), cross.without_one(), offset)
    spread = (len(without) - 1) / len(without) * ((without - without.mean()) ** 2).sum()
    return Reading(bits=bits(float(whole)), standard_error_bits=bits(float(np.sqrt(spread))))


def _nwj(score: np.ndarray, ratio: np.ndarray, offset: float) -> np.ndarray:
    return np.asarray(score + offset - np.exp(offset) * ratio / e)


@dataclass(frozen=True)
class _Sums:
    """A sum over pairs, and what of it touches each source: as x, as y, and as both. Counts are kept alike."""

    total: float
    as_x: Float64[np.ndarray, " g"]
    as_y: Float64[np.ndarray, " g"]
    as_both: Float64[np.ndarray, " g"]

    def without_one(self) -> Float64[np.ndarray, " g"]:
        """The sum without each source in turn."""
        return self.total - self.as_x - self.as_y + self.as_both


@dataclass(frozen=True)
class _Mean:
    """A mean over pairs that can leave out a source."""

    sums: _Sums
    counts: _Sums

    @property
    def value(self) -> float:
        return self.sums.total / self.counts.total

    def without_one(self) -> Float64[np.ndarray, " g"]:
        """The mean without each source in turn."""
        return self.sums.without_one() / self.counts.without_one()


def _joint(z: Tensor, pairs: Pairs, source: Sources, temperature: float) -> _Mean:
    """Mean of f over the positive pairs."""
    x, y = (np.concatenate(side) for side in zip(*pairs, strict=True))
    unit = normalize(z.float(), dim=1)
    scores = ((unit[x] * unit[y]).sum(1).double() / temperature).numpy()
    of_x, of_y, size = source[x], source[y], int(source.max()) + 1
    same = of_x == of_y

    def sums(values: np.ndarray) -> _Sums:
        return _Sums(
            float(values.sum()),
            _per_source(values, of_x, size),
            _per_source(values, of_y, size),
            _per_source(values[same], of_x[same], size),
        )

    return _Mean(sums(scores), sums(np.ones(len(x))))


def _cross(z: Tensor, pairs: Pairs, source: Sources, temperature: float) -> _Mean:
    """Mean of exp f over x of one pair and y of another, which are independent."""
    x, y = (np.concatenate(side) for side in zip(*pairs, strict=True))
    unit = normalize(z.float(), dim=1)
    of_x, of_y = torch.from_numpy(source[x]), torch.from_numpy(source[y])
    per_x, per_y, both = (torch.zeros(len(x), dtype=torch.float64) for _ in range(3))
    for start in range(0, len(x), ROWS):
        rows = slice(start, start + ROWS)
        ratios = (unit[x[rows]] @ unit[y].T / temperature).exp_()
        ratios.diagonal(start).zero_()
        per_x[rows], per_y = ratios.sum(1).double(), per_y + ratios.sum(0).double()
        both[rows] = (ratios * (of_x[rows, None] == of_y)).sum(1).double()
    return _Mean(
        _Sums(
            float(per_x.sum()),
            _per_source(per_x.numpy(), source[x], int(source.max()) + 1),
            _per_source(per_y.numpy(), source[y], int(source.max()) + 1),
            _per_source(both.numpy(), source[x], int(source.max()) + 1),
        ),
        _cross_counts(source[x], source[y], int(source.max()) + 1),
    )


def _cross_counts(of_x: Sources, of_y: Sources, size: int) -> _Sums:
    """How many x of one pair and y of another there are, in all and by source."""
    ones, others, same = np.ones(len(of_x)), len(of_x) - 1.0, of_x == of_y
    as_x, as_y = (_per_source(ones, side, size) for side in (of_x, of_y))
    own = _per_source(ones[same], of_x[same], size)
    return _Sums(len(of_x) * others, as_x * others, as_y * others, as_x * as_y - own)


def _per_source(values: np.ndarray, source: Sources, size: int) -> Float64[np.ndarray, " g"]:
    return np.bincount(source, values, size).astype(float)
