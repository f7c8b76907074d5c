"""Running averages of weights, and when a fit has converged.

A fit at a constant learning rate ends at no point, but the average of its weights does: it is about as good as weights
whose rate falls to zero, and needs no number of steps to be known beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

RECENCY = 7
"""The average after t steps is, in effect, over the last t / (`RECENCY` + 1)."""

GAIN_BITS = 0.01
"""A fit goes on while its reading on validation betters itself by more than this within its patience."""

CHECK_STEPS = 20
CHECKS = 10
"""A fit is checked on validation every `CHECK_STEPS` steps; `CHECKS` times, if it has fewer steps than that takes."""


def check_interval(steps: int) -> int:
    """The number of steps between two checks of a fit of at most ``steps``."""
    return max(1, min(CHECK_STEPS, steps // CHECKS))


@torch.no_grad()
def average(averages: Iterable[Tensor], weights: Iterable[Tensor], step: int) -> None:
    """Move ``averages`` towards the ``weights`` of ``step``, counted from 1, by polynomial-decay averaging (Shamir and
    Zhang 2013)."""
    share = min(1.0, (RECENCY + 1) / (step + RECENCY))
    for mean, value in zip(averages, weights, strict=True):
        mean.lerp_(value, share)


class Plateau:
    """Which of ``n`` fits have converged: those whose reading did not rise by more than `GAIN_BITS` in ``patience``
    steps."""

    def __init__(self, n: int, patience: int) -> None:
        self.patience, self.converged = patience, np.zeros(n, dtype=bool)
        self._since, self._reference = np.zeros(n, dtype=np.int64), np.full(n, -np.inf)

    def see(self, step: int, bits: np.ndarray) -> None:
        """Take the readings [n] of ``step``; a fit that has converged stays so."""
        rose = (bits > self._reference + GAIN_BITS) & ~self.converged
        self._since[rose], self._reference[rose] = step, bits[rose]
        self.converged |= step - self._since >= self.patience
