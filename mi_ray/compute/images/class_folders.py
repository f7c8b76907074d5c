"""Images sorted into class folders: which folders are official splits, which are classes, and the files of each.

A folder for training is recognised by its name, in any case, and so are validation and test beside it. Without one the
folders are classes. Where a layout could be either, it is refused: nothing is guessed.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
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
"""Names in a refusal before the rest is counted."""

WORDS = {"train": ("training", "train"), "validation": ("validation", "valid", "val"), "test": ("testing", "test")}
"""What a folder's name may hold beside other letters when it looks like a split."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One folder of class folders: the image files of each class, in the order of the classes."""

    folder: Path
    classes: tuple[ImageFiles, ...]

    def sizes(self) -> list[int]:
        """Images of each class."""
        return [len(one.paths) for one in self.classes]


@dataclass(frozen=True, kw_only=True)
class ClassFolders:
    """What was found below ``root``: parts by the name of their split (or domain), and what was left out.

    A folder without official splits has a single part, called ``train``.
    """

    root: Path
    classes: tuple[str, ...]
    parts: dict[str, Part]
    skipped: Counter[str]

    def files(self) -> list[str]:
        """Paths of all images: part by part, class by class."""
        return [path for part in self.parts.values() for one in part.classes for path in one.paths]


def some(names: Iterable[str], listed: int = LISTED) -> str:
    """The first few names, and how many more there are."""
    names = list(names)
    return ", ".join(names[:listed]) + (f" and {len(names) - listed} more" if len(names) > listed else "")


# Which folders are splits


def split_folders(name: str, root: Path) -> dict[str, Path]:
    """The official splits below ``root`` by name, ``train`` first; ``root`` itself as ``train`` where there are none.

    Validation without test is the test part. ValueError where a folder could be a split or a class.
    """
    folders, _ = subfolders(root, name)
    named = [(split_called(folder.name), folder) for folder in folders]
    official = [(split, folder) for split, folder in named if split]
    if not any(split == "train" for split, _ in official):
        _refuse_no_train(name, root, folders, [folder for _, folder in official])
        return {"train": root}
    _refuse_doubles(name, official)
    _refuse_neighbours(name, root, [folder for split, folder in named if not split], official)
    found = dict(official)
    order = {split: found[split] for split in SPLIT_NAMES if split in found}
    if "test" not in order and "validation" in order:
        order["test"] = order.pop("validation")
    return order


def split_called(folder: str) -> str:
    """The split that a folder's name stands for; '' if none."""
    return next((split for split, names in SPLIT_NAMES.items() if folder.lower() in names), "")


def _refuse_no_train(name: str, root: Path, folders: list[Path], official: list[Path]) -> None:
    if len(official) > 1 and len(official) == len(folders):
        listed = " and ".join(folder.name for folder in official)
        raise ValueError(f"{name}: {root} holds {listed}, but no folder for training; allowed: train beside them")
    _refuse_likenesses(name, root, [folder.name for folder in folders])


def _refuse_likenesses(name: str, root: Path, folders: list[str]) -> None:
    if alike := _alike(folders):
        raise ValueError(
            f"{name}: {root} holds {' and '.join(sorted(alike.values()))}, which could be splits or classes; allowed:"
            f" splits named {' and '.join(sorted(alike))}, or classes inside one folder named train"
        )


def _alike(folders: Iterable[str]) -> dict[str, str]:
    """Folders by split whose names differ in the word for it alone, such as ``seg_train`` and ``seg_test``, one of them
    for training; empty where there are none."""
    shapes: dict[str, dict[str, str]] = {}
    for folder in folders:
        for split, words in WORDS.items():
            for shape in {re.sub(word, "*", folder.lower(), count=1) for word in words if word in folder.lower()}:
                shapes.setdefault(shape, {})[split] = folder
    return next((alike for alike in shapes.values() if "train" in alike and len(alike) > 1), {})


def _refuse_doubles(name: str, official: list[tuple[str, Path]]) -> None:
    for split, count in Counter(split for split, _ in official).items():
        if count > 1:
            listed = " and ".join(str(folder) for one, folder in official if one == split)
            raise ValueError(f"{name}: {listed} are both {split}; allowed: one folder of each split")


def _refuse_neighbours(name: str, root: Path, others: list[Path], official: list[tuple[str, Path]]) -> None:
    """Refuse folders with images beside official splits: they could be classes, or parts that would go unread."""
    filled = [folder.name for folder in others if image_files(folder, name).paths]
    if filled:
        splits = ", ".join(folder.name for _, folder in official)
        raise ValueError(
            f"{name}: {root} holds {splits} and, beside them, {some(filled)}; allowed: splits alone"
            f" ({', '.join(names for every in SPLIT_NAMES.values() for names in every)}), or classes inside one folder"
            " named train"
        )


# What is in them


def class_folders(name: str, root: Path, parts: Mapping[str, Path], classes: tuple[str, ...] = ()) -> ClassFolders:
    """The images of each class (of ``classes``, or of all) in each part.

    FileNotFoundError names classes without images; ValueError classes that are fewer than two, not those of every part,
    divided into splits themselves, or that share a file.
    """
    inside = {part: subfolders(folder, name) for part, folder in parts.items()}
    classes = classes or _classes(name, parts, {part: [one.name for one in inside[part][0]] for part in parts})
    read = {
        part: Part(folder=folder, classes=tuple(image_files(folder / one, name) for one in classes))
        for part, folder in parts.items()
    }
    skipped = _beside(name, root, parts) + sum((beside for _, beside in inside.values()), Counter[str]())
    skipped += sum((one.skipped for part in read.values() for one in part.classes), Counter[str]())
    _refuse_empty(name, classes, read)
    _refuse_splits_inside(name, classes, read)
    _refuse_shared(name, root, classes, read)
    return ClassFolders(root=root, classes=classes, parts=read, skipped=skipped)


def _beside(name: str, root: Path, parts: Mapping[str, Path]) -> Counter[str]:
    """Files that lie beside the parts of a ``folder``, or in folders beside them that hold no images."""
    if name != "folder" or list(parts.values()) == [root]:
        return Counter()
    folders, skipped = subfolders(root, name)
    others = [folder for folder in folders if folder not in parts.values()]
    return skipped + sum((image_files(folder, name).skipped for folder in others), Counter[str]())


def _classes(name: str, parts: Mapping[str, Path], inside: Mapping[str, list[str]]) -> tuple[str, ...]:
    """Names of the class folders, sorted; ValueError when they are fewer than two or not those of every part."""
    (first, known), *others = inside.items()
    if len(known) < 2:
        named = f" ({known[0]})" if known else ""
        raise ValueError(f"{name}: {parts[first]} holds {len(known)} class folders{named}; at least 2 are needed")
    for part, those in others:
        if odd := sorted({*known} ^ {*those}):
            raise ValueError(
                f"{name}: only one of {parts[first]} and {parts[part]} has {some(odd)}; both need every class"
            )
    return tuple(sorted(known))


def _refuse_empty(name: str, classes: tuple[str, ...], parts: dict[str, Part]) -> None:
    empty = [
        f"{part.folder / one}{_left_out(files)}"
        for part in parts.values()
        for one, files in zip(classes, part.classes, strict=True)
        if not files.paths
    ]
    if empty:
        raise FileNotFoundError(f"{name}: no images in {some(empty)}; allowed: {', '.join(sorted(SUFFIXES))}")


def _left_out(files: ImageFiles) -> str:
    return f" (skipped: {counted(files.skipped)})" if files.skipped else ""


def counted(skipped: Mapping[str, int]) -> str:
    """What was left out, such as ``12 .heic, 3 hidden or system``, most first."""
    return ", ".join(f"{n} {kind}" for kind, n in sorted(skipped.items(), key=lambda one: (-one[1], one[0])))


def _refuse_splits_inside(name: str, classes: tuple[str, ...], parts: dict[str, Part]) -> None:
    """Refuse classes that are divided into splits themselves, at any depth, and would be mixed up; and a class that
    holds other classes once more, as a ``test`` does that lies beside the classes of training."""
    for part in parts.values():
        for one, files in zip(classes, part.classes, strict=True):
            root = str(part.folder / one)
            inside = _folders_inside(root, files)
            for folder, below in inside.items():
                named = {split: each for each in sorted(below) if (split := split_called(each))}
                if splits := named if "train" in named and len(named) > 1 else _alike(sorted(below)):
                    listed = " and ".join(sorted(splits.values()))
                    raise ValueError(
                        f"{name}: {folder} holds {listed}; allowed: splits above the classes, as in train/{one}"
                    )
            again = inside.get(root, set()) & ({*classes} - {one})
            if len(again) > 1:
                raise ValueError(
                    f"{name}: {root} holds {some(sorted(again))} again, which are classes beside it; allowed: each"
                    " class once, or once in every split, as in train/ and test/"
                )


def _folders_inside(root: str, files: ImageFiles) -> dict[str, set[str]]:
    """Folders that hold images, at any depth below ``root``, by the folder that they lie in."""
    inside: dict[str, set[str]] = {}
    for folder in {os.path.dirname(path) for path in files.paths}:
        while folder != root:
            above, name = os.path.split(folder)
            inside.setdefault(above, set()).add(name)
            folder = above
    return inside


def _refuse_shared(name: str, root: Path, classes: tuple[str, ...], parts: dict[str, Part]) -> None:
    """Refuse a file that links put into two classes or two parts: it would be trained on and tested."""
    if not any(_has_links(root, part) for part in parts.values()):
        return
    places: dict[str, str] = {}
    for part in parts.values():
        for files in part.classes:
            for path in files.paths:
                first = places.setdefault(files.real(path), path)
                if first != path:
                    both = " and ".join(os.path.relpath(one, root) for one in (first, path))
                    raise ValueError(f"{name}: {both} are one file; allowed: one class and one split for every file")


def _has_links(root: Path, part: Part) -> bool:
    """Whether a link leads to the part, to one of its classes, or to anything in them."""
    below = os.path.realpath(root)
    return any(
        files.has_links or real != os.path.normpath(os.path.join(below, os.path.relpath(folder, root)))
        for files in part.classes
        for folder, real in list(files.folders.items())[:1]
    )
