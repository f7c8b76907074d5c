"""Work of loader processes: torch's DataLoader over tasks, each a function of its task alone.

Tasks come out in order, whatever the number of processes, so that numbers do not depend on it.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Generic, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from mi_ray.compute.numerics.memory import give_back

Task = TypeVar("Task")

CHUNK_BYTES = 4 * 2**20
"""Bytes of decoded pixels in a task."""

AHEAD = 2
"""Tasks that each process prepares ahead, at least."""

MOST_AHEAD = 64
"""Tasks of a step that all processes prepare ahead, at most; of more than 32 processes each still prepares `AHEAD`.
With the bytes of a task they bound the memory of a loader."""

MOST_ROWS = 256


def parts_of(n: int, side: int) -> list[slice]:
    """``n`` rows of ``side`` pixels in parts of at most `CHUNK_BYTES` and `MOST_ROWS`, one task each.

    Parts are of one size, up to a row: torch hands out tasks in turns, and a process with small ones would wait.
    """
    most = max(1, min(MOST_ROWS, CHUNK_BYTES // (3 * side**2)))
    number = max(1, -(-n // most))
    edges = [n * i // number for i in range(number + 1)]
    return [slice(start, end) for start, end in pairwise(edges)]


def tasks_ahead(wanted: int, loaders: int) -> int:
    """Tasks that each of ``loaders`` processes prepares ahead, for ``wanted`` tasks in all: together at most
    `MOST_AHEAD`, rounded up to the same number for each, and at least `AHEAD` for each.

    The tasks of a whole step must be ready when the step before ends: a process that may prepare fewer stands still
    while the step computes, and the next step waits for the rest.
    """
    return max(AHEAD, -(-min(wanted, MOST_AHEAD) // loaders))


class _Tasks(Dataset, Generic[Task]):
    def __init__(self, work: Callable[[Task], Tensor]) -> None:
        self._work = work

    def __getitem__(self, task: Task) -> Tensor | ValueError:
        try:
            return self._work(task)
        except ValueError as error:  # an image that cannot be read: torch would put a traceback around the refusal
            return error


def _leave_interrupts(_: int) -> None:
    """Ctrl-C reaches every process of a terminal's command: what it means is decided by the one that trains."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def computed(
    work: Callable[[Task], Tensor], tasks: Iterable[Task], *, loaders: int, device: torch.device, at_once: int = 1
) -> Iterator[Tensor]:
    """``work`` of every task in order, by ``loaders`` processes, or by this one if there are none.

    ``at_once``: results that the caller takes one after another before it computes; as many are prepared ahead. For a
    GPU the results lie in pinned memory, from which they are copied while it computes. A ValueError of ``work`` is
    raised here as it is.
    """
    is_apart = loaders > 0
    if is_apart:
        give_back()
    loader: DataLoader[Tensor | ValueError] = DataLoader(
        _Tasks(work),
        sampler=tasks,
        batch_size=None,
        num_workers=loaders,
        prefetch_factor=tasks_ahead(at_once, loaders) if is_apart else None,
        # a forked process shares the memory of this one, and needs no pickle of a user's own couples and views
        multiprocessing_context="fork" if is_apart else None,
        worker_init_fn=_leave_interrupts,
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),  # torch's own keeps its state
    )
    for result in loader:
        if isinstance(result, ValueError):
            raise result
        yield result
