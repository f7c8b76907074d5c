"""File primitives of the store: sha256, fsync, JSON and JSON lines."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"


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


def append_line(path: Path, row: dict[str, float]) -> None:
    """Append one row to a JSON-lines file."""
    with open(path, "a") as file:
        file.write(json.dumps(row, sort_keys=True, allow_nan=False) + "\n")


def read_lines(path: Path) -> list[dict[str, float]]:
    """Read a JSON-lines file; an unfinished last line is dropped, a missing file is empty."""
    if not path.is_file():
        return []
    lines = path.read_text().split("\n")
    return [json.loads(line) for line in lines[:-1] if line]
