"""Whether an encoder learned, by the curve of its training and by the spectrum of its embeddings.

A number about an encoder that learned nothing is a number about its recipe: no claim of the paper is judged by it.

A curve holds, for each report of a training, how far the loss is below chance, log(2K-1), in bits: chance is the loss
of projections that are all alike, whatever the objective. For NT-Xent this is the in-training estimate of Eq. 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import hypot, isfinite, sqrt

import numpy as np
from numpy.typing import NDArray

LAST_SHARE = 0.1
"""A training is judged by the mean over this last share of its reports."""

MARGIN_SHARE, MARGIN_BITS = 0.05, 0.1
"""A training must gain more than this share of what its pairs allow, or than `MARGIN_BITS` where that is less.

The recipe of `infomin_grid` gains 1.1 to 3.5 bits in its first 15 to 39 steps where it learns, and 0.00 where it does
not (pairing digit).
"""

SURE = 2.0
"""Standard errors by which the gain must exceed the margin."""

LOST_SHARE = 0.5
"""A training whose end is surely below this share of its best reports has collapsed."""

POINT_SHARE = 0.999
"""Embeddings are one point if more than this share of the images is at it."""

POINT_EPSILONS = 4.0
"""At a point: within this many relative spacings of the number type, in every column. Features of mean 100 and spread
5e-4 in float32 are 10 of these away from one another."""

LEAST_RANK = 1.25
"""Least effective rank of an encoder that tells three or more things apart.

Class means of C classes span C - 1 dimensions, so two classes that are told apart perfectly span one. With three, the
rank is below 1.25 only if all other directions together have less than some 6 % of the spread of the first.
"""

CHUNK = 8192
"""Rows of embeddings that exist in float64 at once."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The curve of a training, in bits below chance.

    ``reports``: means over ``steps`` steps each; ``first``: of the first step, whose network is untrained, None where
    it is not known; ``allowed``: the most that a perfect encoder reaches, None where it is not known.
    """

    reports: tuple[float, ...]
    steps: int = 1
    first: float | None = None
    allowed: float | None = None

    @property
    def window(self) -> int:
        """Reports in a mean."""
        return last_reports(len(self.reports))

    @property
    def end(self) -> float:
        """Mean over the last reports."""
        return float(np.mean(self.reports[-self.window :]))

    @property
    def spread(self) -> float:
        """Standard deviation of the last reports; where they are one, that of successive differences of all reports
        (von Neumann), which a trend makes larger; 0 for a single report, which has none."""
        last = self.reports[-self.window :]
        if len(last) > 1:
            return float(np.std(last, ddof=1))
        return float(np.sqrt(np.mean(np.diff(self.reports) ** 2) / 2)) if len(self.reports) > 1 else 0.0

    @property
    def standard_error(self) -> float:
        """Of `end`, as the reports differ."""
        return self.spread / sqrt(self.window)

    @property
    def best(self) -> float:
        """The largest mean over as many reports."""
        return float(np.convolve(self.reports, np.full(self.window, 1 / self.window), mode="valid").max())

    @property
    def floor(self) -> float:
        """What the untrained network has; chance where it is worse than that, or not known."""
        return max(0.0, self.first or 0.0)

    @property
    def margin(self) -> float:
        """What must be gained; 0 where it is not known what can be."""
        return 0.0 if self.allowed is None else min(MARGIN_BITS, MARGIN_SHARE * self.allowed)

    @property
    def noise(self) -> float:
        """Standard error of the gain; the first step is a single one, and each report a mean over several."""
        return hypot(self.standard_error, self.spread * sqrt(self.steps) if self.floor else 0.0)


def last_reports(reports: int) -> int:
    """How many of some reports are the last `LAST_SHARE`."""
    return max(1, round(LAST_SHARE * reports))


def why_untrained(curve: Curve) -> str:
    """Why a training learned nothing, or lost what it had learned; empty if it did not, or if no report is known."""
    if not curve.reports:
        return ""
    if not all(map(isfinite, curve.reports)):
        return "diverged: its loss is no finite number"
    ended = f"the loss ended {curve.end:z.2f} ± {curve.standard_error:.2f} bits below chance, log(2K-1)"
    enough = curve.floor + curve.margin
    learned_once = curve.best - SURE * curve.standard_error > enough
    if learned_once and curve.end + SURE * curve.standard_error < LOST_SHARE * curve.best:
        return f"collapsed in training: {ended}, after {curve.best:.2f}"
    if curve.end - SURE * curve.noise > enough:
        return ""
    untrained = f"; {curve.floor:.2f} untrained" if curve.floor else ""
    return f"learned nothing: {ended}{untrained}; more than {enough:.2f} by {SURE:g} standard errors is needed"


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """Of embeddings: ``spread`` [d], standard deviations along their principal axes, largest first; ``at_a_point``, the
    share of them at their median."""

    spread: NDArray[np.float64]
    at_a_point: float

    @property
    def effective_rank(self) -> float:
        """exp of the entropy of the normalised spectrum (RankMe, Garrido et al. 2023), of centred embeddings; 0 where
        there is no spread."""
        total = self.spread.sum()
        p = self.spread[self.spread > 0] / total if total > 0 else np.ones(0)
        return float(np.exp(-(p * np.log(p)).sum())) if len(p) else 0.0


def spectrum(h: NDArray[np.floating]) -> Spectrum:
    """The spectrum of embeddings h [n, d], computed in float64. A column that varies by its number type's rounding
    alone has no spread. Scale and shift of h change nothing, as far as the number type of h allows."""
    mean = sum(part.sum(0) for part in _parts(h)) / len(h)
    covariance = sum((part - mean).T @ (part - mean) for part in _parts(h)) / len(h)
    rounding = POINT_EPSILONS * np.finfo(h.dtype).eps
    constant = np.sqrt(np.diag(covariance)) <= rounding * np.abs(mean)
    covariance[constant], covariance[:, constant] = 0, 0
    median = np.median(h, axis=0).astype(np.float64)
    near = [(np.abs(part - median) <= rounding * np.abs(median)).all(1) for part in _parts(h)]
    axes = np.sqrt(np.linalg.eigvalsh(covariance).clip(0))[::-1]
    return Spectrum(spread=axes, at_a_point=float(np.concatenate(near).mean()))


def _parts(h: NDArray[np.floating]) -> Iterator[NDArray[np.float64]]:
    return (h[start : start + CHUNK].astype(np.float64) for start in range(0, len(h), CHUNK))


def why_collapsed(found: Spectrum, classes: float | None) -> str:
    """Why embeddings are of no use; empty if they are.

    ``classes``: how many things the encoder was trained to tell apart, None where that is not known: low rank alone is
    then no fault, for an encoder of two classes may span one dimension.
    """
    if not found.spread.any():
        return "collapsed: the embeddings are one point"
    if found.at_a_point > POINT_SHARE:
        return f"collapsed: {found.at_a_point:.2%} of the embeddings are one point"
    rank = found.effective_rank
    if classes is not None and classes > 2 and rank < LEAST_RANK:
        return f"collapsed: embeddings have effective rank {rank:.2f}; {LEAST_RANK:g} is needed"
    return ""


def in_words(reasons: Sequence[tuple[str, str]], shown: int = 4) -> str:
    """Names and reasons in a sentence's words, the first few in full."""
    first = "; ".join(f"{name} {reason}" for name, reason in reasons[:shown])
    more = len(reasons) - shown
    return f"{first}; and {more} more" if more > 0 else first
