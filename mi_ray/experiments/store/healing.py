"""Cells that may not be used are set aside: damaged ones, and those that rest on what an upstream cell held before.

They are kept in ``quarantine`` and count as not committed, so that the same command computes them again. The manifest
of a cell has, as ``upstream_content``, the digest of what its upstream cell had found. If that is computed again and
finds the same, the cells that rest on it are put back. Cells of earlier versions have no such digest and stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from mi_ray.experiments.store.manifest import Damaged, content_of, parsed, read_manifest
from mi_ray.experiments.store.store import Store

UPSTREAM_CONTENT = "upstream_content"
READERS = 8


@dataclass(frozen=True)
class Aside:
    """A cell that was set aside: why, where it is now, and whether it was damaged."""

    key: str
    reason: str
    place: str
    is_damaged: bool

    def __str__(self) -> str:
        return f"{self.key} is not used: {self.reason}; it is kept in {self.place} and computed again"


def heal(store: Store, needs: Mapping[str, str | None]) -> list[Aside]:
    """Read every committed cell of ``needs`` and set aside those that may not be used; returns them.

    ``needs``: the key of the upstream cell by key, upstream cells first. The caller holds the store's lock.
    """
    found: list[Aside] = []
    usable: dict[str, str] = {}
    present = store.backend.present()
    keys = [key for key in needs if key in present]
    with ThreadPoolExecutor(READERS) as pool:
        judged = dict(zip(keys, pool.map(partial(_judged, store), keys), strict=True))
    for key in keys:
        damage, content = judged[key]
        manifest = {} if damage else read_manifest(store.cells / key)
        reason = damage or _outdated(manifest, usable.get(needs[key] or ""))
        if not reason:
            usable[key] = content_of(manifest)
        elif place := store.set_aside(f"cells/{key}", reason, content):
            found.append(Aside(key, reason, place, bool(damage)))
        elif store.has(key):  # another process has healed it
            usable[key] = store.read(key).content
    return found


@contextmanager
def setting_aside(store: Store, key: str | None) -> Iterator[None]:
    """Set the cell ``key`` aside if the block finds it damaged; Damaged is raised on."""
    try:
        yield
    except Damaged:
        if key:
            _set_aside_damaged(store, key)
        raise


def settled(store: Store, key: str, upstream: str | None) -> bool:
    """Whether a cell is committed and rests on what its upstream cell holds.

    A cell that may not be used is set aside; one that was set aside and may be used again is put back.
    """
    content = store.read(upstream).content if upstream else None
    if store.has(key):
        judged = store.backend.manifest_or_none(f"cells/{key}")
        reason = _outdated(store.read(key).manifest, content)
        if not reason:
            return True
        store.set_aside(f"cells/{key}", reason, judged)
    else:
        _set_aside_damaged(store, key)  # nothing is there, or something that is not whole
    return content is not None and _put_back(store, key, content)


def _judged(store: Store, key: str) -> tuple[str, bytes | None]:
    return store.backend.judged(f"cells/{key}")


def _set_aside_damaged(store: Store, key: str) -> None:
    reason, manifest = _judged(store, key)
    if reason:
        store.set_aside(f"cells/{key}", reason, manifest)


def _outdated(manifest: Mapping[str, Any], content: str | None) -> str:
    """Why a cell does not rest on an upstream cell of this content, None if that cell is not committed; empty if it
    does, or does not tell."""
    rests_on = manifest.get(UPSTREAM_CONTENT)
    if rests_on is None or rests_on == content:
        return ""
    now = "is not committed any more" if content is None else "was computed again and found something else"
    return f"its upstream cell {manifest['upstream']} {now}"


def _put_back(store: Store, key: str, content: str) -> bool:
    """Put back a whole cell that was set aside and rests on this content; False if there is none."""
    for aside in store.backend.asides(key):
        try:
            manifest = parsed(store.backend.manifest_of(f"quarantine/{aside}"))
        except (OSError, Damaged):
            continue
        if manifest.get(UPSTREAM_CONTENT) == content and not store.backend.damage(f"quarantine/{aside}"):
            store.backend.put_back(aside, f"cells/{key}")
            if is_back := store.has(key):
                store.backend.remove_attempts(key)
            return is_back
    return False
