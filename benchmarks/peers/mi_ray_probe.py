"""mi-ray's probe, the headline reading: a lower bound. It sees the classes, as same-class sampling does.

A linear probe is fitted on training rows, its penalty and softness are chosen on validation, and the critic that it
makes is read by NWJ on the test pairs, with the offset that is best on validation. The prior is uniform, and how often
a partner's class was drawn anew is counted on training pairs. There is nothing left to choose.
"""

from __future__ import annotations

import numpy as np
import torch
from protocol import BITS_PER_NAT, Splits, Values, main
from protocol import Pairs as Split

from mi_ray.compute.estimation.posterior import fit_posterior, score_posterior
from mi_ray.compute.estimation.readings import Pairs
from mi_ray.theory.channel import LabelChannel

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)


def estimate(splits: Splits, seed: int, choice: int) -> Values:
    """NWJ values on test and validation pairs; nothing is drawn, and every choice is the same."""
    train, validation = ((torch.from_numpy(_rows(s)), _labels(s)) for s in (splits.train, splits.validation))
    channel = LabelChannel.uniform(splits.n_classes, _redraw(splits.train, splits.n_classes))
    model = fit_posterior(train, validation, _images(splits.validation), channel.prior, penalties=PENALTIES)
    held, read = (
        score_posterior(model(torch.from_numpy(_rows(s))), _pairs(s), channel) for s in (splits.validation, splits.test)
    )
    offset = held.best_offset
    return read.value(offset) * BITS_PER_NAT, held.value(offset) * BITS_PER_NAT


def _rows(split: Split) -> np.ndarray:
    return np.concatenate([split.x, split.y])


def _labels(split: Split) -> np.ndarray:
    return np.concatenate([split.cx, split.cy])


def _redraw(split: Split, n_classes: int) -> float:
    """The chance of a redraw that explains how often classes differ: a redraw hits the same one once in C."""
    return min(1.0, float((split.cx != split.cy).mean()) / (1 - 1 / n_classes))


def _images(split: Split) -> np.ndarray:
    """The image of each row: rows that are the same are of one."""
    rows = np.ascontiguousarray(_rows(split))
    return np.unique(rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel(), return_inverse=True)[1]


def _pairs(split: Split) -> Pairs:
    """Row i with row n + i."""
    x, y = np.arange(2 * len(split.x)).reshape(2, 1, -1)
    return Pairs(x, y, _images(split))


if __name__ == "__main__":
    main(estimate)
