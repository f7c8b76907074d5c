"""Memory of a process and all that it started, sampled once a second as proportional set size (Linux).

A page that n processes share counts a n-th in each, so that the sum over processes is what they occupy together; pages
of files that are mapped and read count too.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PROC = Path("/proc")
MARK = "MI_RAY_SCALE_TEST"
"""A variable in the environment of what is watched: daemons that have left the tree of processes still have it."""


@dataclass
class Peaks:
    """Largest sizes so far, in bytes: of all processes together, and of each process alone by its role and id."""

    tree: int = 0
    at_peak: dict[str, int] = field(default_factory=dict)
    single: dict[str, int] = field(default_factory=dict)
    samples: int = 0

    @property
    def largest(self) -> tuple[str, int]:
        """The process that was ever the largest, and its size then."""
        return max(self.single.items(), key=lambda item: item[1])

    def by_role(self) -> dict[str, int]:
        """The largest size of any process of each role."""
        sizes: dict[str, int] = {}
        for process, size in self.single.items():
            called = process.rpartition(" ")[0]
            sizes[called] = max(size, sizes.get(called, 0))
        return sizes

    def add(self, sizes: Mapping[str, int]) -> None:
        """Count one sample: the size of each process."""
        self.samples += 1
        if sum(sizes.values()) > self.tree:
            self.tree, self.at_peak = sum(sizes.values()), dict(sizes)
        for process, size in sizes.items():
            self.single[process] = max(size, self.single.get(process, 0))


@contextmanager
def watched(mark: str, seconds: float = 1.0) -> Iterator[Peaks]:
    """Sample all processes whose environment has `MARK` = ``mark``, and their descendants, until the block ends."""
    peaks, ended = Peaks(), threading.Event()

    def sample() -> None:
        known: set[tuple[int, str]] = set()
        while not ended.wait(seconds):
            known = marked(mark, known)
            peaks.add({f"{role(pid)} {pid}": size for pid, _ in known if (size := proportional(pid))})

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield peaks
    finally:
        ended.set()
        sampler.join()


def marked(mark: str, known: set[tuple[int, str]]) -> set[tuple[int, str]]:
    """The processes, (id, start), that have the mark, were known to have it, or descend from such a process.

    A process may overwrite its environment with a title (Ray's workers do), but its parent gives it away.
    """
    parents: dict[tuple[int, str], int] = {}
    found: set[tuple[int, str]] = set()
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (stat := _read(entry / "stat")):
            after_name = stat.rpartition(b")")[2].split()
            process = int(entry.name), after_name[19].decode()
            parents[process] = int(after_name[1])
            if process in known or f"{MARK}={mark}".encode() in _read(entry / "environ").split(b"\0"):
                found.add(process)
    while new := {process for process, parent in parents.items() if parent in {pid for pid, _ in found}} - found:
        found |= new
    return found


def proportional(pid: int) -> int:
    """Proportional set size in bytes; 0 for a process that is gone."""
    for line in _read(PROC / str(pid) / "smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def role(pid: int) -> str:
    """What a process is: the class of a Ray actor, ``multiprocessing`` for a child of Python's, or its program; the
    name of its main thread where a title has overwritten that."""
    words = [word for word in _read(PROC / str(pid) / "cmdline").decode(errors="replace").split("\0") if word]
    if not words:
        return _read(PROC / str(pid) / "comm").decode(errors="replace").strip() or "?"
    if any("multiprocessing" in word for word in words):
        return "multiprocessing"
    if len(words) > 1 and os.path.basename(words[0]).startswith("python"):
        words = [word for word in words[1:] if not word.startswith("-")] or words
    program = os.path.basename(words[0].split()[0])
    return program.partition(".")[0] if program.startswith("ray::") else program


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # the process is gone, or not ours
        return b""
