"""Randomness as a function of (seed, purpose, counter). Global generators keep their state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from zlib import crc32

import numpy as np


def stream(seed: int, purpose: str, counter: int = 0) -> np.random.Generator:
    """A numpy generator that depends on its arguments only, so that step ``counter`` can be computed alone."""
    return np.random.default_rng([seed, crc32(purpose.encode()), counter])


@contextmanager
def torch_seed(seed: int, purpose: str) -> Iterator[None]:
    """Seed torch's CPU generator inside the block, to initialise modules; its state is restored afterwards."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(stream(seed, purpose).integers(2**63)))
        yield
