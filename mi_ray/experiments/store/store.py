"""The store: one directory per finished cell, named by the cell's key. A cell is published in one step; the first wins.

<store>/cells/<key>/      declaration.json, result.json, history.jsonl, payload files, manifest.json
<store>/work/<key>/<n>/   attempt n: scratch files, checkpoints and progress, removed once the cell is committed
<store>/data/<recipe>/    prepared images (see `mi_ray.experiments.images.prepared`)
<store>/probes/           what online probes of running trainings have found, on the driver's machine
<store>/quarantine/       what may not be used any more (see `mi_ray.experiments.store.healing`)

The store is a folder, or a bucket (see `mi_ray.experiments.store.bucket`). With a bucket, every node also has a local
folder for downloads and for attempts that run there.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mi_ray.experiments.declare.checks import Refused, error_line
from mi_ray.experiments.store.backends import PROGRESS, Backend, RemoteBucket
from mi_ray.experiments.store.bucket import Bucket
from mi_ray.experiments.store.cell import CommittedCell
from mi_ray.experiments.store.failpoints import failpoint
from mi_ray.experiments.store.files import append_line, read_lines, write_json
from mi_ray.experiments.store.folder import SharedFolder
from mi_ray.experiments.store.manifest import write_manifest

PROBES = "probes"


@dataclass(frozen=True)
class Attempt:
    """A numbered try at computing a cell, with its own scratch directory. Only the newest attempt may publish."""

    store: Store
    key: str
    number: int

    @property
    def path(self) -> Path:
        """Scratch directory of this attempt."""
        return self.store.work / self.key / str(self.number)

    @property
    def payload(self) -> Path:
        """The directory that `publish` turns into the cell's."""
        return self.path / "cell"

    def publish(self, manifest: dict[str, Any], **documents: Any) -> CommittedCell:
        """Write ``documents`` as JSON files and a manifest with the sha256 of all files; commit them in one step.

        If another attempt committed first, its cell is returned and this payload is discarded. RuntimeError if a newer
        attempt exists.
        """
        try:
            for name, document in documents.items():
                write_json(self.payload / f"{name}.json", document)
            write_manifest(self.payload, manifest | {"key": self.key, "attempt": self.number})
            self.store.backend.stage(self.key, self.payload)
            failpoint("commit.before_rename")
            self.refuse_if_stale()
            self._commit()
        except OSError:
            if not self.store.has(self.key):
                raise
        failpoint("commit.after_rename")
        self.store.backend.remove_attempts(self.key)
        return self.store.read(self.key)

    def _commit(self) -> None:
        """Commit the payload; a damaged cell that is in its place is set aside first."""
        folder, backend = self.store.cells / self.key, self.store.backend
        try:
            backend.commit(self.payload, folder)
        except OSError:
            reason, manifest = backend.judged(f"cells/{self.key}")
            if self.key not in backend.present() or not reason:
                raise
            self.store.set_aside(f"cells/{self.key}", reason, manifest)
            backend.stage(self.key, self.payload)
            backend.commit(self.payload, folder)

    def end(self, reason: str) -> None:
        """Record that this attempt ended in order without a cell, and why; nothing happens if that cannot be written.

        An attempt that is neither committed nor ended, and that no process computes any more, has died.
        """
        with suppress(Exception):
            if not self.store.has(self.key):
                self.store.backend.end(self.path, reason)

    def refuse_if_stale(self) -> None:
        """Raise RuntimeError if a newer attempt has started, because the worker of this attempt was taken for dead."""
        if max(self.store.backend.attempts(self.key), default=0) > self.number:
            raise RuntimeError(f"{self.key}: attempt {self.number} is stale, a newer one has started; not published")

    def report_progress(self, share: float, latest: Mapping[str, float] | None = None) -> None:
        """Record the finished share of the cell, in [0, 1], for `Store.progress` on any node, and values that describe
        it now, for `Store.latest`."""
        self.store.backend.write_progress(self.path / PROGRESS, share, json.dumps(dict(latest)) if latest else "")

    def keep_checkpoint(self, checkpoint: Path, drop: Iterable[Path] = ()) -> None:
        """Keep a file of ``checkpoints/`` for later attempts on any node, and remove the older ones in ``drop``."""
        self.store.backend.keep_checkpoint(checkpoint, drop)

    def checkpoints(self) -> Iterator[Path]:
        """Checkpoints of all attempts at this cell, the latest step first."""
        return self.store.backend.checkpoints(self.key)


@dataclass(frozen=True)
class Store:
    """Finished cells in a folder, or in a bucket with ``root`` as this node's folder.

    Runners ask the store, and nothing else, which cells are done; the MLflow mirror copies from it.
    """

    root: Path
    bucket: Bucket | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the address only, so that a store in a bucket uses the local folder of the node that unpickles it."""
        return (store_at, (self.name,)) if self.bucket else (Store, (self.root,))

    @property
    def name(self) -> str:
        """Folder or address, as `store_at` takes it."""
        return self.bucket.address if self.bucket else str(self.root)

    @property
    def cells(self) -> Path:
        return self.root / "cells"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @cached_property
    def backend(self) -> Backend:
        """Decides which cells are committed and who claimed an attempt."""
        return RemoteBucket(self.root, self.bucket) if self.bucket else SharedFolder(self.root)

    def prepare(self) -> None:
        """Create the folders; Refused if the store cannot be written."""
        try:
            for folder in (self.cells, self.work):
                folder.mkdir(parents=True, exist_ok=True)
            probe = self.root / f".writable-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise Refused(
                f"store: {str(self.root)!r} cannot be written ({error.strerror}); allowed: a folder you may write to"
            ) from error
        if self.bucket:
            self.bucket.prove()

    def refuse_if_unreachable(self) -> None:
        """Raise Refused if the bucket cannot be read. Writes nothing."""
        if self.bucket:
            self.bucket.refuse_if_unreachable()

    def has(self, key: str) -> bool:
        """Whether the cell is committed."""
        return self.backend.has(key)

    def set_aside(self, name: str, reason: str, manifest: bytes | None) -> str:
        """Move the folder ``name`` to ``quarantine``; returns its place there, "" if another process has moved it, or
        has put one with another ``manifest`` there than was judged. Refused if this user may not.
        """
        try:
            return self.backend.set_aside(name, reason, manifest)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            raise Refused(
                f"store: {Path(name).name} in {self.name!r} may not be used ({reason}), and cannot be moved to "
                f"quarantine ({error.strerror}); allowed: a store that you may write to"
            ) from error

    def committed(self, keys: Iterable[str]) -> set[str]:
        """The subset of ``keys`` whose cells are committed."""
        return self.backend.committed(keys)

    def read(self, key: str) -> CommittedCell:
        """The committed cell; KeyError if it is not committed. Its members raise Damaged where it is not whole."""
        try:
            self.backend.fetch_manifest(self.cells / key)
        except FileNotFoundError:
            raise KeyError(f"{key} is not committed in {self.name}") from None
        return CommittedCell(self.cells / key, self.backend if isinstance(self.backend, RemoteBucket) else None)

    def attempt(self, key: str) -> Attempt:
        """Start the next attempt at a cell. Its number is claimed atomically, so no two attempts share one."""
        number = 1 + max(self.backend.attempts(key), default=0)
        while not self.backend.claim(key, number):
            number += 1
        attempt = Attempt(self, key, number)
        attempt.payload.mkdir(parents=True)
        return attempt

    def attempts(self, key: str) -> int:
        """Number of attempts that were started at a cell that is not committed."""
        return len(self.backend.attempts(key))

    def progress(self, key: str) -> float:
        """Finished share of a running cell in [0, 1]; 0 if unknown."""
        try:
            return float(self.backend.read_progress(key).partition("\n")[0] or 0)
        except (OSError, ValueError, IndexError):
            return 0.0

    def note_probe(self, key: str, found: dict[str, float]) -> None:
        """Keep what a probe of a running training has found, with its ``step``; on the driver's machine."""
        path = self.root / PROBES / f"{key}.jsonl"
        path.parent.mkdir(exist_ok=True)
        append_line(path, found)

    def probes(self, key: str) -> list[dict[str, float]]:
        """What probes of a training have found, by ``step``; empty if none was asked for. It enters no cell."""
        try:
            return sorted(read_lines(self.root / PROBES / f"{key}.jsonl"), key=lambda row: row["step"])
        except (OSError, ValueError, KeyError):
            return []

    def last_probe(self, key: str) -> dict[str, float]:
        """What the last probe of a training has found; empty if there was none."""
        return (self.probes(key) or [{}])[-1]

    def latest(self, key: str) -> dict[str, float]:
        """Values that describe a running cell now, such as the loss of a training; empty if unknown."""
        try:
            told = json.loads(self.backend.read_progress(key).partition("\n")[2] or "{}")
        except (OSError, ValueError, IndexError):
            return {}
        return {str(name): value for name, value in told.items() if isinstance(value, (int, float))}


@contextmanager
def ending_in_order(*attempts: Attempt) -> Iterator[None]:
    """Record the end of the attempts, with the reason, if the block raises: a failure, a leave or an interrupt."""
    try:
        yield
    except BaseException as error:
        for attempt in attempts:
            attempt.end(error_line(error))
        raise


def store_at(place: str | Path) -> Store:
    """The store in a folder, or at ``s3://BUCKET/PREFIX`` or ``gs://BUCKET/PREFIX``. Reads nothing yet."""
    if "://" not in str(place):
        return Store(Path(place).absolute())
    bucket = Bucket(str(place))
    return Store(bucket.cache, bucket)
