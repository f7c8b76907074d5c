"""mi-ray without labels: classes discovered from the training pairs alone, read as a lower bound (`discovered`).

Validation pairs say how many classes there are and how sure to be of them, and give the offset of the NWJ bound that
the test pairs are read by. The classes of the pairs are never looked at. The choices are how far the noise is taken to
be a sphere rather than what training pairs differ by: somewhat, hardly, or nearly. Grids and choices were set by the
validation values of the first seed's pairs.
"""

from __future__ import annotations

import numpy as np
from protocol import BITS_PER_NAT, Pairs, Splits, Values, main

from benchmarks.peers.discovered import discover, score_couples

ROUNDNESS = (0.3, 0.03, 0.9)


def estimate(splits: Splits, seed: int, choice: int) -> Values:
    """NWJ values on test and validation pairs."""
    train, validation = ((s.x, s.y) for s in (splits.train, splits.validation))
    model = discover(train, validation, roundness=ROUNDNESS[choice], seed=seed)
    held, read = (score_couples(model(_rows(s)), model.channel) for s in (splits.validation, splits.test))
    offset = held.best_offset
    return read.value(offset) * BITS_PER_NAT, held.value(offset) * BITS_PER_NAT


def _rows(split: Pairs) -> np.ndarray:
    return np.concatenate([split.x, split.y])


if __name__ == "__main__":
    main(estimate)
