"""One driver per bucket: a numbered lease that its holder renews, and that expires when nobody renews it.

A lease is an object, ``driver/<n>``: its holder, and a count that the holder raises every `BEAT_SECONDS`. No two clocks
are compared: a driver that finds a lease watches the count on its own clock. If the count stands still for
`STALE_SECONDS`, the driver creates number n + 1, which the bucket grants to one writer only. A holder that finds a
number above its own has lost the lease, and stops.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from mi_ray.experiments.declare.checks import Refused, error_line, say
from mi_ray.experiments.store.bucket import Bucket

FOLDER = "driver"
BEAT_SECONDS = 5.0
STALE_SECONDS = 30.0


@contextmanager
def lease(bucket: Bucket, purpose: str = "") -> Iterator[str]:
    """Hold the bucket's lease inside the block; Refused, naming the holder's process and host, if it is alive.

    Gives the ``purpose`` of a holder that died; "" if the last one released it.
    """
    try:
        held, before = acquire(bucket, purpose)
    except Refused:
        raise
    except Exception as error:  # each client of a bucket has errors of its own
        raise Refused(
            f"store: {bucket.address!r} cannot be reached ({error_line(error)}); allowed: a bucket that answers"
        ) from error
    over = threading.Event()
    beating = threading.Thread(target=held.keep_alive, args=(over,), daemon=True)
    beating.start()
    try:
        yield before
    finally:
        over.set()
        beating.join()
        held.release()


@dataclass
class Lease:
    """A lease number, and the state that its holder writes."""

    bucket: Bucket
    number: int
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    count: int = 0
    purpose: str = ""

    @property
    def name(self) -> str:
        return f"{FOLDER}/{self.number}"

    def content(self, *, released: bool = False) -> bytes:
        """The object's content: holder, token, count and whether the lease is released, as JSON."""
        holder = f"process {os.getpid()} on {platform.node()}"
        state = {"holder": holder, "token": self.token, "count": self.count, "released": released}
        return json.dumps(state | {"purpose": self.purpose}, sort_keys=True).encode()

    def take(self) -> bool:
        """Create the lease and remove lower numbers; False if another process created it first."""
        if not self.bucket.create(self.name, self.content()):
            return False
        self.bucket.remove(*(f"{FOLDER}/{number}" for number in numbers(self.bucket) if number < self.number))
        return True

    def is_lost(self) -> bool:
        """Whether another process has taken a higher number."""
        return max(numbers(self.bucket), default=0) > self.number

    def renew(self) -> None:
        """Raise the count."""
        self.count += 1
        self.bucket.write(self.name, self.content())

    def keep_alive(self, over: threading.Event) -> None:
        """Renew every `BEAT_SECONDS` until ``over`` is set (runs in a thread of its own).

        SIGTERM ends this process when the lease is lost. Errors of the bucket are ignored: two drivers at work waste
        time but damage nothing, since a cell is committed only once.
        """
        while not over.wait(BEAT_SECONDS):
            with suppress(Exception):
                if self.is_lost():
                    say(f"store: another driver took over {self.bucket.address}; stopping", file=sys.stderr)
                    os.kill(os.getpid(), signal.SIGTERM)
                    return
                self.renew()

    def release(self) -> None:
        """Let the next driver start at once. The object stays, so that no number is ever used twice."""
        with suppress(Exception):
            if not self.is_lost():
                self.bucket.write(self.name, self.content(released=True))


def numbers(bucket: Bucket) -> list[int]:
    """Numbers of all leases, ascending."""
    return sorted(int(name) for name in bucket.below(FOLDER) if name.isdigit())


def acquire(bucket: Bucket, purpose: str = "") -> tuple[Lease, str]:
    """Wait until the newest lease is released or expired, then take the next; Refused if its holder is alive.

    With it the purpose of a holder that did not release it.
    """
    newest = max(numbers(bucket), default=0)
    before = wait_until_over(bucket, newest) if newest else {}
    taken = Lease(bucket, newest + 1, purpose=purpose)
    if not taken.take():
        raise _in_use(bucket, _read(bucket, newest + 1))
    return taken, "" if before.get("released") else str(before.get("purpose", ""))


def wait_until_over(bucket: Bucket, number: int) -> dict[str, Any]:
    """What a lease says once it is released or its count stood still for `STALE_SECONDS`; Refused when it moves."""
    first, since, announced = _read(bucket, number), time.monotonic(), False
    while not (now := _read(bucket, number)).get("released"):
        if now != first:
            raise _in_use(bucket, now)
        silent = time.monotonic() - since
        if not announced and silent > 1.5 * BEAT_SECONDS:
            announced = True
            holds = f"store: {now.get('holder')} holds {bucket.address} but is silent"
            say(f"{holds}; taking over in {STALE_SECONDS:.0f} s unless it answers")
        if silent > STALE_SECONDS:
            return now
        time.sleep(BEAT_SECONDS / 5)
    return now


def _read(bucket: Bucket, number: int) -> dict[str, Any]:
    """A lease's content; that of a released lease if the object is gone, for only a later holder removes it."""
    try:
        return json.loads(bucket.read(f"{FOLDER}/{number}"))
    except FileNotFoundError:
        return {"released": True}


def _in_use(bucket: Bucket, content: dict[str, Any]) -> Refused:
    return Refused(
        f"store: {bucket.address!r} is in use by {content.get('holder')}; allowed: one driver per store, "
        "or another --store"
    )
