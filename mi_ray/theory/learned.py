"""Did an encoder learn? Judged by its training curve and by the spectrum of its embeddings.

If an encoder learned nothing, its numbers describe the training recipe; no claim of the paper is judged by them.

A curve holds log(2K-1) minus the loss, in bits, for each report of a training. log(2K-1) is the loss at chance: that of
identical projections, for every objective. For NT-Xent the curve is the in-training estimate of Eq. 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import hypot, isfinite, sqrt

import numpy as np
from numpy.typing import NDArray

LAST_SHARE = 0.1
"""Share of the reports, at the end of a training, whose mean judges the training."""

MARGIN_SHARE, MARGIN_BITS = 0.05, 0.1
"""Least gain of a training: this share of the possible gain, or `MARGIN_BITS` if that is less.

The recipe of `infomin_grid` gains 1.1 to 3.5 bits in its first 15 to 39 steps when it learns, and 0.00 when it does not
(pairing digit).
"""

SURE = 2.0
"""Number of standard errors by which the gain must exceed the margin."""

LOST_SHARE = 0.5
"""A training has collapsed if its end is below this share of its best reports, by `SURE` standard errors."""

POINT_SHARE = 0.999
"""Embeddings are one point if more than this share of the images lies on the point."""

POINT_EPSILONS = 4.0
"""An embedding lies on a point if every column is within this many machine epsilons of it, relative to its value.

Float32 features of mean 100 and standard deviation 5e-4 are about 10 times as far apart.
"""

LEAST_RANK = 1.25
"""Least effective rank of an encoder that separates three or more classes.

The means of C classes span C - 1 dimensions, so two perfectly separated classes span one. With three classes, the rank
is below 1.25 only if all other directions together have less than about 6 % of the spread of the first.
"""

CHUNK = 8192
"""Rows of embeddings that are converted to float64 at a time."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The curve of a training, in bits below chance.

    ``reports``: means over ``steps`` steps each. ``first``: value of the first step, that of the untrained network, or
    None if unknown. ``allowed``: value of a perfect encoder, or None if unknown.
    """

    reports: tuple[float, ...]
    steps: int = 1
    first: float | None = None
    allowed: float | None = None

    @property
    def window(self) -> int:
        """Number of reports in a mean."""
        return last_reports(len(self.reports))

    @property
    def end(self) -> float:
        """Mean of the last reports."""
        return float(np.mean(self.reports[-self.window :]))

    @property
    def spread(self) -> float:
        """Standard deviation of the last reports.

        If the window is a single report: that of successive differences of all reports (von Neumann), which a trend
        makes larger; 0 if there is only one report.
        """
        last = self.reports[-self.window :]
        if len(last) > 1:
            return float(np.std(last, ddof=1))
        return float(np.sqrt(np.mean(np.diff(self.reports) ** 2) / 2)) if len(self.reports) > 1 else 0.0

    @property
    def standard_error(self) -> float:
        """Standard error of `end`, from the spread of the reports."""
        return self.spread / sqrt(self.window)

    @property
    def best(self) -> float:
        """Largest mean of ``window`` successive reports."""
        return float(np.convolve(self.reports, np.full(self.window, 1 / self.window), mode="valid").max())

    @property
    def floor(self) -> float:
        """Value of the untrained network; 0 (chance) if that is lower or unknown."""
        return max(0.0, self.first or 0.0)

    @property
    def margin(self) -> float:
        """Least gain over `floor`; 0 if the possible gain is unknown."""
        return 0.0 if self.allowed is None else min(MARGIN_BITS, MARGIN_SHARE * self.allowed)

    @property
    def noise(self) -> float:
        """Standard error of the gain. The first value is of a single step, so its error is sqrt(steps) times larger."""
        return hypot(self.standard_error, self.spread * sqrt(self.steps) if self.floor else 0.0)


def last_reports(reports: int) -> int:
    """Number of reports in the last `LAST_SHARE` of ``reports``."""
    return max(1, round(LAST_SHARE * reports))


def why_untrained(curve: Curve) -> str:
    """Reason why a training learned nothing, diverged or collapsed; empty if it learned or has no reports."""
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
    """Spectrum of embeddings.

    ``spread`` [d]: standard deviations along the principal axes, largest first. ``at_a_point``: share of embeddings
    that equal the median embedding, up to rounding.
    """

    spread: NDArray[np.float64]
    at_a_point: float

    @property
    def effective_rank(self) -> float:
        """exp of the entropy of the normalised spectrum of centred embeddings (Roy & Vetterli 2007).

        RankMe, `mi_ray.compute.probes.rank_me`, does not centre and adds an epsilon. 0 if all embeddings are equal.
        """
        total = self.spread.sum()
        p = self.spread[self.spread > 0] / total if total > 0 else np.ones(0)
        return float(np.exp(-(p * np.log(p)).sum())) if len(p) else 0.0


def spectrum(h: NDArray[np.floating]) -> Spectrum:
    """The spectrum of embeddings h [n, d], computed in float64.

    A column that varies only by the rounding of h's dtype has no spread. Rank and ``at_a_point`` do not depend on scale
    and shift of h, up to that rounding.
    """
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
    """h in float64, `CHUNK` rows at a time."""
    return (h[start : start + CHUNK].astype(np.float64) for start in range(0, len(h), CHUNK))


def why_collapsed(h: Spectrum, classes: float | None) -> str:
    """Reason why embeddings of spectrum ``h`` have collapsed; empty if they have not.

    ``classes``: number of classes that the encoder was trained to separate, or None if unknown. With two classes or an
    unknown number, low rank is no fault: two classes may span one dimension.
    """
    if not h.spread.any():
        return "collapsed: the embeddings are one point"
    if h.at_a_point > POINT_SHARE:
        return f"collapsed: {h.at_a_point:.2%} of the embeddings are one point"
    rank = h.effective_rank
    if classes is not None and classes > 2 and rank < LEAST_RANK:
        return f"collapsed: embeddings have effective rank {rank:.2f}; {LEAST_RANK:g} is needed"
    return ""


def in_words(reasons: Sequence[tuple[str, str]], shown: int = 4) -> str:
    """(name, reason) pairs as text: the first ``shown``, then "and N more"."""
    first = "; ".join(f"{name} {reason}" for name, reason in reasons[:shown])
    more = len(reasons) - shown
    return f"{first}; and {more} more" if more > 0 else first
