"""Storage backends: a shared folder (`mi_ray.experiments.store.folder`) or a bucket. Both decide atomically who claimed
an attempt or committed first.

In a folder, ``mkdir`` and ``rename`` decide; in a bucket, the conditional write of one object does.
"""

from __future__ import annotations

import shutil
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path

from mi_ray.experiments.store.bucket import Bucket, Published
from mi_ray.experiments.store.files import MANIFEST, progress_text
from mi_ray.experiments.store.manifest import DOCUMENTS, Damaged, read_manifest, refuse_changed

PROGRESS, ENDED = "progress", "ended"
REASON = ".txt"
"""Ending of the file beside a folder in ``quarantine`` that says why it is there."""
PROGRESS_SECONDS = 10.0
"""Seconds between two uploads, and between two downloads, of an attempt's progress in a bucket."""


class Backend(ABC):
    """Base class of storage backends: which cells are committed, and which attempts at a cell exist.

    Every process of every node has a backend of its own, and all may call any method at any time. A backend must
    guarantee:

    - `claim`: of all callers with the same key and number, exactly one gets True.
    - `commit`: the first caller for a key wins. Its cell appears whole, in one step, and no later call changes it.
    - Readers see a committed cell as a whole or not at all. One that was damaged since counts as not committed.
    - Progress and checkpoints are best effort: a reader may find older ones, or none.

    A path argument is in this node's folder of the store: of a cell, an attempt, or one file.
    """

    @abstractmethod
    def present(self) -> set[str]:
        """Keys of all cells, whole or damaged."""

    @abstractmethod
    def damage(self, name: str, *, reads_all: bool = True) -> str:
        """Why the folder ``name`` below the store, such as ``cells/KEY``, is not whole; empty if it is.

        Without ``reads_all``, large files are not read. Those of a bucket are read where this node has a copy, and of
        what was set aside; else their names and sizes are compared, and who downloads one checks it.
        """

    @abstractmethod
    def committed(self, keys: Iterable[str]) -> set[str]:
        """The subset of ``keys`` whose cells are committed; in a bucket damaged ones are among them."""

    @abstractmethod
    def manifest_of(self, name: str) -> bytes:
        """The manifest of the folder ``name`` below the store as it is, damaged or not; OSError if there is none."""

    def judged(self, name: str) -> tuple[str, bytes | None]:
        """Why the folder ``name`` is not whole (`damage`), and the manifest that was judged, for `set_aside`."""
        manifest = self.manifest_or_none(name)
        return self.damage(name), manifest

    def manifest_or_none(self, name: str) -> bytes | None:
        """As `manifest_of`; None if there is none that can be read."""
        with suppress(OSError):
            return self.manifest_of(name)
        return None

    @abstractmethod
    def set_aside(self, name: str, reason: str, manifest: bytes | None) -> str:
        """Move the folder ``name`` below the store to ``quarantine``, with the reason beside it; returns its place
        there, or "" if another process has moved it, or healed it: then its manifest is not the judged ``manifest``."""

    @abstractmethod
    def asides(self, key: str) -> list[str]:
        """Names below ``quarantine`` of what was set aside of a cell, the newest first."""

    @abstractmethod
    def put_back(self, aside: str, name: str) -> None:
        """Make what was set aside the folder ``name`` again, unless another process has made it."""

    def has(self, key: str) -> bool:
        """Whether the cell is committed, and whole as far as can be told without reading large files."""
        return not self.damage(f"cells/{key}", reads_all=False)

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

        OSError if another process committed first: that cell stays.
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
    def write_progress(self, path: Path, share: float, latest: str = "") -> None:
        """Write an attempt's finished share to ``path``, and a line about it, ``latest``, visible to other nodes."""

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
class RemoteBucket(Backend):
    """A bucket. ``root`` is this node's folder for downloads and for attempts that run here."""

    root: Path
    bucket: Bucket

    def _cell(self, key: str) -> Published:
        return Published(self.bucket, f"cells/{key}")

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def present(self) -> set[str]:
        return {name.removesuffix(f"/{MANIFEST}") for name in self.bucket.below("cells") if name.endswith(MANIFEST)}

    def damage(self, name: str, *, reads_all: bool = True) -> str:
        published, folder = Published(self.bucket, name), self.root / name

        def is_read(file: str) -> bool:
            """Images in shards are held against their digests when they are read."""
            is_here = name.startswith("quarantine/") or (folder / file).is_file()
            return file.endswith(DOCUMENTS) or (reads_all and is_here and not file.endswith(".shard"))

        try:
            published.fetch_manifest(folder)
            manifest = read_manifest(folder)
            for file in filter(is_read, manifest["files"]):
                published.fetch_file(folder, file, manifest["files"][file])
                refuse_changed(folder / file, manifest)
        except FileNotFoundError as error:
            return f"{Path(str(error.filename or error)).name} is missing"
        except Damaged as reason:
            return str(reason)
        return published.torn(folder, manifest) if reads_all else ""

    def committed(self, keys: Iterable[str]) -> set[str]:
        return self.present().intersection(keys)

    def manifest_of(self, name: str) -> bytes:
        return self.bucket.read(f"{name}/{MANIFEST}")

    def set_aside(self, name: str, reason: str, manifest: bytes | None) -> str:
        published = Published(self.bucket, name)
        if manifest is None or not published.exists():
            return ""
        leaf = published.leaf
        numbers = (n for n in count(next_number(self.asides(leaf))) if self._claims_aside(f"{leaf}-{n}", reason))
        aside = f"quarantine/{leaf}-{next(numbers)}"
        shutil.rmtree(self.root / name, ignore_errors=True)
        if not published.move(aside, manifest):
            self.bucket.remove(f"{aside}{REASON}")
            return ""
        return f"{self.bucket.address.rstrip('/')}/{aside}"

    def _claims_aside(self, aside: str, reason: str) -> bool:
        content = f"{reason}\n{uuid.uuid4().hex}\n".encode()
        return self.bucket.create(f"quarantine/{aside}{REASON}", content)

    def asides(self, key: str) -> list[str]:
        names = {name.partition("/")[0] for name in self.bucket.below("quarantine") if name.startswith(f"{key}-")}
        return newest_first(names)

    def put_back(self, aside: str, name: str) -> None:
        if Published(self.bucket, f"quarantine/{aside}").move(name):
            self.bucket.remove(f"quarantine/{aside}{REASON}")
        shutil.rmtree(self.root / "quarantine" / aside, ignore_errors=True)

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

    def write_progress(self, path: Path, share: float, latest: str = "") -> None:
        uploaded_at = path.stat().st_mtime if path.is_file() else 0.0
        if share >= 1 or not 0 <= time.time() - uploaded_at < PROGRESS_SECONDS:
            path.write_text(progress_text(share, latest))
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


def newest_first(asides: Iterable[str]) -> list[str]:
    """Names that end in ``-<n>``, the highest number first; others are left out."""
    numbered = [name for name in asides if name.rpartition("-")[2].isdecimal()]
    return sorted(numbered, key=lambda name: int(name.rpartition("-")[2]), reverse=True)


def next_number(asides: Sequence[str]) -> int:
    """The number after the first of `newest_first`."""
    return 1 + int(asides[0].rpartition("-")[2]) if asides else 1


@lru_cache(maxsize=4096)
def _download_progress(backend: RemoteBucket, key: str, interval: int) -> str:
    """The newest attempt's progress, "" if there is none; the cache makes it one download per ``interval``."""
    try:
        return backend.bucket.read(f"work/{key}/{backend.attempts(key)[-1]}/{PROGRESS}").decode()
    except (OSError, IndexError):
        return ""
