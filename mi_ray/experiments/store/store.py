"""The store: one directory per finished cell, named by its key, published atomically; the first to publish wins.

<store>/cells/<key>/      declaration.json, result.json, history.jsonl, payload files, manifest.json
<store>/work/<key>/<n>/   attempt n: its scratch files, checkpoints and progress, swept once the cell is committed
<store>/data/<recipe>/    prepared images (see `data`)

The store is a folder, or a bucket (see `objects`) with a folder of every node for what was downloaded and is computed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.store.backends import PROGRESS, Remote, Shared, Truth
from mi_ray.experiments.store.bucket import Bucket
from mi_ray.experiments.store.failpoints import failpoint
from mi_ray.experiments.store.files import MANIFEST, fsync, read_json, read_lines, sha256, write_json


@dataclass(frozen=True)
class CommittedCell:
    """A finished cell, read from its directory; ``remote`` brings what this node lacks of it."""

    path: Path
    remote: Remote | None = None

    @property
    def key(self) -> str:
        return self.path.name

    @property
    def place(self) -> str:
        """Where it is, for people: its folder, or its address in the bucket."""
        return self.remote.place(self.path) if self.remote else str(self.path)

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Key, upstream, data digest, versions, seconds, attempt and the sha256 of every file."""
        return read_json(self.path / MANIFEST)

    @cached_property
    def result(self) -> dict[str, Any]:
        """The numbers that the cell was computed for, in the units that their names say."""
        return read_json(self._brought("result.json"))

    @cached_property
    def declaration(self) -> dict[str, Any]:
        """What was declared, as people read it."""
        return read_json(self._brought("declaration.json"))

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """One record per report: ``step`` and the values."""
        return read_lines(self._brought("history.jsonl"))

    def file(self, name: str) -> Path:
        """Path of a payload file whose bytes match the manifest; ValueError names one that does not."""
        path = self._brought(name)
        if sha256(path) != self.manifest["files"][name]:
            raise ValueError(
                f"store: {self.place}/{name} does not match its manifest; remove {self.place} to compute it again"
            )
        return path

    def _brought(self, name: str) -> Path:
        if self.remote and name in self.manifest["files"]:
            self.remote.bring(self.path, name, self.manifest["files"][name])
        return self.path / name


@dataclass(frozen=True)
class Attempt:
    """One try at a cell: a scratch directory of its own, numbered; only the newest attempt may publish."""

    store: Store
    key: str
    number: int

    @property
    def path(self) -> Path:
        """Scratch directory of this attempt."""
        return self.store.work / self.key / str(self.number)

    @property
    def payload(self) -> Path:
        """What will become the cell's directory."""
        return self.path / "cell"

    def publish(self, manifest: dict[str, Any], **records: Any) -> CommittedCell:
        """Write ``records`` as JSON files, the manifest with every file's sha256, and commit the directory in one step.

        Whoever comes second finds the first one's cell and discards its own. RuntimeError when a newer attempt exists.
        """
        try:
            self._write(manifest, records)
            self.store.truth.stage(self.key, self.payload)
            failpoint("commit.before_rename")
            self.refuse_if_stale()
            self.store.truth.commit(self.payload, self.store.cells / self.key)
        except OSError:
            if not self.store.has(self.key):
                raise
        failpoint("commit.after_rename")
        self.store.truth.sweep(self.key)
        return self.store.read(self.key)

    def _write(self, manifest: dict[str, Any], records: dict[str, Any]) -> None:
        for name, record in records.items():
            write_json(self.payload / f"{name}.json", record)
        files = {path.name: sha256(path) for path in sorted(self.payload.iterdir())}
        write_json(self.payload / MANIFEST, manifest | {"key": self.key, "attempt": self.number, "files": files})
        for path in [*self.payload.iterdir(), self.payload]:
            fsync(path)

    def refuse_if_stale(self) -> None:
        """RuntimeError when a newer attempt has started: this one is a leftover of a worker thought dead."""
        if max(self.store.truth.numbers(self.key), default=0) > self.number:
            raise RuntimeError(f"{self.key}: attempt {self.number} is stale, a newer one has started; not published")

    def report_progress(self, share: float) -> None:
        """Tell whoever asks the store which share of the cell is done."""
        self.store.truth.tell(self.path / PROGRESS, share)

    def keep_checkpoint(self, checkpoint: Path, drop: Iterable[Path] = ()) -> None:
        """Have a file of ``checkpoints/`` found by later attempts, on whatever node, and ``drop`` older ones."""
        self.store.truth.keep(checkpoint, drop)

    def checkpoints(self) -> Iterator[Path]:
        """Checkpoints of every attempt at this cell, the one of the latest step first."""
        return self.store.truth.kept(self.key)


@dataclass(frozen=True)
class Store:
    """Finished cells below one folder, or in a bucket with ``root`` as this node's folder; the truth that runners and
    trackers follow."""

    root: Path
    bucket: Bucket | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """A store in a bucket has, on every node that it travels to, that node's folder."""
        return (store_at, (self.name,)) if self.bucket else (Store, (self.root,))

    @property
    def name(self) -> str:
        """Where it is, for people and for `store_at`."""
        return self.bucket.address if self.bucket else str(self.root)

    @property
    def cells(self) -> Path:
        return self.root / "cells"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @cached_property
    def truth(self) -> Truth:
        """Who says what is committed, and which attempts there are."""
        return Remote(self.root, self.bucket) if self.bucket else Shared(self.root)

    def prepare(self) -> None:
        """Make the folders; refuses a store that cannot be written."""
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
        """Refuse a bucket that cannot be read; writes nothing."""
        if self.bucket:
            self.bucket.refuse_if_unreachable()

    def has(self, key: str) -> bool:
        """Whether the cell is committed."""
        return self.truth.has(key)

    def committed(self, keys: Iterable[str]) -> set[str]:
        """Which of some cells are committed."""
        return self.truth.committed(keys)

    def read(self, key: str) -> CommittedCell:
        """The committed cell; KeyError if there is none."""
        try:
            self.truth.read(self.cells / key)
        except FileNotFoundError:
            raise KeyError(f"{key} is not committed in {self.name}") from None
        return CommittedCell(self.cells / key, self.truth if isinstance(self.truth, Remote) else None)

    def attempt(self, key: str) -> Attempt:
        """Start the next attempt at a cell: its number is taken exclusively, so no two attempts share one."""
        number = 1 + max(self.truth.numbers(key), default=0)
        while not self.truth.take(key, number):
            number += 1
        attempt = Attempt(self, key, number)
        attempt.payload.mkdir(parents=True)
        return attempt

    def attempts(self, key: str) -> int:
        """How many attempts at a cell that is not committed have begun."""
        return len(self.truth.numbers(key))

    def progress(self, key: str) -> float:
        """Share of a running cell that is done, 0 when unknown."""
        try:
            return float(self.truth.told(key) or 0)
        except (OSError, ValueError, IndexError):
            return 0.0


def store_at(place: str | Path) -> Store:
    """The store in a folder, or in a bucket at ``s3://BUCKET/PREFIX`` or ``gs://BUCKET/PREFIX``; asks nothing of it."""
    if "://" not in str(place):
        return Store(Path(place).absolute())
    bucket = Bucket(str(place))
    return Store(bucket.cache, bucket)
