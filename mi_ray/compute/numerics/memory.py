"""Memory that a process has freed, given back to the system."""

from __future__ import annotations

import ctypes
import gc


def give_back() -> None:
    """Give freed memory back to the system, where the C library is glibc; it keeps freed blocks for later use.

    Before a fork it halves the memory of parent and child together: the parent would write into the kept blocks, and
    each write copies a page that the child still shares. At the end of a job it leaves the memory to the next one.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
