"""Randomness as a function of (seed, purpose, counter): no global generator is touched for longer than a call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from zlib import crc32

import numpy as np
import torch


def stream(seed: int, purpose: str, counter: int = 0) -> np.random.Generator:
    """A numpy generator that depends on nothing but its arguments, so that step ``counter`` can be redone alone."""
    return np.random.default_rng([seed, crc32(purpose.encode()), counter])


@contextmanager
def torch_seed(seed: int, purpose: str) -> Iterator[None]:
    """Initialise modules reproducibly inside the block; torch's global generator is put back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(stream(seed, purpose).integers(2**63)))
        yield
