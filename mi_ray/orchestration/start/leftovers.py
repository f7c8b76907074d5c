"""What local clusters leave behind when their run is killed: session folders, and processes of Ray's.

Some of Ray's processes outlive their raylet: its agents by a minute, and a worker that was starting by as long as it
waits for a head. They have a parent no more, and Ray renames them, so that only their environment tells whose they are.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

import psutil

PREFIX = "mi-ray-"
"""First part of the name of a local cluster's folder."""

SESSION = "MI_RAY_SESSION"
"""Environment variable of the processes of a local cluster: its folder."""

END_SECONDS = 5.0
"""Seconds to wait for processes that were killed."""


def session_place() -> Path:
    """The folder in which local clusters keep their session folders."""
    return Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()).absolute()


def leftover_folders(place: Path) -> list[Path]:
    """The session folders in ``place`` whose run is over: nobody holds their lock, and nobody takes it again."""
    over = []
    for folder in sorted(place.glob(f"{PREFIX}*")):
        with suppress(OSError), open(folder / "lock", "r+") as lock:
            flock(lock, LOCK_EX | LOCK_NB)
            over.append(folder)
    return over


@contextmanager
def marked(folder: str) -> Iterator[None]:
    """In the block, processes that this one starts belong to the local cluster in ``folder``; to none if it is empty.

    This process may itself belong to another one.
    """
    before = os.environ.get(SESSION)
    os.environ[SESSION] = folder
    try:
        yield
    finally:
        os.environ.pop(SESSION)
        if before is not None:
            os.environ[SESSION] = before


def kill_processes(folder: Path | str) -> None:
    """Kill the processes of the local cluster in ``folder``, but not this one, and wait for their end."""
    kill(list(processes_of(folder)))


def kill(processes: Collection[psutil.Process]) -> None:
    """Kill processes, and wait at most `END_SECONDS` for their end."""
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=END_SECONDS)


def processes_of(folder: Path | str) -> Iterator[psutil.Process]:
    """The processes of the local cluster in ``folder`` but this one, as far as the system tells their environment; none
    if it is empty."""
    for process in psutil.process_iter() if folder else ():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(SESSION) == str(folder):
                yield process
