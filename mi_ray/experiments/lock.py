"""One driver per store: a file lock that the kernel frees when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mi_ray.experiments.checks import Refused


@contextmanager
def driver_lock(store: Path) -> Iterator[None]:
    """Hold the store's lock inside the block; refused, with its holder's process and host, if another driver has it."""
    with open(store / "driver.lock", "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise Refused(
                f"store: {str(store)!r} is in use by {file.read().strip()}; allowed: one driver per store, "
                "or another --store"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}")
        file.flush()
        yield
