"""mi-ray's probe, its main reading: a lower bound that uses labels, as same-class sampling does.

A linear probe is fitted on training rows, and its penalty and softness are chosen on validation. Its critic is scored
by the NWJ bound on the test pairs, with the offset that is best on validation. The prior is uniform, and the chance of
a redraw is estimated on training pairs. Nothing is left to tune.
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
    """The NWJ bound in bits, on test and on validation pairs. It is deterministic, and every choice gives the same."""
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
    """The chance of a redraw, estimated from how often the two classes of a pair differ: a redraw gives the same class
    with probability 1 / C."""
    return min(1.0, float((split.cx != split.cy).mean()) / (1 - 1 / n_classes))


def _images(split: Split) -> np.ndarray:
    """The number of each row's image; equal rows are of one image."""
    rows = np.ascontiguousarray(_rows(split))
    return np.unique(rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel(), return_inverse=True)[1]


def _pairs(split: Split) -> Pairs:
    """The pairs of row i with row n + i."""
    x, y = np.arange(2 * len(split.x)).reshape(2, 1, -1)
    return Pairs(x, y, _images(split))


if __name__ == "__main__":
    main(estimate)
