"""Watch a driver while Ray starts or is joined, from a process of its own: ``watch.py DRIVER KEPT [PROCESS ...]``.

While Ray's native code joins a cluster it holds Python's lock, so that no thread of the driver could see that the head
has died, and it waits for a dead head as long as for one that hangs. KEPT ends the line that is told; the PROCESSes are
the driver's children from before. Nothing is imported that takes long.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

import psutil

from mi_ray.orchestration.start.leftovers import SESSION, kill, kill_processes

START_SECONDS = 600.0
"""Seconds that Ray may take to start or to be joined; on a busy machine it takes minutes."""

UNWIND_SECONDS = 10.0
"""Seconds that the driver's main thread has to leave Ray's calls before the process is ended."""

PAUSE_SECONDS = 10.0
"""Seconds between two looks that show that this process itself was stopped (Ctrl-Z): it has waited for nobody."""

LOOK_SECONDS = 0.5

LOCAL = "the local cluster's"
HEAD = ("gcs_server", "raylet")
"""Processes of a local cluster that the driver starts, and without which there is none."""

REMEDY = "see whether this machine ran out of memory or disk (dmesg, df)"

END = signal.SIGQUIT
"""The signal that ends the driver, whose number is the exit code of a run that was stopped in the middle."""


@contextmanager
def watched(kept: str) -> Iterator[None]:
    """Watch this process in the block: it is ended, with the number of `END` as its exit code, if its local head dies
    or `START_SECONDS` pass. ``kept``: the end of the line that is told then."""
    others = [str(child.pid) for child in psutil.Process().children()]
    command, nowhere = [sys.executable, "-P", __file__, str(os.getpid()), kept, *others], subprocess.DEVNULL
    with exiting_at_once(END), subprocess.Popen(command, stdin=nowhere, stdout=nowhere) as watcher:
        try:
            yield
        finally:
            watcher.kill()


@contextmanager
def exiting_at_once(number: signal.Signals) -> Iterator[None]:
    """In the block a signal ends this process with its number as the exit code, whatever holds Python's lock: its
    handler is the C library's ``_exit``."""
    library = ctypes.CDLL(None)
    library.signal.argtypes, library.signal.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p
    before = library.signal(number, ctypes.cast(library._exit, ctypes.c_void_p))
    try:
        yield
    finally:
        library.signal(number, before)


def watch(driver: int, kept: str, others: Collection[int]) -> None:
    """Return when the driver is gone, or end it; whoever ends the watch kills this process."""
    began = looked = time.monotonic()
    while os.getppid() == driver:
        time.sleep(LOOK_SECONDS)
        before, looked = looked, time.monotonic()
        if looked - before > PAUSE_SECONDS:
            began = looked
        cause = dead_process(driver, others)
        if not cause and looked - began > START_SECONDS:
            cause = f"it has not started for {looked - began:.0f} s; {REMEDY}"
        if cause:
            time.sleep(UNWIND_SECONDS)
            if os.getppid() == driver:
                end(driver, f"stopped: Ray: {cause}; {kept}")
            return


def dead_process(driver: int, others: Collection[int]) -> str:
    """Which process of a local cluster that starts is dead; empty if none is. ``others``: processes from before."""
    with suppress(psutil.Error):
        for child in psutil.Process(driver).children():
            with suppress(psutil.Error):
                is_dead = child.pid not in others and child.status() == psutil.STATUS_ZOMBIE
                if is_dead and child.name() in HEAD:
                    return f"{LOCAL} {child.name()} was killed or crashed while it started; {REMEDY}"
    return ""


def end(driver: int, line: str) -> None:
    """End the driver, whose main thread hangs in a call of Ray's, with all that it started; say why."""
    below = [child for child in psutil.Process(driver).children(recursive=True) if child.pid != os.getpid()]
    print(f"\n{line}", file=sys.stderr, flush=True)
    os.kill(driver, END)
    kill(below)
    kill_processes(os.environ.get(SESSION, ""))


if __name__ == "__main__":
    for stop in (signal.SIGINT, signal.SIGTERM):  # of a terminal's command, which they reach too: the driver decides
        signal.signal(stop, signal.SIG_IGN)
    watch(int(sys.argv[1]), sys.argv[2], {int(process) for process in sys.argv[3:]})
