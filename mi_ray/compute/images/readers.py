"""Readers of labelled data sets, one for each form of storage: large files that torchvision reads, class folders, and
arrays that come with a package. Nothing is ever downloaded.

A reader gives the paths that must exist below the root of a data set and the files that it reads, and lists the images
as a `Catalogue` before their pixels are decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Int64
from PIL import Image

from mi_ray.compute.images.class_folders import ClassFolders, class_folders, split_folders
from mi_ray.compute.images.decode import WHITE, read_image, to_rgb
from mi_ray.compute.numerics.regular_files import read_text, size_of, unreadable

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The list of all images of a data set, whose pixels are not decoded yet: first the training images, then the
    ``n_validation`` images of the official validation part, then the ``n_test`` images of the official test part.

    ``read(i)`` returns image i as upright RGB, ``name(i)`` its name for people. ``values``: the names of each
    attribute's values; the first attribute is the class. ``root``: the folder that image i is the file ``name(i)`` of;
    None if images have no files of their own.
    """

    read: Callable[[int], Image.Image]
    name: Callable[[int], str]
    attributes: Int64[np.ndarray, "n attributes"]
    values: tuple[tuple[str, ...], ...]
    n_validation: int
    n_test: int
    root: Path | None = None


def numbered(name: str) -> Callable[[int], str]:
    """A function from an index to the name of an image that has no file of its own, such as ``digits image 17``."""
    return f"{name} image {{}}".format


@dataclass(frozen=True, kw_only=True)
class LargeFiles:
    """A few large ``files`` below the root, of which torchvision makes a training and a test part.

    ``parts``: a function that opens both parts; ``labels``: the name of a part's attribute that holds its labels;
    ``most``: bytes of the largest file, since torchvision reads each as a whole.
    """

    files: tuple[str, ...]
    parts: Callable[[Path], tuple[Any, Any]]
    labels: str = "targets"
    most: int = 250_000_000

    def expected(self, class_list: Path | None) -> list[str]:
        """The paths below the root that must exist."""
        return list(self.files)

    def files_of(self, name: str, root: Path, class_list: Path | None) -> list[Path]:
        """The files that the images are read from."""
        return [root / file for file in self.files]

    def opened(self, name: str, root: Path) -> tuple[Any, Any]:
        """Both parts; ValueError as in `read`."""
        return self.read(name, root, self.parts)

    def read(self, name: str, root: Path, parts: Callable[[Path], T]) -> T:
        """What ``parts`` opens; ValueError if a file is corrupt, too large, or no file that can be read.

        torchvision verifies the files of the sets that it unpickles before it does.
        """
        self._refuse_odd(name, root)
        try:
            return parts(root)
        except (RuntimeError, ValueError, TypeError, KeyError, AssertionError, OSError) as error:
            raise ValueError(f"{name}: a file under {root} is corrupt, says torchvision ({error!r})") from error

    def _refuse_odd(self, name: str, root: Path) -> None:
        """Raise ValueError if a file is too large, no regular file, or out of reach."""
        for path in (root / file for file in self.files):
            try:
                size = size_of(path)
            except OSError as error:
                raise unreadable(name, path, error) from error
            if size > self.most:
                raise ValueError(f"{name}: {path} has {size:,} bytes; allowed: at most {self.most:,}")

    def catalogue(self, name: str, root: Path, class_list: Path | None, matte: str) -> Catalogue:
        """List the images; ValueError as in `opened`."""
        train, test = self.opened(name, root)
        labels = [np.asarray(getattr(part, self.labels), np.int64) for part in (train, test)]
        both, classes = train + test, np.concatenate(labels)
        if [len(part) for part in labels] != [len(train), len(test)] or classes.max() >= len(train.classes):
            raise ValueError(f"{name}: a file under {root} is corrupt: the labels do not fit the images")

        def read(i: int) -> Image.Image:
            return to_rgb(both[i][0])

        return Catalogue(read, numbered(name), classes[:, None], (tuple(train.classes),), 0, len(test))


@dataclass(frozen=True, kw_only=True)
class ClassTree:
    """Image files in class folders. ``folders``: the folder below the root of each official split, or of each domain;
    if empty, `split_folders` recognises the splits by their names.

    ``domains``: names of the domains, a second attribute, where the folders are domains and not splits;
    ``needs_class_list``: whether a file lists the classes to be read.
    """

    folders: Mapping[str, str] = field(default_factory=dict)
    domains: tuple[str, ...] = ()
    needs_class_list: bool = False

    def expected(self, class_list: Path | None) -> list[str]:
        """The paths below the root that must exist; that of a folder ends in a slash. Reads the class list, if any."""
        if class_list is not None:
            return [f"{folder}/{wnid}/" for folder in self.folders.values() for wnid in wnids(class_list)]
        return [f"{folder}/" for folder in self.folders.values()] or [""]

    def files_of(self, name: str, root: Path, class_list: Path | None) -> list[Path]:
        """The class list, if any, and the image files."""
        listed = [class_list] if class_list else []
        return listed + [Path(path) for path in self.found(name, root, class_list).files()]

    def found(self, name: str, root: Path, class_list: Path | None) -> ClassFolders:
        """The class folders, listed without opening an image; ValueError if the layout is ambiguous."""
        if not self.folders:
            return class_folders(name, root, split_folders(name, root), counts_beside=True)
        classes = wnids(class_list) if class_list else ()
        return class_folders(name, root, {part: root / folder for part, folder in self.folders.items()}, classes)

    def catalogue(self, name: str, root: Path, class_list: Path | None, matte: str) -> Catalogue:
        """List the images; transparent pixels become ``matte``."""
        return of_files(name, self.found(name, root, class_list), by_domain=bool(self.domains), matte=matte)


def of_files(name: str, folders: ClassFolders, *, by_domain: bool, matte: str = WHITE) -> Catalogue:
    """List the image files of class folders, whose parts are official splits or, ``by_domain``, a second attribute."""
    paths = folders.files()
    sizes = {part: classes.sizes() for part, classes in folders.parts.items()}
    n = {split: 0 if by_domain else sum(sizes.get(split, [])) for split in ("validation", "test")}
    labels = np.concatenate([np.repeat(np.arange(len(folders.classes)), size) for size in sizes.values()])
    domains = np.repeat(np.arange(len(sizes)), [sum(size) for size in sizes.values()])
    attributes = np.stack([labels, domains], axis=1) if by_domain else labels[:, None]
    values = (folders.classes, tuple(folders.parts)) if by_domain else (folders.classes,)

    def read(i: int) -> Image.Image:
        return read_image(Path(paths[i]), name, matte)

    def name_of(i: int) -> str:
        return Path(paths[i]).relative_to(folders.root).as_posix()

    return Catalogue(read, name_of, attributes, values, n["validation"], n["test"], folders.root)


MOST_OF_LIST = 10_000_000
"""Bytes of the longest class list."""


def wnids(class_list: Path) -> tuple[str, ...]:
    """The names of class folders (wnids) in a class list, sorted; ValueError if the list is empty, repeats a name,
    holds the path of another folder, or is no text that can be read.

    Whitespace separates the names.
    """
    names = read_text(class_list, "class_list", MOST_OF_LIST).split()
    if not names or len(set(names)) < len(names):
        raise ValueError(f"class_list: {class_list} is empty or repeats a wnid; allowed: distinct wnids")
    for name in names:
        if "/" in name or "\0" in name or name in (".", ".."):
            raise ValueError(f"class_list: {class_list} holds {name[:60]!r}; allowed: names of folders, as n01440764")
    return tuple(sorted(names))


@dataclass(frozen=True, kw_only=True)
class PackagedArrays:
    """Images that are part of a package, so that no root is needed and no file is read. ``arrays`` returns the images,
    uint8 [n, height, width], their class indices, int64 [n], and the names of the classes. There is no test part."""

    arrays: Callable[[], tuple[np.ndarray, np.ndarray, tuple[str, ...]]]

    def expected(self, class_list: Path | None) -> list[str]:
        """No path: the images are part of the package."""
        return []

    def files_of(self, name: str, root: Path, class_list: Path | None) -> list[Path]:
        """No file: the images are part of the package."""
        return []

    def catalogue(self, name: str, root: Path | None, class_list: Path | None, matte: str) -> Catalogue:
        """List the images, whatever the root."""
        pixels, labels, classes = self.arrays()

        def read(i: int) -> Image.Image:
            return to_rgb(Image.fromarray(pixels[i]))

        return Catalogue(read, numbered(name), labels[:, None], (classes,), 0, 0)


Reader = LargeFiles | ClassTree | PackagedArrays
