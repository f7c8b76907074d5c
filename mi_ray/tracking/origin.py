"""Whether a run's cell was computed again since: the mirror follows its own store, and leaves other stores' runs alone.

Drivers with stores of their own may mirror into one experiment, and each may have computed a cell itself. A run is
therefore only outdated for the store that it came from, which is known by an id and not by its path: folders move.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from uuid import uuid4

from mi_ray.experiments.store.store import CommittedCell, Store
from mi_ray.tracking.entries import fingerprint

FINGERPRINT, ORIGIN = "mirror.record", "mirror.store"
"""Tags of a cell's run: `fingerprint` of the committed cell, and `origin` of its store."""
ID = "mirror.id"
"""File in a folder's store."""
SHA256 = "sha256/"
"""Prefix of tags that hold the sha256 of a cell's files."""


def origin(store: Store) -> str:
    """The id of a store: the address of a bucket; of a folder what its file `ID` says, which is made here."""
    if store.bucket:
        return store.name
    file = store.root / ID
    if not file.exists():
        aside = file.with_name(f".{ID}-{os.getpid()}")
        aside.write_text(uuid4().hex)
        aside.replace(file)
    return file.read_text()


def is_outdated(tags: Mapping[str, str], committed: CommittedCell, of: str) -> bool:
    """Whether a run with ``tags`` tells of an earlier computation of the cell in the store with the id ``of``.

    Runs of older mirrors have no `ORIGIN`, and the oldest no `FINGERPRINT`; the cell's place and the sha256 of its
    files serve instead. A run that has neither stays valid.
    """
    if tags.get(ORIGIN, of) != of or (ORIGIN not in tags and tags.get("store") != committed.place):
        return False
    if FINGERPRINT in tags:
        return tags[FINGERPRINT] != fingerprint(committed)
    files = {name.removeprefix(SHA256): digest for name, digest in tags.items() if name.startswith(SHA256)}
    return bool(files) and files != committed.manifest["files"]
