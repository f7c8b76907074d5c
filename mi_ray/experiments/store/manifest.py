"""Manifests: what a committed folder holds, with the sha256 of every file and a seal over the manifest itself.

A folder is whole if its manifest is intact and every file that it lists is there and matches it. Manifests of earlier
versions have no seal: of them only the files can be checked.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from mi_ray.compute.numerics.disk import telling_room
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.store.files import MANIFEST, fsync, json_text, sha256, sha256_once

T = TypeVar("T")
FORMAT, SEAL = "format", "seal"
"""Both fields are in every sealed manifest, so that damage to the name of one does not make it look unsealed."""
VERSION = 2
UNSEALED = "0" * 64
DOCUMENTS = (".json", ".jsonl")
"""Endings of the small files of a cell, which every command reads."""
VERY_LARGE = 2**30
"""Bytes of a file that is read for damage at the start of a command only if it was written since it was committed."""
UNREADABLE = frozenset({errno.EIO, errno.ELOOP, errno.EBADMSG})
"""Errors of reading that do not go away: bad blocks, links that lead to themselves."""
ONCE_MORE = frozenset({errno.EIO})
"""Those that may pass, as of a network file system that was cut off for a moment: the file is read once more."""
DECLARATION = "declaration.json"


class Damaged(ValueError):
    """A committed file is missing, cut or changed. Its text names the file."""


def sealed_text(manifest: Mapping[str, Any]) -> str:
    """The text of a manifest with its format and its seal: the sha256 of the text in which the seal is all zeros."""
    text = json_text({**manifest, FORMAT: VERSION, SEAL: UNSEALED})
    return text.replace(_line(UNSEALED), _line(hashlib.sha256(text.encode()).hexdigest()), 1)


def _is_intact(content: bytes, seal: object) -> bool:
    """Whether these are the bytes that were sealed."""
    unsealed = content.replace(_line(seal).encode(), _line(UNSEALED).encode(), 1)
    return hashlib.sha256(unsealed).hexdigest() == seal


def _line(seal: object) -> str:
    return f'"{SEAL}": "{seal}"'


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the sealed manifest of all files in ``folder``; files, manifest and folder are on disk when it returns."""
    written = sorted(folder.iterdir())
    held = {
        "files": {path.name: sha256(path) for path in written},
        "sizes": {path.name: path.stat().st_size for path in written},
    }
    text = sealed_text({**manifest, **held})
    with telling_room(folder / MANIFEST, len(text)):
        (folder / MANIFEST).write_text(text)
    for path in [*written, folder / MANIFEST, folder]:
        fsync(path)


def parsed(content: bytes) -> dict[str, Any]:
    """A manifest from its bytes; Damaged if they are not those that were written, as far as an unsealed one tells."""
    try:
        manifest = json.loads(content)
        files = manifest["files"]
        if not all(_is_name(name) and _is_digest(digest) for name, digest in files.items()):
            raise ValueError("names or digests of files")
        is_sealed = FORMAT in manifest or SEAL in manifest
        if not is_sealed and not files:
            raise ValueError("no files")
        is_intact = not is_sealed or _is_intact(content, manifest.get(SEAL))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Damaged(f"{MANIFEST} is no manifest ({type(error).__name__})") from error
    if not is_intact:
        raise Damaged(f"{MANIFEST} does not match its seal")
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder; Damaged if it is missing or not intact."""
    return telling_damage(folder / MANIFEST, lambda: parsed((folder / MANIFEST).read_bytes()))


def telling_damage(path: Path, read: Callable[[], T]) -> T:
    """What ``read`` returns; Damaged if the disk has lost the file ``path`` or cannot read it, also when it is asked
    once more; Refused if this user may not."""
    try:
        try:
            return read()
        except OSError as error:
            if error.errno not in ONCE_MORE:
                raise
            return read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise Damaged(f"{path.name} is missing") from error
    except PermissionError as error:
        raise Refused(
            f"store: {path} cannot be read ({error.strerror}); allowed: files that all users of a store may read"
        ) from error
    except OSError as error:
        if error.errno not in UNREADABLE:
            raise
        raise Damaged(f"{path.name} cannot be read ({error.strerror})") from error


def checked(name: str, content: bytes, manifest: Mapping[str, Any]) -> bytes:
    """The content of a file; Damaged if it does not match the manifest."""
    if hashlib.sha256(content).hexdigest() != manifest["files"].get(name):
        raise Damaged(f"{name} does not match its manifest")
    return content


def refuse_changed(path: Path, manifest: Mapping[str, Any], *, reads_all: bool = True) -> None:
    """Damaged if a file is missing or does not match the manifest; without ``reads_all`` only its size is compared.

    A file that does not match gets a new time of change, so that whoever looks for damage next reads it, however large.
    """
    name, sizes = path.name, manifest.get("sizes", {})

    def is_same() -> bool:
        size = path.stat().st_size
        return size == sizes.get(name, size) and (not reads_all or sha256_once(path) == manifest["files"][name])

    if not telling_damage(path, is_same):
        with suppress(OSError):  # in a store of others
            os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))  # so that it does not rest: `_rests`
        raise Damaged(f"{name} does not match its manifest")


def damage(folder: Path, *, reads_all: bool = True) -> str:
    """Why a committed folder is not whole; empty if it is. Without ``reads_all``, of files other than `DOCUMENTS` only
    the sizes are compared; with it, of very large files too, if they were not written since the folder was committed:
    who uses one reads it."""
    try:
        manifest = read_manifest(folder)
        for name in manifest["files"]:
            is_read = name.endswith(DOCUMENTS) or (reads_all and not _rests(folder / name))
            refuse_changed(folder / name, manifest, reads_all=is_read)
    except Damaged as reason:
        return str(reason)
    return ""


def _rests(path: Path) -> bool:
    """Whether a file is very large and, as its system's time of change tells, older than the manifest beside it."""
    try:
        status = path.stat()
        return status.st_size >= VERY_LARGE and status.st_ctime_ns < (path.parent / MANIFEST).stat().st_ctime_ns
    except OSError:
        return False


def content_of(manifest: Mapping[str, Any]) -> str:
    """sha256 of what a cell found: of its files, without the declaration. Times and machines do not enter."""
    files = {name: digest for name, digest in manifest["files"].items() if name != DECLARATION}
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def _is_name(name: object) -> bool:
    return isinstance(name, str) and Path(name).name == name


def _is_digest(digest: object) -> bool:
    return isinstance(digest, str) and len(digest) == hashlib.sha256().digest_size * 2
