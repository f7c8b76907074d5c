"""File primitives of the store: sha256, fsync, JSON and JSON lines."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from mi_ray.compute.numerics.disk import telling_room

MANIFEST = "manifest.json"


def sha256(path: Path) -> str:
    """sha256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_Mark = tuple[int, int, int, int]
_hashed: dict[Path, tuple[_Mark, str]] = {}
TICK_NS = 50_000_000
"""Nanoseconds within which a file system may give two writes the same time."""


def sha256_once(path: Path) -> str:
    """sha256 of a file's bytes, computed again in this process only if inode, size or times of the file change.

    A file that was written a moment ago is not remembered, because a second write might leave the same times.
    """
    with open(path, "rb") as file:
        mark = _mark(os.fstat(file.fileno()))
        known = _hashed.get(path)
        if known and known[0] == mark:
            return known[1]
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        is_at_rest = time.time_ns() - max(mark[2:]) > TICK_NS and _mark(os.fstat(file.fileno())) == mark
    if is_at_rest:
        _hashed[path] = mark, digest
    return digest


def _mark(status: os.stat_result) -> _Mark:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def fsync(path: Path) -> None:
    """Flush a file or directory to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with telling_room(path, 0):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def json_text(value: Any) -> str:
    """JSON for people: sorted, indented; ValueError on NaN or infinity."""
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file for people: `json_text`."""
    text = json_text(value)
    with telling_room(path, len(text)):
        path.write_text(text)


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text())


def append_line(path: Path, row: dict[str, float]) -> None:
    """Append one row to a JSON-lines file."""
    line = json.dumps(row, sort_keys=True, allow_nan=False) + "\n"
    with telling_room(path, len(line)), open(path, "a") as file:
        file.write(line)


def read_lines(path: Path) -> list[dict[str, float]]:
    """Read a JSON-lines file; an unfinished last line is dropped, a missing file is empty."""
    return parsed_lines(path.read_text()) if path.is_file() else []


def parsed_lines(text: str) -> list[dict[str, float]]:
    """The rows of JSON lines; an unfinished last line is dropped."""
    return [json.loads(line) for line in text.split("\n")[:-1] if line]


def progress_text(share: float, latest: str) -> str:
    """The content of a progress file: the share, then, if there is one, a line about the attempt."""
    return f"{share:.4f}\n{latest}" if latest else f"{share:.4f}"
