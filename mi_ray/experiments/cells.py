"""The store: one directory per finished cell, named by its key, published atomically; the first to publish wins.

<store>/cells/<key>/      declaration.json, result.json, history.jsonl, payload files, manifest.json
<store>/work/<key>/<n>/   attempt n: its scratch files, checkpoints and progress, swept once the cell is committed
<store>/data/<recipe>/    prepared images (see `data`)
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mi_ray.experiments.checks import Refused
from mi_ray.experiments.failpoints import failpoint

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class CommittedCell:
    """A finished cell, read from its directory."""

    path: Path

    @property
    def key(self) -> str:
        return self.path.name

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Key, upstream, data digest, versions, seconds, attempt and the sha256 of every file."""
        return read_json(self.path / MANIFEST)

    @cached_property
    def result(self) -> dict[str, Any]:
        """The numbers that the cell was computed for, in the units that their names say."""
        return read_json(self.path / "result.json")

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """One record per report: ``step`` and the values."""
        return read_lines(self.path / "history.jsonl")

    def file(self, name: str) -> Path:
        """Path of a payload file whose bytes match the manifest; ValueError names one that does not."""
        path = self.path / name
        if sha256(path) != self.manifest["files"][name]:
            raise ValueError(f"store: {path} does not match its manifest; remove {self.path} to compute it again")
        return path


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
        """Write ``records`` as JSON files, the manifest with every file's sha256, and rename the directory into place.

        Whoever comes second finds the first one's cell and discards its own. RuntimeError when a newer attempt exists.
        """
        try:
            self._write(manifest, records)
            failpoint("commit.before_rename")
            self.refuse_if_stale()
            self.payload.rename(self.store.cells / self.key)
        except OSError:
            if not self.store.has(self.key):
                raise
        fsync(self.store.cells)
        failpoint("commit.after_rename")
        shutil.rmtree(self.store.work / self.key, ignore_errors=True)
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
        if (self.store.work / self.key / str(self.number + 1)).exists():
            raise RuntimeError(f"{self.key}: attempt {self.number} is stale, a newer one has started; not published")


@dataclass(frozen=True)
class Store:
    """Finished cells below one folder; the truth that runners and trackers follow."""

    root: Path

    @property
    def cells(self) -> Path:
        return self.root / "cells"

    @property
    def work(self) -> Path:
        return self.root / "work"

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

    def has(self, key: str) -> bool:
        """Whether the cell is committed."""
        return (self.cells / key / MANIFEST).is_file()

    def read(self, key: str) -> CommittedCell:
        """The committed cell; KeyError if there is none."""
        if not self.has(key):
            raise KeyError(f"{key} is not committed in {self.root}")
        return CommittedCell(self.cells / key)

    def attempt(self, key: str) -> Attempt:
        """Start the next attempt at a cell: its number is taken exclusively, so no two attempts share one."""
        folder = self.work / key
        folder.mkdir(parents=True, exist_ok=True)
        number = 1 + max((int(path.name) for path in folder.iterdir() if path.name.isdigit()), default=0)
        while True:
            try:
                (folder / str(number)).mkdir()
            except FileExistsError:
                number += 1
            else:
                (folder / str(number) / "cell").mkdir()
                return Attempt(self, key, number)

    def attempts(self, key: str) -> int:
        """How many attempts at a cell that is not committed have begun."""
        folder = self.work / key
        return sum(path.name.isdigit() for path in folder.iterdir()) if folder.is_dir() else 0

    def progress(self, key: str) -> float:
        """Share of a running cell that is done, 0 when unknown."""
        folder = self.work / key
        try:
            newest = max((p for p in folder.iterdir() if p.name.isdigit()), key=lambda p: int(p.name))
            return float((newest / "progress").read_text() or 0)
        except (OSError, ValueError):
            return 0.0


def sha256(path: Path) -> str:
    """sha256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fsync(path: Path) -> None:
    """Flush a file or directory to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file for people: sorted, indented; ValueError on NaN or infinity."""
    path.write_text(json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text())


def append_line(path: Path, record: dict[str, float]) -> None:
    """Append one record to a JSON-lines file."""
    with open(path, "a") as file:
        file.write(json.dumps(record, sort_keys=True, allow_nan=False) + "\n")


def read_lines(path: Path) -> list[dict[str, float]]:
    """Read a JSON-lines file; a last line that was cut off is dropped."""
    if not path.is_file():
        return []
    lines = path.read_text().split("\n")
    return [json.loads(line) for line in lines[:-1] if line]
