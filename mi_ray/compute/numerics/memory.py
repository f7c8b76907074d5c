"""Memory that a process has freed, given back to the system."""

from __future__ import annotations

import ctypes
import gc
from functools import cache


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
