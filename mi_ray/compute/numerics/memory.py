"""Memory that a process has freed: kept for its next step, and given back to the system after its last."""

from __future__ import annotations

import ctypes
import gc
from functools import cache

KEPT_BLOCK, KEPT_BYTES = 32 * 2**20, 512 * 2**20
"""Bytes of the largest block that a process keeps when it is freed (glibc takes no more), and of all that it keeps."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's settings, see mallopt(3)."""


@cache
def keep_freed_blocks() -> None:
    """Keep freed memory for the next blocks of this process, once, where the C library is glibc.

    Else it gives most of a step's memory back, and gets it again as empty pages in the next step: thousands of page
    faults (`benchmarks/training_step.py --page-faults`). `give_back` gives back what is kept.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, KEPT_BLOCK)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


@cache
def keep_what_is_loaded() -> None:
    """Leave all that this process has loaded out of later garbage collections, once: modules, which it never frees.

    A later collection looks at none of these objects, and a forked process writes into none of them, so that it shares
    their pages.
    """
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """Give freed memory back to the system, where the C library is glibc; it keeps freed blocks for later use.

    Before a fork it halves the memory of parent and child together: the parent would write into the kept blocks, and
    each write copies a page that the child still shares. At the end of a job it leaves the memory to the next one.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
