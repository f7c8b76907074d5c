"""Whether a run's cell was computed again since: the mirror follows its own store, and leaves other stores' runs alone.

Drivers with stores of their own may mirror into one experiment, and each may have computed a cell itself. A run is
therefore only outdated for the store that it came from, which is known by an id and not by its path: folders move. A
copied folder has the id of another one, so that the id's file also says which folder it was made for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from mi_ray.experiments.store.store import CommittedCell, Store
from mi_ray.tracking.entries import fingerprint

HOST = "host"
"""Field of a cell's manifest, and tag of its run: the machine that computed it."""
FINGERPRINT, ORIGIN = "mirror.record", "mirror.store"
"""Tags of a cell's run: `fingerprint` of the committed cell, and `origin` of its store."""
ID = "mirror.id"
"""File in a folder's store: its id, device and inode of the folder, and its path; of earlier versions the id."""
SHA256 = "sha256/"
"""Prefix of tags that hold the sha256 of a cell's files."""


def origin(store: Store) -> str:
    """The id of a store: the address of a bucket; of a folder what its file `ID` says, which is made here.

    A copy of a folder that is still where it was gets an id of its own; a folder that moved keeps its id.
    """
    if store.bucket:
        return store.name
    file, folder = store.root / ID, store.root.resolve()
    known, *place = _lines(file)
    here = [_inode(folder), str(folder)]
    if known and place == here:
        return known
    is_copy = bool(place) and not {*place} & {*here} and _lines(Path(place[-1]) / ID)[0] == known
    new = uuid4().hex if is_copy or not known else known
    aside = file.with_name(f".{ID}-{os.getpid()}")
    aside.write_bytes(os.fsencode("\n".join([new, *here])))
    aside.replace(file)
    return new


def _lines(file: Path) -> list[str]:
    """The lines of an `ID` file, [""] where there is none."""
    try:
        return os.fsdecode(file.read_bytes()).split("\n", 2)
    except OSError:
        return [""]


def _inode(folder: Path) -> str:
    state = folder.stat()
    return f"{state.st_dev}:{state.st_ino}"


def is_outdated(tags: Mapping[str, str], committed: CommittedCell, of: str) -> bool:
    """Whether a run with ``tags`` tells of an earlier computation of the cell in the store with the id ``of``.

    Runs of older mirrors have no `ORIGIN`, and the oldest no `FINGERPRINT`; the cell's place with the machine that
    computed it, and the sha256 of its files serve instead. A run that has neither stays valid.
    """
    if tags.get(ORIGIN, of) != of or (ORIGIN not in tags and not _is_of_this_place(tags, committed)):
        return False
    if FINGERPRINT in tags:
        return tags[FINGERPRINT] != fingerprint(committed)
    files = {name.removeprefix(SHA256): digest for name, digest in tags.items() if name.startswith(SHA256)}
    return bool(files) and files != committed.manifest["files"]


def _is_of_this_place(tags: Mapping[str, str], committed: CommittedCell) -> bool:
    """Whether a run tells of a cell at the same path, as far as is known on the same machine: paths are often alike."""
    host = committed.manifest.get(HOST)
    return tags.get("store") == committed.place and tags.get(HOST, host) == host
