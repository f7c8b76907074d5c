"""One driver per store: a file lock, which the kernel frees when its holder dies; in a bucket, a lease as well."""

from __future__ import annotations

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.store.lease import lease
from mi_ray.experiments.store.store import Store


@contextmanager
def driver_lock(store: Store) -> Iterator[None]:
    """Hold the store's lock inside the block; Refused, naming the holder's process and host, if it is held."""
    with open(store.root / "driver.lock", "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise Refused(
                f"store: {store.name!r} is in use by {file.read().strip()}; allowed: one driver per store, "
                "or another --store"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}")
        file.flush()
        with lease(store.bucket) if store.bucket else nullcontext():
            yield
