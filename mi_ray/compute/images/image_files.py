"""The image files below a folder: which files count as images, and which links are followed.

A file counts by its suffix, in any case. Hidden and system files and folders never count. A link is followed unless it
leads to a folder above it, or to a file or folder that was reached before: each counts once, under its own path rather
than that of a link. A broken link is refused. Every folder of images is walked here, so that the key of prepared images
and their reader see the same files.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from dataclasses import dataclass
from dataclasses import field as new
from pathlib import Path

SUFFIXES = frozenset(
    {
        ".apng", ".avif", ".bmp", ".dib", ".gif", ".j2c", ".j2k", ".jfif", ".jp2", ".jpc", ".jpe", ".jpeg", ".jpf",
        ".jpg", ".jpx", ".mpo", ".pbm", ".pfm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
    }
)  # fmt: skip
"""Suffixes of the files that count as images, in any case."""

SYSTEM = frozenset(
    {
        "__macosx", "__pycache__", "@eadir", "@recycle", "@recently-snapshot", "@tmp", "#recycle", "#snapshot",
        "$recycle.bin", "recycler", "system volume information", "lost+found", "thumbs.db", "ehthumbs.db",
        "desktop.ini", "icon\r",
    }
)  # fmt: skip
"""Names, in lower case, of files and folders that operating systems, file servers and archives create."""

HIDDEN = "hidden or system"
ABOVE = "link to a folder above it"
AGAIN = "link to what is there already"
SPECIAL = "neither file nor folder"
BARE = "no suffix"


@dataclass(frozen=True, kw_only=True)
class ImageFiles:
    """Image files below a folder, sorted by folder and name, and the skipped files counted by suffix or reason.

    ``folders``: the real path of every folder that was listed; ``links``: the real path of every file that is a link;
    ``has_links``: whether a link led to any file or folder.
    """

    paths: tuple[str, ...]
    skipped: Counter[str]
    folders: dict[str, str]
    links: dict[str, str]
    has_links: bool

    def real(self, path: str) -> str:
        """The path of an image file with all links resolved."""
        folder, name = os.path.split(path)
        return self.links.get(path) or os.path.join(self.folders[folder], name)


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden, or one of `SYSTEM`."""
    return name.startswith(".") or name.lower() in SYSTEM


def suffix_of(path: str) -> str:
    """The suffix in lower case, or `BARE`."""
    return os.path.splitext(path)[1].lower() or BARE


def image_files(folder: Path, field: str = "images") -> ImageFiles:
    """Every image file below ``folder``; ``field``: the field of the declaration that a refusal names.

    FileNotFoundError if a link is broken; ValueError if a folder cannot be listed.
    """
    walk = _Walk(field)
    walk.down(str(folder), os.path.realpath(folder), ())
    has_links = bool(walk.waiting)
    walk.follow()
    paths = tuple(sorted(walk.paths, key=os.path.split))
    return ImageFiles(paths=paths, skipped=walk.skipped, folders=walk.folders, links=walk.links, has_links=has_links)


def subfolders(folder: Path, field: str = "images") -> tuple[list[Path], Counter[str]]:
    """The folders directly in ``folder`` that may hold images, sorted, and the files beside them by suffix."""
    real, skipped = os.path.realpath(folder), Counter[str]()
    inside = []
    for entry in _entries(str(folder), field):
        if is_hidden(entry.name):
            skipped[HIDDEN] += 1
        elif not os.path.isdir(_target(entry, field)):
            skipped[suffix_of(entry.name)] += 1
        elif entry.is_symlink() and _is_above(_target(entry, field), (real,)):
            skipped[ABOVE] += 1
        else:
            inside.append(Path(entry.path))
    return inside, skipped


@dataclass
class _Walk:
    """A walk below a folder: first real files and folders, then the targets of links.

    ``seen``: real paths of the folders so far; ``taken``: real paths of the images, None until links are followed;
    ``waiting``: links to follow, with the real paths of the folders above each.
    """

    field: str
    paths: list[str] = new(default_factory=list)
    skipped: Counter[str] = new(default_factory=Counter)
    folders: dict[str, str] = new(default_factory=dict)
    links: dict[str, str] = new(default_factory=dict)
    seen: set[str] = new(default_factory=set)
    taken: set[str] | None = None
    waiting: deque[tuple[os.DirEntry[str], tuple[str, ...]]] = new(default_factory=deque)

    def down(self, folder: str, real: str, above: tuple[str, ...]) -> None:
        """List a folder; ``real``: its real path, ``above``: the real paths of the folders that led to it."""
        self.folders[folder] = real
        self.seen.add(real)
        inside = (*above, real)
        for entry in _entries(folder, self.field):
            if is_hidden(entry.name):
                self.skipped[HIDDEN] += 1
            elif entry.is_symlink():
                self.waiting.append((entry, inside))
            elif entry.is_dir():
                self._enter(entry.path, os.path.join(real, entry.name), inside)
            elif entry.is_file():
                self._take(entry.path, os.path.join(real, entry.name))
            else:
                self.skipped[SPECIAL] += 1

    def follow(self) -> None:
        """Follow the waiting links in order, and the links found behind them."""
        if not self.waiting:
            return
        self.taken = {os.path.join(self.folders[os.path.dirname(path)], os.path.basename(path)) for path in self.paths}
        while self.waiting:
            entry, above = self.waiting.popleft()
            target = _target(entry, self.field)
            if os.path.isdir(target):
                self._enter(entry.path, target, above)
            elif os.path.exists(target) and not os.path.isfile(target):
                self.skipped[SPECIAL] += 1
            elif self._take(entry.path, target):
                self.links[entry.path] = target

    def _enter(self, path: str, real: str, above: tuple[str, ...]) -> None:
        if _is_above(real, above):
            self.skipped[ABOVE] += 1
        elif real in self.seen:
            self.skipped[AGAIN] += 1
        else:
            self.down(path, real, above)

    def _take(self, path: str, real: str) -> bool:
        """Count a file; returns whether it is an image that was not taken before."""
        is_new = self.taken is None or real not in self.taken
        if suffix_of(path) not in SUFFIXES:
            self.skipped[suffix_of(path)] += 1
        elif not is_new:
            self.skipped[AGAIN] += 1
        else:
            self.paths.append(path)
            if self.taken is not None:
                self.taken.add(real)
            return True
        return False


def _entries(folder: str, field: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        reason = f"{folder} cannot be listed ({error.strerror})"
        raise ValueError(f"{field}: {reason}; allowed: folders that can be read") from error


def _target(entry: os.DirEntry[str], field: str) -> str:
    """The real path of a link's target, or the path of an entry that is no link.

    FileNotFoundError if the link is broken and its name could be that of an image or a folder.
    """
    if not entry.is_symlink():
        return entry.path
    target = os.path.realpath(entry.path)
    if not os.path.exists(target) and suffix_of(entry.name) in SUFFIXES | {BARE}:
        raise FileNotFoundError(f"{field}: {entry.path} is a link to {os.readlink(entry.path)}, which is not there")
    return target


def _is_above(folder: str, inside: tuple[str, ...]) -> bool:
    """Whether a folder is one of the folders ``inside``, or above one of them."""
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for path in inside)
