"""Rows in blocks of bounded memory, on the device that computes.

Data that fit one block are computed in one operation, as without blocks, and have the same numbers bit for bit. Several
blocks add up in another order than one, so numbers of larger data depend on the budget in their last bits.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

BLOCK = 2**27
"""Bytes of the largest matrix of a block (128 MiB); two or three of its size exist at a time."""

KEPT = 2**29
"""Bytes of transformed rows that are kept in the memory of the host (512 MiB); more are made anew for each use."""

CPU = torch.device("cpu")


def rows_within(bytes_per_row: int) -> int:
    """Number of rows of a block."""
    return max(1, BLOCK // max(1, bytes_per_row))


def slices(n: int, rows: int) -> Iterator[slice]:
    """``n`` rows as slices of ``rows`` each."""
    for start in range(0, n, rows):
        yield slice(start, min(start + rows, n))


def kept_bytes(device: torch.device) -> int:
    """Bytes of transformed rows that are kept on ``device``: `KEPT`, on a GPU half of its free memory."""
    return torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else KEPT


def tensor_of(rows: np.ndarray) -> Tensor:
    """A tensor that shares the memory of ``rows``, which may be a memory map for reading. Do not write to it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(rows)


class Rows:
    """Rows [n, out] that a function makes of h [n, width].

    They are kept on ``device`` if they fit there (`kept_bytes`), else made of rows of h whenever they are read.

    ``make``: a function of rows alone, [m, width] on ``device`` to [m, out].
    """

    def __init__(
        self, h: Float[Tensor, "n width"], make: Callable[[Tensor], Tensor], *, device: torch.device = CPU
    ) -> None:
        self._h, self._make, self.device = h, make, device
        example = self._made(slice(0, 1))
        self.shape, self.dtype = (len(h), example.shape[1]), example.dtype
        row = example.shape[1] * example.element_size()
        self._kept = self._all(rows_within(row)) if len(h) * row <= kept_bytes(device) else None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | Tensor) -> Tensor:
        """Some rows, by a slice or by indices of any shape [...]: [..., out]."""
        if self._kept is not None:
            return self._kept[rows if isinstance(rows, slice) else rows.to(self.device)]
        if isinstance(rows, slice):
            return self._made(rows)
        return self._made(rows.flatten()).unflatten(0, rows.shape)

    def _made(self, rows: slice | Tensor) -> Tensor:
        return self._make(self._h[rows].to(self.device))

    def _all(self, rows: int) -> Tensor:
        """All rows, made in blocks, so that no second copy of them exists."""
        if len(self) <= rows:
            return self._made(slice(None))
        kept = torch.empty(self.shape, dtype=self.dtype, device=self.device)
        for block in slices(len(self), rows):
            kept[block] = self._made(block)
        return kept
