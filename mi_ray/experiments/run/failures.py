"""What an error in the middle of a run means: the failure of one job, with its reason, or a disk or bucket
with which no job can go on."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from mi_ray.compute.numerics.cores import CGROUPS, PROC, memory_bytes
from mi_ray.compute.numerics.disk import FULL, number_of
from mi_ray.experiments.declare.checks import Refused, Stopped, error_line
from mi_ray.experiments.plan.plan import Cell
from mi_ray.experiments.plan.resources import disk
from mi_ray.experiments.plan.room import amount
from mi_ray.experiments.store.store import Store

OOM = "oom"
"""First word of the reason of a job that lacked memory."""

EXIT = "exit"
"""First word of the reason of a job whose process ended by itself: the only death that is laid to the job's cell."""

DEATHS = frozenset({OOM, EXIT, "node", "hung", "preempted", "start", "tune", "missing"})
"""First words of all reasons but those that a job raised itself, with the name of its exception; for another driver or
machine, which may meet none of this, the job has not failed."""

HELPS = "what helps: fewer jobs side by side, a smaller batch (k_tr, k_est) or network, or machines with more memory"
"""What a user can do about a lack of memory."""

TEXTS = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")
"""What torch and the system write where memory is lacking, if their error has no class of its own."""


def stop_of(error: BaseException, store: Store, cells: Sequence[Cell] = ()) -> Stopped | None:
    """The stop that ``error`` means for a run, None if it is the error of one job alone. ``cells``: those of the job.

    A full disk stops, since the next job meets it too, as does a store that, asked now, cannot be written or reached.
    """
    links = list(_causes(error))
    for link in links:
        if isinstance(link, Stopped):
            return link
    for link in links:
        if (number := number_of(link)) in FULL:
            return full(number, _path_of(link) or str(store.root), store.root, cells)
    if store.bucket or any(isinstance(link, OSError) for link in links):
        return unusable(store)
    return None


def full(number: int, path: str, folder: Path, cells: Sequence[Cell] = ()) -> Stopped:
    """The stop of a disk that holds no more: the path, the bytes that are free and those that the job needs."""
    needed = needed_bytes(cells)
    wants = f", and a {cells[0].kind} writes about {amount(needed)}" if needed else ""
    with suppress(OSError):
        wants = f"; {amount(shutil.disk_usage(_existing(Path(path), folder)).free)} free there{wants}"
    return Stopped(f"disk: {path} cannot be written ({os.strerror(number)}{wants}); free some room, or raise the limit")


def needed_bytes(cells: Sequence[Cell]) -> int:
    """Bytes that the cells of a job write, without its images, which are there; 0 if nothing tells."""
    with suppress(Exception):  # an arch that cannot be measured
        needs = disk(cells, in_bucket=False, slots=1)
        return needs.total - needs.images
    return 0


def unusable(store: Store) -> Stopped | None:
    """The stop of a store that cannot be written or reached now; None if it can."""
    if store.bucket:
        try:
            store.bucket.refuse_if_unreachable()
        except Refused as refusal:
            return Stopped(str(refusal))
        return None
    probe = store.work / f".alive-{uuid.uuid4().hex}"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        if error.errno in FULL:
            return full(error.errno or 0, str(store.root), store.root)
        return Stopped(f"store: {str(store.root)!r} cannot be written any more ({error.strerror}); make it writable")
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it, each once."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _path_of(error: BaseException) -> str | None:
    named = getattr(error, "filename", None)
    return os.fsdecode(named) if isinstance(named, str | bytes) else None


def _existing(path: Path, folder: Path) -> Path:
    """The nearest folder above ``path`` that is there."""
    return next((place for place in (path, *path.parents) if place.is_dir()), folder)


def failure_line(error: BaseException) -> str:
    """The reason that ``error`` gives: as `error_line`, or ``oom`` with the memory figures of this machine."""
    line = error_line(error)
    return oom(line, memory_here()) if lacks_memory(error) else line


def death_of(reason: str) -> str:
    """The kind of death that a reason tells: one of `DEATHS`, "" if the job itself raised an exception."""
    kind = reason.partition(":")[0]
    return kind if kind in DEATHS else ""


def lacks_memory(error: BaseException) -> bool:
    """Whether an allocation failed, in main memory or on a GPU."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    of_torch = getattr(sys.modules.get("torch"), "OutOfMemoryError", MemoryError)  # who raises it has imported torch
    if isinstance(error, MemoryError | of_torch):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error).lower() for text in TEXTS)


def oom(cause: str, figures: str = "") -> str:
    """The reason of a job that lacked memory."""
    return "; ".join(filter(None, [f"{OOM}: {cause}", figures, HELPS]))


def memory_here(proc: Path = PROC, root: Path = CGROUPS) -> str:
    """The most memory that this process has held and what its machine or container has (`memory_bytes`), in
    GB (1e9 bytes)."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    whole = memory_bytes(proc, root)
    return f"its process held up to {most / 1e9:.1f} GB, its machine has {whole / 1e9:.1f} GB"
