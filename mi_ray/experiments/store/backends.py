"""What a store trusts: a folder that all nodes see, or a bucket. Both tell who first took a number, or published.

On a folder, ``mkdir`` and ``rename`` are won by one; in a bucket, the conditional write of one object is.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from mi_ray.experiments.store.bucket import Bucket, Published
from mi_ray.experiments.store.files import MANIFEST, fsync

PROGRESS = "progress"
PROGRESS_SECONDS = 10.0
"""How old the progress of a cell on another node may be: it is asked and told that often."""


class Truth(Protocol):
    """Committed cells and attempts, as everyone sees them. ``folder``: this node's for a cell, an attempt or a file."""

    def has(self, key: str) -> bool:
        """Whether the cell is committed."""

    def committed(self, keys: Iterable[str]) -> set[str]:
        """Which of some cells are committed."""

    def read(self, folder: Path) -> None:
        """Have the committed cell's manifest in ``folder``; FileNotFoundError if it is not committed."""

    def numbers(self, key: str) -> list[int]:
        """Attempts at a cell that is not committed, in order."""

    def take(self, key: str, number: int) -> bool:
        """Take an attempt's number; False if another has it."""

    def stage(self, key: str, payload: Path) -> None:
        """Bring a finished payload to where committing it is one step."""

    def commit(self, payload: Path, folder: Path) -> None:
        """Commit what was staged, in one step; OSError where another was first, unless that is found here."""

    def sweep(self, key: str) -> None:
        """Remove the attempts at a cell."""

    def tell(self, path: Path, share: float) -> None:
        """Write an attempt's progress to a file of its folder, for others too."""

    def told(self, key: str) -> str:
        """What the newest attempt last told of its progress."""

    def keep(self, path: Path, drop: Iterable[Path] = ()) -> None:
        """Have an attempt's checkpoint outlive this node, and ``drop`` older ones."""

    def kept(self, key: str) -> Iterator[Path]:
        """Checkpoints of every attempt, newest first, each brought here when it is asked for."""


@dataclass(frozen=True)
class Shared:
    """A folder on one machine, or on a file system that all nodes mount."""

    root: Path

    def has(self, key: str) -> bool:
        return (self.root / "cells" / key / MANIFEST).is_file()

    def committed(self, keys: Iterable[str]) -> set[str]:
        return {key for key in keys if self.has(key)}

    def read(self, folder: Path) -> None:
        if not (folder / MANIFEST).is_file():
            raise FileNotFoundError(folder / MANIFEST)

    def numbers(self, key: str) -> list[int]:
        try:
            return sorted(int(path.name) for path in (self.root / "work" / key).iterdir() if path.name.isdigit())
        except FileNotFoundError:
            return []

    def take(self, key: str, number: int) -> bool:
        try:
            (self.root / "work" / key / str(number)).mkdir(parents=True)
        except FileExistsError:
            return False
        return True

    def stage(self, key: str, payload: Path) -> None:
        pass

    def commit(self, payload: Path, folder: Path) -> None:
        payload.rename(folder)
        fsync(folder.parent)

    def sweep(self, key: str) -> None:
        shutil.rmtree(self.root / "work" / key, ignore_errors=True)

    def tell(self, path: Path, share: float) -> None:
        path.write_text(f"{share:.4f}")

    def told(self, key: str) -> str:
        return (self.root / "work" / key / str(self.numbers(key)[-1]) / PROGRESS).read_text()

    def keep(self, path: Path, drop: Iterable[Path] = ()) -> None:
        for stale in drop:
            stale.unlink()

    def kept(self, key: str) -> Iterator[Path]:
        found = (self.root / "work" / key).glob("*/checkpoints/*-*.safetensors")
        yield from sorted(found, key=lambda path: path.name, reverse=True)


@dataclass(frozen=True)
class Remote:
    """A bucket; ``root`` is this node's folder, for what was downloaded and what is being computed."""

    root: Path
    bucket: Bucket

    def _cell(self, key: str) -> Published:
        return Published(self.bucket, f"cells/{key}")

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def has(self, key: str) -> bool:
        return self._cell(key).is_there()

    def committed(self, keys: Iterable[str]) -> set[str]:
        there = {name.removesuffix(f"/{MANIFEST}") for name in self.bucket.below("cells") if name.endswith(MANIFEST)}
        return there.intersection(keys)

    def place(self, folder: Path) -> str:
        """Where a committed cell is, for people."""
        return f"{self.bucket.address.rstrip('/')}/{self._name(folder)}"

    def read(self, folder: Path) -> None:
        self._cell(folder.name).local(folder)

    def bring(self, folder: Path, name: str, expected: str) -> None:
        """Have a committed cell's file in ``folder``, its sha256 as ``expected`` if it is intact in the bucket."""
        self._cell(folder.name).bring(folder, name, expected)

    def numbers(self, key: str) -> list[int]:
        names = [name.partition("/") for name in self.bucket.below(f"work/{key}")]
        return sorted(int(number) for number, _, rest in names if rest == "taken" and number.isdigit())

    def take(self, key: str, number: int) -> bool:
        if not self.bucket.create(f"work/{key}/{number}/taken", uuid.uuid4().bytes):
            return False
        shutil.rmtree(self.root / "work" / key / str(number), ignore_errors=True)
        return True

    def stage(self, key: str, payload: Path) -> None:
        self._cell(key).stage(payload)

    def commit(self, payload: Path, folder: Path) -> None:
        self._cell(folder.name).commit(payload)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):
            payload.rename(folder)

    def sweep(self, key: str) -> None:
        self.bucket.remove(*(f"work/{key}/{name}" for name in self.bucket.below(f"work/{key}")))
        shutil.rmtree(self.root / "work" / key, ignore_errors=True)

    def tell(self, path: Path, share: float) -> None:
        told = path.stat().st_mtime if path.is_file() else 0.0
        if share >= 1 or not 0 <= time.time() - told < PROGRESS_SECONDS:
            path.write_text(f"{share:.4f}")
            self.bucket.write(self._name(path), path.read_bytes())

    def told(self, key: str) -> str:
        return _asked(self, key, int(time.monotonic() / PROGRESS_SECONDS) if PROGRESS_SECONDS else time.monotonic_ns())

    def keep(self, path: Path, drop: Iterable[Path] = ()) -> None:
        self.bucket.upload(path, self._name(path))
        for stale in drop:
            stale.unlink()
            self.bucket.remove(self._name(stale))

    def kept(self, key: str) -> Iterator[Path]:
        names = [name for name in self.bucket.below(f"work/{key}") if "/checkpoints/" in name]
        for name in sorted(names, key=lambda name: name.rpartition("/")[2], reverse=True):
            path = self.root / "work" / key / name
            if not path.is_file():
                try:
                    self.bucket.download(f"work/{key}/{name}", path)
                except FileNotFoundError:
                    continue
            yield path


@lru_cache(maxsize=4096)
def _asked(remote: Remote, key: str, interval: int) -> str:
    """What the newest attempt tells, asked once an interval."""
    try:
        return remote.bucket.read(f"work/{key}/{remote.numbers(key)[-1]}/{PROGRESS}").decode()
    except (OSError, IndexError):
        return ""
