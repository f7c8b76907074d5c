"""Manifests: what a committed folder holds, with the sha256 of every file and a seal over the manifest itself.

A folder is whole if its manifest is intact and every file that it lists is there and matches it. Manifests of earlier
versions have no seal: of them only the files can be checked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mi_ray.experiments.store.files import MANIFEST, json_text, sha256_once

FORMAT, SEAL = "format", "seal"
"""Both fields are in every sealed manifest, so that damage to the name of one does not make it look unsealed."""
VERSION = 2
DOCUMENTS = (".json", ".jsonl")
"""Endings of the small files of a cell, which every command reads."""
DECLARATION = "declaration.json"


class Damaged(ValueError):
    """A committed file is missing, cut or changed. Its text names the file."""


def sealed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest with its format and, as ``seal``, the sha256 of all that."""
    whole = {name: value for name, value in manifest.items() if name != SEAL} | {FORMAT: VERSION}
    return whole | {SEAL: _seal(whole)}


def parsed(content: bytes) -> dict[str, Any]:
    """A manifest from its bytes; Damaged if they are not those that were written, as far as an unsealed one tells."""
    try:
        manifest = json.loads(content)
        files = manifest["files"]
        if not all(_is_name(name) and _is_digest(digest) for name, digest in files.items()):
            raise ValueError("names or digests of files")
        is_intact = json_text(manifest).encode() == content and manifest.get(SEAL) == _seal(manifest)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Damaged(f"{MANIFEST} is no manifest ({type(error).__name__})") from error
    if (FORMAT in manifest or SEAL in manifest) and not is_intact:
        raise Damaged(f"{MANIFEST} does not match its seal")
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder; Damaged if it is missing or not intact."""
    try:
        return parsed((folder / MANIFEST).read_bytes())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise Damaged(f"{MANIFEST} is missing") from error


def checked(name: str, content: bytes, manifest: Mapping[str, Any]) -> bytes:
    """The content of a file; Damaged if it does not match the manifest."""
    if hashlib.sha256(content).hexdigest() != manifest["files"].get(name):
        raise Damaged(f"{name} does not match its manifest")
    return content


def refuse_changed(path: Path, manifest: Mapping[str, Any], *, reads_all: bool = True) -> None:
    """Damaged if a file is missing or does not match the manifest; without ``reads_all`` only its size is compared."""
    name, sizes = path.name, manifest.get("sizes", {})
    try:
        size = path.stat().st_size
        is_same = size == sizes.get(name, size) and (not reads_all or sha256_once(path) == manifest["files"][name])
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise Damaged(f"{name} is missing") from error
    if not is_same:
        raise Damaged(f"{name} does not match its manifest")


def damage(folder: Path, *, reads_all: bool = True) -> str:
    """Why a committed folder is not whole; empty if it is. Without ``reads_all``, of files other than `DOCUMENTS` only
    the sizes are compared."""
    try:
        manifest = read_manifest(folder)
        for name in manifest["files"]:
            refuse_changed(folder / name, manifest, reads_all=reads_all or name.endswith(DOCUMENTS))
    except Damaged as reason:
        return str(reason)
    return ""


def content_of(manifest: Mapping[str, Any]) -> str:
    """sha256 of what a cell found: of its files, without the declaration. Times and machines do not enter."""
    files = {name: digest for name, digest in manifest["files"].items() if name != DECLARATION}
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def _seal(manifest: Mapping[str, Any]) -> str:
    """sha256 of a manifest's text without its seal."""
    body = {name: value for name, value in manifest.items() if name != SEAL}
    return hashlib.sha256(json_text(body).encode()).hexdigest()


def _is_name(name: object) -> bool:
    return isinstance(name, str) and Path(name).name == name


def _is_digest(digest: object) -> bool:
    return isinstance(digest, str) and len(digest) == hashlib.sha256().digest_size * 2
