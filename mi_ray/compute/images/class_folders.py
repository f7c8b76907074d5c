"""Images sorted into class folders: which folders are official splits, which are classes, and the files of each.

A folder for training is recognised by its name, in any case, and so are validation and test beside it. Without a folder
for training, all folders are classes. A layout that could be read either way is refused.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mi_ray.compute.images.image_files import SUFFIXES, ImageFiles, image_files, subfolders

SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""Names of official splits, in any case."""

LISTED = 5
"""Names that a refusal lists; it counts the rest."""

WORDS = {"train": ("training", "train"), "validation": ("validation", "valid", "val"), "test": ("testing", "test")}
"""Words by which a longer name of a folder, such as ``seg_train``, looks like the name of a split."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One folder of class folders: the image files of each class, in the order of the classes."""

    folder: Path
    classes: tuple[ImageFiles, ...]

    def sizes(self) -> list[int]:
        """Images of each class."""
        return [len(files.paths) for files in self.classes]


@dataclass(frozen=True, kw_only=True)
class ClassFolders:
    """The class folders of the data set ``name`` below ``root``: parts by the name of their split (or domain), and the
    files that were skipped, counted by suffix or reason.

    A folder without official splits has a single part, called ``train``.
    """

    name: str
    root: Path
    classes: tuple[str, ...]
    parts: dict[str, Part]
    skipped: Counter[str]

    def files(self) -> list[str]:
        """Paths of all images: part by part, class by class."""
        return [path for part in self.parts.values() for files in part.classes for path in files.paths]

    def of_classes(self) -> Iterator[tuple[str, Path, ImageFiles]]:
        """The name, the folder and the files of each class in each part."""
        for part in self.parts.values():
            for label, files in zip(self.classes, part.classes, strict=True):
                yield label, part.folder / label, files

    def refuse_empty(self) -> None:
        """Raise FileNotFoundError if a class folder has no images; it names the folders and counts skipped files."""
        empty = [
            f"{folder}{f' (skipped: {counted(files.skipped)})' if files.skipped else ''}"
            for _, folder, files in self.of_classes()
            if not files.paths
        ]
        if empty:
            raise FileNotFoundError(f"{self.name}: no images in {some(empty)}; allowed: {', '.join(sorted(SUFFIXES))}")

    def refuse_splits_inside(self) -> None:
        """Raise ValueError if a class folder contains splits at any depth, whose images would be mixed; or if it
        contains folders of the other classes, as a ``test`` folder beside training classes does."""
        for label, root, files in self.of_classes():
            inside = folders_inside(str(root), files)
            for folder, below in inside.items():
                named = {split: name for name in sorted(below) if (split := split_called(name))}
                if splits := named if "train" in named and len(named) > 1 else _named_like_splits(sorted(below)):
                    listed = " and ".join(sorted(splits.values()))
                    raise ValueError(
                        f"{self.name}: {folder} holds {listed}; allowed: splits above the classes, as in train/{label}"
                    )
            again = inside.get(str(root), set()) & ({*self.classes} - {label})
            if len(again) > 1:
                raise ValueError(
                    f"{self.name}: {root} holds {some(sorted(again))} again, which are classes beside it; allowed: each"
                    " class once, or once in every split, as in train/ and test/"
                )

    def refuse_shared(self) -> None:
        """Raise ValueError if links put one file into two classes or two parts: it could be a training and a test
        image."""
        if not self.has_links():
            return
        places: dict[str, str] = {}
        for _, _, files in self.of_classes():
            for path in files.paths:
                first = places.setdefault(files.real(path), path)
                if first != path:
                    both = " and ".join(os.path.relpath(place, self.root) for place in (first, path))
                    raise ValueError(
                        f"{self.name}: {both} are one file; allowed: one class and one split for every file"
                    )

    def has_links(self) -> bool:
        """Whether a part, a class folder, or any file or folder inside a class folder is a symbolic link."""
        real_root = os.path.realpath(self.root)
        for _, _, files in self.of_classes():
            folder, real = next(iter(files.folders.items()))
            if files.has_links or real != os.path.normpath(os.path.join(real_root, os.path.relpath(folder, self.root))):
                return True
        return False


def folders_inside(root: str, files: ImageFiles) -> dict[str, set[str]]:
    """For each folder at or below ``root``, the names of its folders that hold images at any depth."""
    inside: dict[str, set[str]] = {}
    for folder in {os.path.dirname(path) for path in files.paths}:
        while folder != root:
            above, name = os.path.split(folder)
            inside.setdefault(above, set()).add(name)
            folder = above
    return inside


def counted(skipped: Mapping[str, int]) -> str:
    """Counts of skipped files, such as ``12 .heic, 3 hidden or system``, largest first."""
    return ", ".join(f"{n} {kind}" for kind, n in sorted(skipped.items(), key=lambda item: (-item[1], item[0])))


def some(names: Iterable[str], listed: int = LISTED) -> str:
    """The first ``listed`` names, and the number of further ones."""
    names = list(names)
    return ", ".join(names[:listed]) + (f" and {len(names) - listed} more" if len(names) > listed else "")


# Which folders are splits


def split_folders(name: str, root: Path) -> dict[str, Path]:
    """The folders of the official splits below ``root`` by split, ``train`` first; if none exists, ``root`` itself is
    ``train``.

    A validation folder without a test folder becomes ``test``. ValueError if a folder could be a split or a class.
    """
    folders, _ = subfolders(root, name)
    called = {folder: split_called(folder.name) for folder in folders}
    official = [(split, folder) for folder, split in called.items() if split]
    if not any(split == "train" for split, _ in official):
        _refuse_without_train(name, root, folders, [folder for _, folder in official])
        return {"train": root}
    for split, count in Counter(split for split, _ in official).items():
        if count > 1:
            listed = " and ".join(str(folder) for other, folder in official if other == split)
            raise ValueError(f"{name}: {listed} are both {split}; allowed: one folder of each split")
    # folders with images beside official splits could be classes, or parts that would go unread
    filled = [folder.name for folder, split in called.items() if not split and image_files(folder, name).paths]
    if filled:
        raise ValueError(
            f"{name}: {root} holds {', '.join(folder.name for _, folder in official)} and, beside them, {some(filled)};"
            f" allowed: splits alone ({', '.join(word for words in SPLIT_NAMES.values() for word in words)}),"
            " or classes inside one folder named train"
        )
    by_split = dict(official)
    ordered = {split: by_split[split] for split in SPLIT_NAMES if split in by_split}
    if "test" not in ordered and "validation" in ordered:
        ordered["test"] = ordered.pop("validation")
    return ordered


def split_called(folder: str) -> str:
    """The split that a folder's name stands for; "" if it stands for none."""
    return next((split for split, names in SPLIT_NAMES.items() if folder.lower() in names), "")


def _refuse_without_train(name: str, root: Path, folders: list[Path], official: list[Path]) -> None:
    """Raise ValueError if no folder is named train but the names still look like names of splits."""
    if len(official) > 1 and len(official) == len(folders):
        listed = " and ".join(folder.name for folder in official)
        raise ValueError(f"{name}: {root} holds {listed}, but no folder for training; allowed: train beside them")
    if splits := _named_like_splits(folder.name for folder in folders):
        raise ValueError(
            f"{name}: {root} holds {' and '.join(sorted(splits.values()))}, which could be splits or classes; allowed:"
            f" splits named {' and '.join(sorted(splits))}, or classes inside one folder named train"
        )


def _named_like_splits(folders: Iterable[str]) -> dict[str, str]:
    """Folders by split whose names differ only in the word for the split, such as ``seg_train`` and ``seg_test``; empty
    unless a training folder is among them."""
    patterns: dict[str, dict[str, str]] = {}
    for folder in folders:
        for split, words in WORDS.items():
            for pattern in {re.sub(word, "*", folder.lower(), count=1) for word in words if word in folder.lower()}:
                patterns.setdefault(pattern, {})[split] = folder
    return next((by_split for by_split in patterns.values() if "train" in by_split and len(by_split) > 1), {})


# Classes and their files


def class_folders(
    name: str, root: Path, parts: Mapping[str, Path], classes: tuple[str, ...] = (), *, counts_beside: bool = False
) -> ClassFolders:
    """The images of each class (of ``classes``, or of all) in each part.

    ``counts_beside``: whether files beside the parts, or in folders beside them that hold no images, are counted as
    skipped. FileNotFoundError if a class has no images; ValueError if there are fewer than two classes, if a part lacks
    one, if a class folder contains splits, or if two classes share a file.
    """
    inside = {part: subfolders(folder, name) for part, folder in parts.items()}
    classes = classes or _common_classes(
        name, {parts[part]: [folder.name for folder in folders] for part, (folders, _) in inside.items()}
    )
    read = {
        part: Part(folder=folder, classes=tuple(image_files(folder / label, name) for label in classes))
        for part, folder in parts.items()
    }
    skipped = [beside for _, beside in inside.values()]
    skipped += [files.skipped for part in read.values() for files in part.classes]
    if counts_beside and list(parts.values()) != [root]:
        folders, files_beside = subfolders(root, name)
        skipped += [files_beside]
        skipped += [image_files(folder, name).skipped for folder in folders if folder not in parts.values()]
    result = ClassFolders(name=name, root=root, classes=classes, parts=read, skipped=sum(skipped, Counter[str]()))
    result.refuse_empty()
    result.refuse_splits_inside()
    result.refuse_shared()
    return result


def _common_classes(name: str, inside: Mapping[Path, list[str]]) -> tuple[str, ...]:
    """Names of the class folders, sorted; ValueError if there are fewer than two or a part lacks any of them.

    ``inside``: the names in the folder of each part.
    """
    (first, known), *others = inside.items()
    if len(known) < 2:
        named = f" ({known[0]})" if known else ""
        raise ValueError(f"{name}: {first} holds {len(known)} class folders{named}; at least 2 are needed")
    for folder, names in others:
        if odd := sorted({*known} ^ {*names}):
            raise ValueError(f"{name}: only one of {first} and {folder} has {some(odd)}; both need every class")
    return tuple(sorted(known))
