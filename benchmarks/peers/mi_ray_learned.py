"""mi-ray without labels: a lower bound from classes that are discovered from the training pairs alone (`discovered`).

Validation pairs select the number of classes and the confidence in them, and fit the offset of the NWJ bound; the test
pairs are then scored. The labels of the pairs are never used. The choices are three values of ``roundness``, the weight
of isotropic noise against the noise in the differences of training pairs. Grids and choices were set by validation
values on the pairs of the first seed.
"""

from __future__ import annotations

import numpy as np
from protocol import BITS_PER_NAT, Pairs, Splits, Values, main

from benchmarks.peers.discovered import discover, score_couples

ROUNDNESS = (0.3, 0.03, 0.9)


def estimate(splits: Splits, seed: int, choice: int) -> Values:
    """The NWJ bound in bits, on test and on validation pairs."""
    train, validation = ((s.x, s.y) for s in (splits.train, splits.validation))
    model = discover(train, validation, roundness=ROUNDNESS[choice], seed=seed)
    held, read = (score_couples(model(_rows(s)), model.channel) for s in (splits.validation, splits.test))
    offset = held.best_offset
    return read.value(offset) * BITS_PER_NAT, held.value(offset) * BITS_PER_NAT


def _rows(split: Pairs) -> np.ndarray:
    return np.concatenate([split.x, split.y])


if __name__ == "__main__":
    main(estimate)
