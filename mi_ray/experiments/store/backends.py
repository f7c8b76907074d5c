"""Storage backends: a shared folder or a bucket. Both decide atomically who claimed an attempt or committed first.

In a folder, ``mkdir`` and ``rename`` decide; in a bucket, the conditional write of one object does.
"""

from __future__ import annotations

import shutil
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mi_ray.experiments.store.bucket import Bucket, Published
from mi_ray.experiments.store.files import MANIFEST, fsync

PROGRESS, ENDED = "progress", "ended"
PROGRESS_SECONDS = 10.0
"""Seconds between two uploads, and between two downloads, of an attempt's progress in a bucket."""


class Backend(ABC):
    """Base class of storage backends: which cells are committed, and which attempts at a cell exist.

    Every process of every node has a backend of its own, and all may call any method at any time. A backend must
    guarantee:

    - `claim`: of all callers with the same key and number, exactly one gets True.
    - `commit`: the first caller for a key wins. Its cell appears whole, in one step, and no later call changes it.
    - Readers see a committed cell as a whole or not at all.
    - Progress and checkpoints are best effort: a reader may find older ones, or none.

    A path argument is in this node's folder of the store: of a cell, an attempt, or one file.
    """

    @abstractmethod
    def has(self, key: str) -> bool:
        """Whether the cell is committed."""

    @abstractmethod
    def committed(self, keys: Iterable[str]) -> set[str]:
        """The subset of ``keys`` whose cells are committed."""

    @abstractmethod
    def fetch_manifest(self, folder: Path) -> None:
        """Put the committed cell's manifest into ``folder``; FileNotFoundError if the cell is not committed."""

    @abstractmethod
    def attempts(self, key: str) -> list[int]:
        """Claimed attempt numbers of a cell that is not committed, ascending."""

    @abstractmethod
    def claim(self, key: str, number: int) -> bool:
        """Claim an attempt number; False if another process has claimed it."""

    @abstractmethod
    def stage(self, key: str, payload: Path) -> None:
        """Upload a finished payload, so that `commit` is one step."""

    @abstractmethod
    def commit(self, payload: Path, folder: Path) -> None:
        """Commit a staged payload as the cell ``folder``.

        If another process committed first, a folder raises OSError; a bucket keeps that cell and returns.
        """

    @abstractmethod
    def remove_attempts(self, key: str) -> None:
        """Remove every attempt at a cell."""

    @abstractmethod
    def end(self, attempt: Path, reason: str) -> None:
        """Record that an attempt ended in order without a cell, and why."""

    @abstractmethod
    def ended(self, key: str) -> set[int]:
        """Numbers of the attempts that ended in order. One that is neither here nor committed runs or has died."""

    @abstractmethod
    def write_progress(self, path: Path, share: float) -> None:
        """Write the finished share of an attempt to ``path``, visible to other nodes."""

    @abstractmethod
    def read_progress(self, key: str) -> str:
        """The progress of the newest attempt, as written; OSError, IndexError or "" if there is none."""

    @abstractmethod
    def keep_checkpoint(self, path: Path, drop: Iterable[Path] = ()) -> None:
        """Make a checkpoint outlive this node, then remove the older ones in ``drop``."""

    @abstractmethod
    def checkpoints(self, key: str) -> Iterator[Path]:
        """Checkpoints of all attempts, newest first; each is downloaded when the iterator reaches it."""


@dataclass(frozen=True)
class SharedFolder(Backend):
    """A folder on one machine, or on a file system that all nodes mount."""

    root: Path

    def has(self, key: str) -> bool:
        return (self.root / "cells" / key / MANIFEST).is_file()

    def committed(self, keys: Iterable[str]) -> set[str]:
        return {key for key in keys if self.has(key)}

    def fetch_manifest(self, folder: Path) -> None:
        if not (folder / MANIFEST).is_file():
            raise FileNotFoundError(folder / MANIFEST)

    def attempts(self, key: str) -> list[int]:
        try:
            return sorted(int(path.name) for path in (self.root / "work" / key).iterdir() if path.name.isdigit())
        except FileNotFoundError:
            return []

    def claim(self, key: str, number: int) -> bool:
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

    def remove_attempts(self, key: str) -> None:
        shutil.rmtree(self.root / "work" / key, ignore_errors=True)

    def end(self, attempt: Path, reason: str) -> None:
        (attempt / ENDED).write_text(reason + "\n")

    def ended(self, key: str) -> set[int]:
        return {number for number in self.attempts(key) if (self.root / "work" / key / str(number) / ENDED).is_file()}

    def write_progress(self, path: Path, share: float) -> None:
        path.write_text(f"{share:.4f}")

    def read_progress(self, key: str) -> str:
        return (self.root / "work" / key / str(self.attempts(key)[-1]) / PROGRESS).read_text()

    def keep_checkpoint(self, path: Path, drop: Iterable[Path] = ()) -> None:
        for stale in drop:
            stale.unlink()

    def checkpoints(self, key: str) -> Iterator[Path]:
        paths = (self.root / "work" / key).glob("*/checkpoints/*-*.safetensors")
        yield from sorted(paths, key=lambda path: path.name, reverse=True)


@dataclass(frozen=True)
class RemoteBucket(Backend):
    """A bucket. ``root`` is this node's folder for downloads and for attempts that run here."""

    root: Path
    bucket: Bucket

    def _cell(self, key: str) -> Published:
        return Published(self.bucket, f"cells/{key}")

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def has(self, key: str) -> bool:
        return self._cell(key).exists()

    def committed(self, keys: Iterable[str]) -> set[str]:
        names = {name.removesuffix(f"/{MANIFEST}") for name in self.bucket.below("cells") if name.endswith(MANIFEST)}
        return names.intersection(keys)

    def address(self, folder: Path) -> str:
        """Address of a committed cell, for messages and tags."""
        return f"{self.bucket.address.rstrip('/')}/{self._name(folder)}"

    def fetch_manifest(self, folder: Path) -> None:
        self._cell(folder.name).fetch_manifest(folder)

    def fetch_file(self, folder: Path, name: str, expected: str) -> None:
        """Put a committed cell's file into ``folder``, unless a file of sha256 ``expected`` is there already."""
        self._cell(folder.name).fetch_file(folder, name, expected)

    def attempts(self, key: str) -> list[int]:
        names = [name.partition("/") for name in self.bucket.below(f"work/{key}")]
        return sorted(int(number) for number, _, rest in names if rest == "taken" and number.isdigit())

    def claim(self, key: str, number: int) -> bool:
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

    def remove_attempts(self, key: str) -> None:
        self.bucket.remove(*(f"work/{key}/{name}" for name in self.bucket.below(f"work/{key}")))
        shutil.rmtree(self.root / "work" / key, ignore_errors=True)

    def end(self, attempt: Path, reason: str) -> None:
        self.bucket.write(f"{self._name(attempt)}/{ENDED}", f"{reason}\n".encode())

    def ended(self, key: str) -> set[int]:
        names = [name.partition("/") for name in self.bucket.below(f"work/{key}")]
        return {int(number) for number, _, rest in names if rest == ENDED and number.isdigit()}

    def write_progress(self, path: Path, share: float) -> None:
        uploaded_at = path.stat().st_mtime if path.is_file() else 0.0
        if share >= 1 or not 0 <= time.time() - uploaded_at < PROGRESS_SECONDS:
            path.write_text(f"{share:.4f}")
            self.bucket.write(self._name(path), path.read_bytes())

    def read_progress(self, key: str) -> str:
        interval = int(time.monotonic() / PROGRESS_SECONDS) if PROGRESS_SECONDS else time.monotonic_ns()
        return _download_progress(self, key, interval)

    def keep_checkpoint(self, path: Path, drop: Iterable[Path] = ()) -> None:
        self.bucket.upload(path, self._name(path))
        for stale in drop:
            stale.unlink()
            self.bucket.remove(self._name(stale))

    def checkpoints(self, key: str) -> Iterator[Path]:
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
def _download_progress(backend: RemoteBucket, key: str, interval: int) -> str:
    """The newest attempt's progress, "" if there is none; the cache makes it one download per ``interval``."""
    try:
        return backend.bucket.read(f"work/{key}/{backend.attempts(key)[-1]}/{PROGRESS}").decode()
    except (OSError, IndexError):
        return ""
