"""What runs that were killed have left in a store, and how it is removed; and, on request, what nobody asks for."""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mi_ray.experiments.store.backends import REASON
from mi_ray.experiments.store.bucket import Published
from mi_ray.experiments.store.files import MANIFEST, read_json
from mi_ray.experiments.store.store import PROBES, Store

CHECKPOINTS_KEPT = 2
"""Newest checkpoints of a cell that is not committed: from them a training goes on."""

DOWNLOAD = re.compile(r"\..+\.[0-9a-f]{32}")
"""Names of downloads that are not finished (`mi_ray.experiments.store.bucket`)."""

REMOVED = ".removed-"
OWN = ("fault-", ".writable-", ".probe-", REMOVED)
"""Beginnings of the names of files that a run leaves in the store itself: tracebacks and probes."""


@dataclass(frozen=True)
class Leftover:
    """A file or a folder below the store, by its ``name`` there, the bytes in it, and why it is left over."""

    name: str
    size: int
    reason: str


def sizes_of(store: Store) -> dict[str, int]:
    """Bytes of every file of a store by its name; an empty folder has a name that ends in a slash, but for cells.

    Of a bucket, also of the files that a killed run has left in this node's folder: unfinished downloads and images.
    """
    here = _sizes_here(store.root)
    return unfinished(here) | store.bucket.sizes("") if store.bucket else here


def unfinished(here: Mapping[str, int]) -> dict[str, int]:
    """Those of the files in a node's folder for a bucket that no run goes on from, and no reader of the bucket sees."""
    return {name: size for name, size in here.items() if _is_unfinished(name.split("/"))}


def _is_unfinished(parts: Sequence[str]) -> bool:
    match parts:
        case [own, *_] if own.startswith(OWN):
            return True
        case ["work", folder, *_] if folder.startswith(("tune-", ".")):
            return True
        case ["data", folder, *_] if ".partial-" in folder:
            return True
        case _:
            return len(parts) > 2 and DOWNLOAD.fullmatch(parts[-1]) is not None


def _sizes_here(root: Path) -> dict[str, int]:
    if not root.is_dir():
        return {}
    found = {path.name: path.stat().st_size for path in root.iterdir() if path.is_file()}
    for folder in ("work", "quarantine", "cells", "data", PROBES, *(path.name for path in root.glob(f"{REMOVED}*"))):
        for path in (root / folder).rglob("*"):
            name = path.relative_to(root).as_posix()
            if path.is_symlink() or path.is_file():
                found[name] = path.lstat().st_size
            elif folder != "cells" and path.is_dir() and not any(path.iterdir()):
                found[f"{name}/"] = 0
    return found


def leftovers(sizes: Mapping[str, int], *, in_bucket: bool, unasked: Collection[str] = ()) -> list[Leftover]:
    """The leftovers among the files of a store; ``unasked``: folders below it that nobody asks for.

    No committed cell is one unless it is unasked, and no attempt from which another could go on.
    """
    published = {name.removesuffix(f"/{MANIFEST}") for name in sizes if name.endswith(f"/{MANIFEST}")}
    steps = _newest_checkpoints(sizes)
    grouped: dict[tuple[str, str], int] = {}
    for name, size in sizes.items():
        folder = "/".join(name.split("/")[:2])
        if folder in unasked:
            found: tuple[str, str] | None = folder, "nobody asks for it"
        else:
            found = _judged(name, published, steps, in_bucket)
        if found:
            grouped[found] = grouped.get(found, 0) + size
    return [Leftover(name, size, reason) for (name, reason), size in sorted(grouped.items())]


def _judged(name: str, published: set[str], newest: set[str], in_bucket: bool) -> tuple[str, str] | None:
    """The file or folder to remove because of a file, and why; None if it stays."""
    match name.split("/"):
        case [own, *_] if own.startswith(OWN):
            return own, "of a run that ended"
        case ["work", folder, *_] if folder.startswith(("tune-", ".")):
            return f"work/{folder}", "of a run that was killed"
        case [_, _, *_, file] if DOWNLOAD.fullmatch(file):
            return name, "a download that was not finished"
        case ["work", key, *_] if f"cells/{key}" in published:
            return f"work/{key}", "attempts at a cell that is committed"
        case ["work", key, number, "cell", *_]:
            return f"work/{key}/{number}/cell", "what an attempt wrote that has ended"
        case ["work", _, _, "checkpoints", file] if file and name not in newest:
            return name, "a checkpoint before the newest"
        case ["quarantine", folder, *_] if published & {f"{room}/{_key_of(folder)}" for room in ("cells", "data")}:
            return f"quarantine/{folder}", "set aside, and computed again since"
        case ["data", folder, *_] if ".partial-" in folder:
            return f"data/{folder}", "images that were not finished"
        case [("cells" | "data") as room, folder, *_] if in_bucket and f"{room}/{folder}" not in published:
            return f"{room}/{folder}", "uploaded, but never committed"
        case ["cells", _, file] if file.startswith("."):
            return name, "a download that was not finished"
    return None


def _key_of(aside: str) -> str:
    """The key of what was set aside as ``<key>-<n>``, or of the reason beside it."""
    return aside.removesuffix(REASON).rpartition("-")[0]


def _newest_checkpoints(sizes: Iterable[str]) -> set[str]:
    """Names of the newest checkpoints of every cell, over all its attempts."""
    of_cell: dict[str, list[str]] = {}
    for name in sizes:
        match name.split("/"):
            case ["work", key, _, "checkpoints", file] if "-" in file:
                of_cell.setdefault(key, []).append(name)
    return {
        name
        for names in of_cell.values()
        for name in sorted(names, key=lambda name: name.rpartition("/")[2])[-CHECKPOINTS_KEPT:]
    }


def remove(store: Store, leftover: Leftover, names: Iterable[str]) -> None:
    """Remove a leftover; ``names``: all files of the store. A committed folder disappears in one step."""
    if store.bucket:
        below = [name for name in names if name == leftover.name or name.startswith(f"{leftover.name}/")]
        store.bucket.remove(*sorted(below, key=lambda name: not name.endswith(MANIFEST)))
    remove_path(store.root / leftover.name, store.root)


def remove_path(path: Path, root: Path) -> None:
    """Remove a file, or a folder by way of a name that nobody reads; what is gone already is gone."""
    if path.is_dir() and not path.is_symlink():
        aside = root / f"{REMOVED}{uuid.uuid4().hex}"
        path.rename(aside)
        shutil.rmtree(aside)
    else:
        path.unlink(missing_ok=True)


def unasked(store: Store, is_asked: Callable[[dict, dict], bool]) -> Iterator[str]:
    """Folders of the committed cells that nobody asks for, of attempts at them, and of the images that they alone used.

    ``is_asked`` is called with the declaration and the manifest of a cell; one that cannot be read stays.
    """
    used: set[str] = set()
    needed: set[str] = set()
    for key in _keys(store, "cells"):
        digest, asked = "", True
        with suppress(OSError, ValueError, KeyError, TypeError):
            cell = store.read(key)
            digest = cell.manifest["data_digest"]
            asked = is_asked(cell.declaration, cell.manifest)
        (needed if asked else used).add(digest)
        if not asked:
            yield f"cells/{key}"
            yield f"work/{key}"
            yield f"{PROBES}/{key}.jsonl"
    if "" not in needed:  # else a cell is there whose images nobody can tell
        yield from (f"data/{recipe}" for recipe, digest in _images(store) if digest in used - needed)


def _keys(store: Store, folder: str) -> list[str]:
    if store.bucket:
        return sorted({name.partition("/")[0] for name in store.bucket.below(folder)})
    return sorted(path.name for path in (store.root / folder).glob("*") if path.is_dir())


def _images(store: Store) -> Iterator[tuple[str, str]]:
    """Recipe and digest of all prepared images."""
    for recipe in _keys(store, "data"):
        folder = store.root / "data" / recipe
        try:
            if store.bucket:
                Published(store.bucket, f"data/{recipe}").fetch_manifest(folder)
            yield recipe, read_json(folder / MANIFEST)["digest"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
