"""A user's `Critic` as a value of `estimate`: its score read by the NWJ bound, with the offset of validation pairs.

Only test pairs are read after the score and the offset are fixed, so the reading is a lower bound in expectation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mi_ray.compute.estimation.critic import Critic, Score
from mi_ray.compute.estimation.problem import FitData, Outcome, Problem
from mi_ray.compute.estimation.readings import TILE, Pairs, nwj_of_sums, only_used, read_nwj
from mi_ray.compute.numerics.finite import refuse_rows
from mi_ray.compute.numerics.jackknife import Nwj, numbered
from mi_ray.theory.information import bits

ALONE = 3
"""Number of rows whose scores are computed a second time, without the other rows, to test that these do not matter."""


@dataclass(frozen=True)
class OwnCritic:
    """A user's critic: its own fit, read by the NWJ bound like every other critic."""

    critic: Critic

    def fit(self, data: FitData) -> FittedScore:
        """Fit the critic's score, then the NWJ offset on validation pairs; ValueError if the score is no function."""
        f = self.critic.fit(data)
        if not callable(f):
            raise ValueError(f"{self.critic.name}: fit returned {f!r}; allowed: a function of x and y")
        h = data.validation.h
        greatest = max(float(scores.max()) for _, scores in _tiles(f, h, self.critic.name))
        score = ShiftedScore(name=self.critic.name, f=f, shift=greatest)
        offset = score.bound(h, data.held).best_offset
        train_bits = bits(score.bound(data.train.h, data.seen).value(offset))
        return FittedScore(score=score, offset=offset, train_bits=train_bits)


@dataclass(frozen=True, kw_only=True)
class ShiftedScore:
    """The score f - ``shift``. Subtracting the largest validation score keeps exp from overflowing; the NWJ bound stays
    the same, since its fitted offset grows by ``shift``."""

    name: str
    f: Score
    shift: float

    def bound(self, h: np.ndarray, pairs: Pairs) -> Nwj:
        """The NWJ bound over ``pairs`` of rows of h [n, width]; cross pairs are every x with the y of every other pair.

        Scores [n, n] are computed in tiles. NotFinite if a score is not finite; ValueError if their shape is wrong, or
        if a score depends on other rows.
        """
        h, pairs = only_used(h, pairs)
        x, y = pairs.x.ravel(), pairs.y.ravel()
        as_x, as_y = (np.bincount(side, minlength=len(h)).astype(float) for side in (x, y))
        source, size = numbered(pairs.sources)
        to_x, to_y, own = np.zeros((3, len(h)))
        positive, misplaced = np.zeros((2, len(x)))
        for rows, scores in _tiles(self.f, h, self.name):
            shifted = scores - self.shift
            kernel = np.exp(shifted)
            to_y[rows] = kernel @ as_y
            to_x += as_x[rows] @ kernel
            own[rows] = np.where(source[rows, None] == source, kernel, 0.0) @ as_y
            here = np.flatnonzero((x >= rows.start) & (x < rows.stop))
            positive[here] = shifted[x[here] - rows.start, y[here]]
            misplaced[here] = shifted[x[here] - rows.start, np.roll(y, 1)[here]]
        return nwj_of_sums(positive, float(misplaced.min()), pairs, to_x, to_y, own, source, size)


@dataclass(frozen=True, kw_only=True)
class FittedScore:
    """A fitted score with its NWJ offset; neither changes any more."""

    score: ShiftedScore
    offset: float
    train_bits: float

    def read(self, problem: Problem) -> Outcome:
        """Read the score once on the test pairs."""
        name, bound = self.score.name, self.score.bound(problem.samples["test"].h, problem.pairs)
        return Outcome(bounds={name: read_nwj([bound], [self.offset])}, train_bits={name: self.train_bits})


def _tiles(f: Score, h: np.ndarray, name: str) -> Iterator[tuple[slice, np.ndarray]]:
    """Scores [rows, n] in float64 of some rows of h as x and all rows as y, with the slice of the rows."""
    for start in range(0, len(h), TILE):
        rows = slice(start, min(start + TILE, len(h)))
        scores = np.asarray(f(h[rows], h), dtype=np.float64)
        if scores.shape != (rows.stop - start, len(h)):
            raise ValueError(f"{name}: scores of shape {scores.shape}; allowed: {(rows.stop - start, len(h))}")
        refuse_rows(f"{name}: scores", scores)
        if start == 0 and not np.allclose(f(h[:ALONE], h[1:ALONE]), scores[:ALONE, 1:ALONE], rtol=1e-3, atol=1e-3):
            raise ValueError(f"{name}: a score depends on the other rows; allowed: a function of x_i and y_j alone")
        yield rows, scores
