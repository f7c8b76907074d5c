"""The reason of a failed job in one line; a lack of memory is named ``oom``, with what helps."""

from __future__ import annotations

import errno
import os
import resource

import torch

from mi_ray.experiments.declare.checks import error_line

OOM = "oom"
"""First word of the reason of a job that lacked memory."""

HELPS = "what helps: fewer jobs side by side, a smaller batch (k_tr, k_est) or network, or machines with more memory"
"""What a user can do about a lack of memory."""

TEXTS = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")
"""What torch and the system write where memory is lacking, if their error has no class of its own."""


def failure_line(error: BaseException) -> str:
    """The reason that ``error`` gives: as `error_line`, or ``oom`` with the memory figures of this machine."""
    line = error_line(error)
    return oom(line, memory_here()) if lacks_memory(error) else line


def lacks_memory(error: BaseException) -> bool:
    """Whether an allocation failed, in main memory or on a GPU."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error).lower() for text in TEXTS)


def oom(cause: str, figures: str = "") -> str:
    """The reason of a job that lacked memory."""
    return "; ".join(filter(None, [f"{OOM}: {cause}", figures, HELPS]))


def memory_here() -> str:
    """The most memory that this process has held and what the machine has, in GB (1e9 bytes)."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"its process held up to {most / 1e9:.1f} GB, its machine has {whole / 1e9:.1f} GB"
