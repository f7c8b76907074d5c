"""One driver per bucket: a numbered lease that its holder renews, and that goes on when it has not moved for a while.

A lease is an object, ``driver/<n>``: who holds it, and a count that the holder raises. Nobody compares clocks: whoever
finds a lease watches it, on a clock of its own, and may take number n + 1, which one writer gets, when the count has
stood still for `STALE_SECONDS`. A holder that finds a higher number than its own has been given up for dead, and stops.
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

from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.store.bucket import Bucket

FOLDER = "driver"
BEAT_SECONDS = 5.0
STALE_SECONDS = 30.0


@contextmanager
def lease(bucket: Bucket) -> Iterator[None]:
    """Hold the bucket's lease inside the block; refused, with its holder's process and host, if that is alive."""
    held = _taken(bucket)
    over = threading.Event()
    beating = threading.Thread(target=_beat, args=(held, over), daemon=True)
    beating.start()
    try:
        yield
    finally:
        over.set()
        beating.join()
        held.release()


@dataclass
class Lease:
    """A number that this process took."""

    bucket: Bucket
    number: int
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    count: int = 0

    @property
    def name(self) -> str:
        return f"{FOLDER}/{self.number}"

    def told(self, *, released: bool = False) -> bytes:
        """What the object holds."""
        holder = f"process {os.getpid()} on {platform.node()}"
        return json.dumps(
            {"holder": holder, "token": self.token, "count": self.count, "released": released}, sort_keys=True
        ).encode()

    def take(self) -> bool:
        """Whether this process is the first to take the number; lower ones are then swept."""
        if not self.bucket.create(self.name, self.told()):
            return False
        self.bucket.remove(*(f"{FOLDER}/{number}" for number in numbers(self.bucket) if number < self.number))
        return True

    def is_lost(self) -> bool:
        """Whether another has taken a higher number."""
        return max(numbers(self.bucket), default=0) > self.number

    def renew(self) -> None:
        """Raise the count."""
        self.count += 1
        self.bucket.write(self.name, self.told())

    def release(self) -> None:
        """Let the next driver start at once. What stays is the number, so that none is ever taken twice."""
        with suppress(Exception):
            if not self.is_lost():
                self.bucket.write(self.name, self.told(released=True))


def numbers(bucket: Bucket) -> list[int]:
    """Numbers of all leases."""
    return sorted(int(name) for name in bucket.below(FOLDER) if name.isdigit())


def _taken(bucket: Bucket) -> Lease:
    """The next lease, as soon as the one before is released or has stood still for long enough."""
    newest = max(numbers(bucket), default=0)
    if newest:
        _wait_for(bucket, newest)
    taken = Lease(bucket, newest + 1)
    if not taken.take():
        raise _in_use(bucket, _read(bucket, newest + 1))
    return taken


def _wait_for(bucket: Bucket, number: int) -> None:
    """Watch a lease until it is over; refused as soon as its count moves."""
    first, since, said = _read(bucket, number), time.monotonic(), False
    while not (now := _read(bucket, number)).get("released"):
        if now != first:
            raise _in_use(bucket, now)
        silent = time.monotonic() - since
        if not said and silent > 1.5 * BEAT_SECONDS:
            said = True
            print(f"store: {now.get('holder')} had {bucket.address} and is silent; going on in", end=" ")
            print(f"{STALE_SECONDS:.0f} s if it stays so", flush=True)
        if silent > STALE_SECONDS:
            return
        time.sleep(BEAT_SECONDS / 5)


def _read(bucket: Bucket, number: int) -> dict[str, Any]:
    try:
        return json.loads(bucket.read(f"{FOLDER}/{number}"))
    except FileNotFoundError:
        return {"released": True}


def _in_use(bucket: Bucket, held: dict[str, Any]) -> Refused:
    holder = held.get("holder")
    return Refused(
        f"store: {bucket.address!r} is in use by {holder}; allowed: one driver per store, or another --store"
    )


def _beat(held: Lease, over: threading.Event) -> None:
    """Renew until it is over; stop this process, in order, when the lease is another's. A bucket that does not answer
    is no reason to stop: what is committed is committed once, whoever computes it."""
    while not over.wait(BEAT_SECONDS):
        with suppress(Exception):
            if held.is_lost():
                print(f"store: another driver took {held.bucket.address} over; stopping", file=sys.stderr, flush=True)
                os.kill(os.getpid(), signal.SIGTERM)
                return
            held.renew()
