"""Trials that hang: every process that computes beats, and a process that is silent too long is ended.

A thread of the process writes a growing number to the cluster's head every `BEAT_SECONDS`, whatever the computation
does. The thread stands still when the process is stopped (SIGSTOP), frozen with its machine, or
hangs without releasing Python's lock. A computation that hangs beside a living thread is found by its progress, where
its kind of job tells its progress all the time.

The driver watches the numbers by its own clock; no two clocks are compared.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from mi_ray.experiments.run.loop import STOPPING
from mi_ray.orchestration import shared

BEAT_SECONDS = 5.0
LISTEN_SECONDS = 1.0
"""Seconds between two questions whether the driver stops the run."""
STOP = "stop"
"""Name of the value that says so."""
SILENT_SECONDS = 60.0
"""Seconds without a beat after which the listener is told."""
GIVEN_UP_SECONDS = 300.0
"""Seconds without a beat after which the process is ended, and its job tried again."""

PAUSE_SECONDS = 30.0
"""Seconds between two looks that show that the driver itself was stopped (Ctrl-Z): all silences begin anew."""

STILL_SECONDS, STILL_GIVEN_UP_SECONDS = 900.0, 3600.0
"""The same two times for a job whose processes beat but whose progress stands still."""

SLOWEST = 10
"""Times the longest pause between two steps of a job's progress that its progress may stand still, if that is more."""

SAME_SECONDS = 2.0
"""Difference of two times at which a process began, within which it is the same one."""

TELLS_PROGRESS = frozenset({"training", "estimation"})
"""Kinds of job that tell their progress every few seconds between its beginning and its end."""


@dataclass(frozen=True)
class Beat:
    """A sign of life of a process: its id, its node's, a number that grows, and when the process began."""

    pid: int
    node: str
    count: int
    born: float


@contextmanager
def beating(key: str, rank: int = 0) -> Iterator[None]:
    """Beat in the block for worker ``rank`` of the job ``key``, and hear whether the driver stops the run."""
    over, name = threading.Event(), f"{key}/{rank}"
    node, born = ray.get_runtime_context().get_node_id(), psutil.Process().create_time()

    def beat() -> None:
        count = 0
        while not over.is_set():
            count += 1
            with suppress(Exception):
                content = json.dumps([os.getpid(), node, count, born])
                shared.put(name, content.encode())
            over.wait(BEAT_SECONDS)

    def listen() -> None:
        while not over.wait(LISTEN_SECONDS):
            with suppress(Exception):
                STOPPING.asked = STOPPING.asked or shared.get(STOP) is not None

    threads = [threading.Thread(target=work, daemon=True, name=work.__name__) for work in (beat, listen)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(BEAT_SECONDS)
        forget(key, rank)


def tell_to_stop() -> None:
    """Tell all processes of this driver that beat to save what they can and end."""
    with suppress(Exception):  # a head that does not answer: nothing is saved
        shared.put(STOP, b"asked")


def forget_stop() -> None:
    """Take `tell_to_stop` back, once those processes are gone."""
    with suppress(Exception):
        shared.remove(STOP)


def beats(key: str) -> dict[str, Beat]:
    """The newest beat of every process of a job, by its name; raises Ray's RpcError if the head does not answer."""
    found = {name: shared.get(name) for name in shared.names(f"{key}/")}
    return {name: Beat(*json.loads(value)) for name, value in found.items() if value}


def forget(key: str, rank: int | None = None) -> None:
    """Remove the beats of a job, or of one of its processes."""
    name = f"{key}/" if rank is None else f"{key}/{rank}"
    with suppress(Exception):
        shared.remove(name, is_beginning=rank is None)


class Stillness:
    """How long values have stood still, by name and by the driver's clock."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[object, float]] = {}
        self._told: set[str] = set()
        self._longest: dict[str, float] = {}

    def seconds(self, name: str, value: object, now: float) -> float:
        """Seconds since ``value`` was first seen; 0 if it has changed."""
        before = self._seen.get(name)
        if before is None or before[0] != value:
            pause = now - before[1] if before else 0.0
            self._longest[name] = max(pause, self._longest.get(name, 0.0))
            self._seen[name] = value, now
            self._told.discard(name)
            return 0.0
        return now - before[1]

    def longest(self, name: str) -> float:
        """The longest time in seconds between two values of ``name``."""
        return self._longest.get(name, 0.0)

    def tells(self, name: str) -> bool:
        """Whether the silence of ``name`` is yet to be told; it is told once."""
        is_new = name not in self._told
        self._told.add(name)
        return is_new

    def forget(self, key: str) -> None:
        """Forget everything about a job."""
        for name in [name for name in self._seen if name == key or name.startswith(f"{key}/")]:
            self._told.discard(name)
            self._longest.pop(name, None)
            del self._seen[name]


def end(name: str, beat: Beat) -> None:
    """Kill the process of a beat, once: here, or by a task on its node that needs no core."""
    key, _, rank = name.rpartition("/")
    forget(key, int(rank))
    if beat.node == ray.get_runtime_context().get_node_id():
        kill(beat.pid, beat.born)
        return
    strategy = NodeAffinitySchedulingStrategy(beat.node, soft=False)
    ray.remote(kill).options(num_cpus=0, max_retries=0, scheduling_strategy=strategy).remote(beat.pid, beat.born)


def kill(pid: int, born: float) -> None:
    """Kill a process on this machine; does nothing if it is gone and another one has its id."""
    with suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        if abs(process.create_time() - born) < SAME_SECONDS:
            process.kill()
