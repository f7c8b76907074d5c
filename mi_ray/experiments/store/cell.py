"""A committed cell. Nothing is returned from its folder that does not match its manifest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mi_ray.experiments.store.backends import RemoteBucket
from mi_ray.experiments.store.files import parsed_lines
from mi_ray.experiments.store.manifest import (
    DECLARATION,
    Damaged,
    checked,
    content_of,
    read_manifest,
    refuse_changed,
    telling_damage,
)

HISTORY, RESULT = "history.jsonl", "result.json"


@dataclass(frozen=True)
class CommittedCell:
    """A finished cell, read from its directory; ``remote`` downloads files that this node lacks.

    Every member raises Damaged if a file that it reads is missing or does not match the manifest.
    """

    path: Path
    remote: RemoteBucket | None = None

    @property
    def key(self) -> str:
        return self.path.name

    @property
    def place(self) -> str:
        """The cell's folder or its address in the bucket, for messages and tags."""
        return self.remote.address(self.path) if self.remote else str(self.path)

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Key, upstream, data digest, versions, seconds, attempt and the sha256 of every file."""
        try:
            return read_manifest(self.path)
        except Damaged as reason:
            raise self._told(reason) from None

    @property
    def content(self) -> str:
        """Digest of what the cell found; equal for cells that found the same at other times."""
        return content_of(self.manifest)

    @cached_property
    def result(self) -> dict[str, Any]:
        """The cell's results; names end in their unit."""
        return json.loads(self._document(RESULT))

    @cached_property
    def declaration(self) -> dict[str, Any]:
        """The cell's declaration as JSON."""
        return json.loads(self._document(DECLARATION))

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """One row per report: ``step`` and the values; empty for a cell without reports."""
        return parsed_lines(self._document(HISTORY).decode()) if HISTORY in self.manifest["files"] else []

    def file(self, name: str) -> Path:
        """Path of a payload file, its sha256 checked once per process."""
        path = self._fetched(name)
        try:
            refuse_changed(path, self.manifest)
        except Damaged as reason:
            raise self._told(reason) from None
        return path

    def _document(self, name: str) -> bytes:
        """The bytes of a small file; they are checked after they were read, so that no later change matters."""
        path = self._fetched(name)
        try:
            return telling_damage(path, lambda: checked(name, path.read_bytes(), self.manifest))
        except Damaged as reason:
            raise self._told(reason) from None

    def _fetched(self, name: str) -> Path:
        if name not in self.manifest["files"]:
            raise self._told(Damaged(f"{name} is not in its manifest"))
        if remote := self.remote:
            expected = self.manifest["files"][name]
            try:
                telling_damage(self.path / name, lambda: remote.fetch_file(self.path, name, expected))
            except Damaged as reason:
                raise self._told(reason) from None
        return self.path / name

    def _told(self, reason: Damaged) -> Damaged:
        return Damaged(f"store: {self.place} is damaged: {reason}; the same command computes it again")
