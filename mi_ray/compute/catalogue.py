"""Catalogues of labelled photographs: what must be on disk for a data set, and the classes of the images that are.

torchvision lists and reads the files; nothing is ever downloaded. Files in class folders are opened when asked for.
scikit-learn's handwritten digits need no files: they come with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

import numpy as np
from jaxtyping import Int64
from PIL import Image

from mi_ray.compute.choices import DOMAINS, Arrays, Dataset, Trees

Name = Dataset


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Every image of a data set before its pixels are read; the last ``n_test`` are its official test part.

    ``values``: names of each attribute's values, classes first; ``name``: of an image, for people.
    """

    read: Callable[[int], Image.Image]
    name: Callable[[int], str]
    attributes: Int64[np.ndarray, "n attributes"]
    values: tuple[tuple[str, ...], ...]
    n_test: int


# What must be on disk


def missing(name: Name, root: Path | None = None, class_list: Path | None = None) -> list[str]:
    """Files and folders/ that `load` needs and that are not there; opens the class list alone and imports no torch.

    None for ``digits``, whatever the root. ValueError when the root of another data set is lacking, or a class list is
    lacking, superfluous, empty or repeats a class.
    """
    if (name == "imagenet-100") != (class_list is not None):
        raise ValueError(
            f"class_list: {class_list} is not allowed for {name}; allowed: a file of wnids for imagenet-100"
        )
    if class_list is not None and not class_list.is_file():
        return [str(class_list)]
    expected = [f"{_root(name, root)}/{place}" for place in _expected(name, class_list)]
    return [path for path in expected if not (Path(path).is_dir() if path.endswith("/") else Path(path).is_file())]


def _root(name: Name, root: Path | None) -> Path:
    if root is None:
        raise ValueError(f"root: None is not allowed for {name}; allowed: the folder that holds it")
    return root


def _expected(name: Name, class_list: Path | None) -> list[str]:
    """Places below the root, as torchvision names them; a folder ends in a slash."""
    match name:
        case "cifar-10":
            batches = [f"data_batch_{i}" for i in range(1, 6)]
            return [f"cifar-10-batches-py/{file}" for file in (*batches, "test_batch", "batches.meta")]
        case "cifar-100":
            return [f"cifar-100-python/{file}" for file in ("train", "test", "meta")]
        case "stl-10":
            arrays = ("train_X", "train_y", "test_X", "test_y")
            return [f"stl10_binary/{file}" for file in (*(f"{array}.bin" for array in arrays), "class_names.txt")]
        case "mnist":
            kinds = ("images-idx3", "labels-idx1")
            return [f"MNIST/raw/{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in kinds]
        case "imagenet-1k":
            return ["train/", "val/"]
        case "imagenet-100":
            return [f"{part}/{wnid}/" for part in ("train", "val") for wnid in _wnids(class_list)]
        case "pacs":
            return [f"{domain}/" for domain in DOMAINS]
        case "folder":
            return [""]
        case "digits":
            return []
        case _:
            assert_never(name)


def _wnids(class_list: Path | None) -> tuple[str, ...]:
    """The class list's wnids, sorted; it separates them by spaces or lines."""
    assert class_list is not None
    wnids = class_list.read_text().split()
    if not wnids or len(set(wnids)) < len(wnids):
        raise ValueError(f"class_list: {class_list} is empty or repeats a wnid; allowed: distinct wnids")
    return tuple(sorted(wnids))


def _refuse_missing(name: Name, root: Path | None, class_list: Path | None) -> None:
    absent = missing(name, root, class_list)
    if absent:
        listed = f"; the classes are those of {class_list}" if class_list else ""
        raise FileNotFoundError(f"{name}: expected {_some(absent)}, not found{listed}")


def _some(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


# What is in it


def catalogue_of(name: Name, root: Path | None = None, class_list: Path | None = None) -> Catalogue:
    """List the data set ``name`` below ``root``, which ``digits`` ignores.

    FileNotFoundError names what is missing; ValueError a corrupt file, or classes that do not fit.
    """
    _refuse_missing(name, root, class_list)
    return _digits() if name == "digits" else _on_disk(name, _root(name, root), class_list)


def _digits() -> Catalogue:
    """The 1797 handwritten digits, 8x8, that scikit-learn ships; ink of 0..16 becomes 0..255. No test part."""
    from sklearn.datasets import load_digits

    data = load_digits()
    pixels = np.rint(data.images * (255 / 16)).astype(np.uint8)
    names = tuple(map(str, data.target_names))

    def read(i: int) -> Image.Image:
        return Image.fromarray(pixels[i]).convert("RGB")

    return Catalogue(read, numbered("digits"), data.target[:, None], (names,), 0)


def numbered(name: str) -> Callable[[int], str]:
    """Names of images that are no files of their own, such as ``digits image 17``."""
    return f"{name} image {{}}".format


def _on_disk(name: Arrays | Trees, root: Path, class_list: Path | None) -> Catalogue:
    match name:
        case "cifar-10" | "cifar-100" | "stl-10" | "mnist":
            return _arrays(name, root)
        case "imagenet-1k":
            return _tree(name, root, [root / "train", root / "val"])
        case "imagenet-100":
            return _tree(name, root, [root / "train", root / "val"], _wnids(class_list))
        case "folder":
            tests = [root / part for part in ("test", "val") if (root / part).is_dir() and (root / "train").is_dir()]
            return _tree(name, root, [root / "train", tests[0]] if tests else [root])
        case "pacs":
            return _pacs(root, [root / domain for domain in DOMAINS])
        case _:
            assert_never(name)


def _arrays(name: Arrays, root: Path) -> Catalogue:
    """A data set kept in a few big files, which torchvision checks before it unpickles them (but not MNIST's)."""
    try:
        train, test = _torchvision(name, root)
    except (RuntimeError, ValueError, TypeError, KeyError, AssertionError) as error:
        raise ValueError(f"{name}: a file under {root} is corrupt, says torchvision ({error!r})") from error
    labels = [np.asarray(part.labels if name == "stl-10" else part.targets, np.int64) for part in (train, test)]
    both, classes = train + test, np.concatenate(labels)
    if [len(part) for part in labels] != [len(train), len(test)] or classes.max() >= len(train.classes):
        raise ValueError(f"{name}: a file under {root} is corrupt: the labels do not fit the images")

    def read(i: int) -> Image.Image:
        return both[i][0].convert("RGB")

    return Catalogue(read, numbered(name), classes[:, None], (tuple(train.classes),), len(test))


def _torchvision(name: Arrays, root: Path) -> tuple[Any, Any]:
    """The official training and test part."""
    from torchvision import datasets

    match name:
        case "cifar-10":
            return datasets.CIFAR10(root, train=True), datasets.CIFAR10(root, train=False)
        case "cifar-100":
            return datasets.CIFAR100(root, train=True), datasets.CIFAR100(root, train=False)
        case "stl-10":

            class Labelled(datasets.STL10):
                train_list = datasets.STL10.train_list[:2]  # without the 2.8 GB of unlabelled images

            return Labelled(root, split="train"), Labelled(root, split="test")
        case "mnist":
            return datasets.MNIST(root, train=True), datasets.MNIST(root, train=False)
        case _:
            assert_never(name)


def _tree(name: Name, root: Path, parts: list[Path], classes: tuple[str, ...] = ()) -> Catalogue:
    """Image files in class folders (``classes``, or all) below ``parts``; the second part, if any, is the test part."""
    classes = classes or _classes(name, parts)
    files = _samples(name, parts, classes)
    labels = np.array([label for part in files for _, label in part])
    n_test = len(files[1]) if len(files) == 2 else 0
    return Catalogue(_reader(name, files), _paths_below(root, files), labels[:, None], (classes,), n_test)


def _pacs(root: Path, parts: list[Path]) -> Catalogue:
    classes = _classes("pacs", parts)
    files = _samples("pacs", parts, classes)
    attributes = np.array([(label, domain) for domain, part in enumerate(files) for _, label in part])
    return Catalogue(_reader("pacs", files), _paths_below(root, files), attributes, (classes, DOMAINS), 0)


def _classes(name: Name, parts: list[Path]) -> tuple[str, ...]:
    """Names of the class folders, sorted; ValueError when they are fewer than two or not those of every part."""
    first, *others = [{entry.name for entry in part.iterdir() if entry.is_dir()} for part in parts]
    if len(first) < 2:
        raise ValueError(f"{name}: {parts[0]} holds {len(first)} class folders; at least 2 are needed")
    for part, those in zip(parts[1:], others, strict=True):
        if those != first:
            odd = _some(sorted(first ^ those))
            raise ValueError(f"{name}: only one of {parts[0]} and {part} has {odd}; both need every class")
    return tuple(sorted(first))


def _samples(name: Name, parts: list[Path], classes: tuple[str, ...]) -> list[list[tuple[str, int]]]:
    """Paths and class indices of each part, sorted; FileNotFoundError names a class without images."""
    from torchvision.datasets.folder import IMG_EXTENSIONS, make_dataset

    try:
        return [make_dataset(part, {one: i for i, one in enumerate(classes)}, IMG_EXTENSIONS) for part in parts]
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{name}: {' or '.join(map(str, parts))}: {error}") from error


def _paths_below(root: Path, files: list[list[tuple[str, int]]]) -> Callable[[int], str]:
    paths = [path for part in files for path, _ in part]
    return lambda i: Path(paths[i]).relative_to(root).as_posix()


def _reader(name: Name, files: list[list[tuple[str, int]]]) -> Callable[[int], Image.Image]:
    from torchvision.datasets.folder import pil_loader

    paths = [path for part in files for path, _ in part]

    def read(i: int) -> Image.Image:
        try:
            return pil_loader(paths[i])
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ValueError(f"{name}: {paths[i]} cannot be decoded ({error}); allowed: intact images") from error

    return read
