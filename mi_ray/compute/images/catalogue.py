"""Catalogues of labelled photographs: what must be on disk for a data set, and the classes of the images that are.

torchvision reads data sets that are kept in a few big files, `class_folders` lists the others, whose images are opened
when asked for; nothing is ever downloaded. scikit-learn's handwritten digits need no files: they come with it.
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
from mi_ray.compute.images.class_folders import ClassFolders, class_folders, some, split_folders
from mi_ray.compute.images.decode import WHITE, read_image, to_rgb

Name = Dataset


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Every image of a data set before its pixels are read, as upright RGB: those for training, then the
    ``n_validation`` of its official validation part, then the ``n_test`` of its official test part.

    ``values``: names of each attribute's values, classes first; ``name``: of an image, for people.
    """

    read: Callable[[int], Image.Image]
    name: Callable[[int], str]
    attributes: Int64[np.ndarray, "n attributes"]
    values: tuple[tuple[str, ...], ...]
    n_validation: int
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
        raise FileNotFoundError(f"{name}: expected {some(absent)}, not found{listed}")


# What is in it


def found_in(name: Trees, root: Path, class_list: Path | None = None) -> ClassFolders:
    """The class folders of a data set, without opening an image.

    FileNotFoundError names what is missing; ValueError a layout that is none, or could be two.
    """
    _refuse_missing(name, root, class_list)
    match name:
        case "imagenet-1k" | "imagenet-100":
            classes = _wnids(class_list) if name == "imagenet-100" else ()
            return class_folders(name, root, {"train": root / "train", "test": root / "val"}, classes)
        case "folder":
            return class_folders(name, root, split_folders(name, root))
        case "pacs":
            return class_folders(name, root, {domain: root / domain for domain in DOMAINS})
        case _:
            assert_never(name)


def files_of(name: Name, root: Path, class_list: Path | None = None) -> list[Path]:
    """The files that a data set is read from, in the order in which they are read; none for ``digits``.

    torchvision reads what it once wrote beside MNIST's own files, if that is there.
    """
    match name:
        case "imagenet-1k" | "imagenet-100" | "folder" | "pacs":
            listed = [class_list] if class_list else []
            return listed + [Path(path) for path in found_in(name, root, class_list).files()]
        case "cifar-10" | "cifar-100" | "stl-10" | "mnist" | "digits":
            older = sorted((root / "MNIST" / "processed").glob("*.pt")) if name == "mnist" else []
            return [root / place for place in _expected(name, class_list)] + older
        case _:
            assert_never(name)


def catalogue_of(name: Name, root: Path | None = None, class_list: Path | None = None, matte: str = WHITE) -> Catalogue:
    """List the data set ``name`` below ``root``, which ``digits`` ignores; transparent pixels become ``matte``.

    FileNotFoundError names what is missing; ValueError a corrupt file, or classes that do not fit.
    """
    _refuse_missing(name, root, class_list)
    match name:
        case "digits":
            return _digits()
        case "cifar-10" | "cifar-100" | "stl-10" | "mnist":
            return _arrays(name, _root(name, root))
        case "imagenet-1k" | "imagenet-100" | "folder" | "pacs":
            return of_files(name, found_in(name, _root(name, root), class_list), matte)
        case _:
            assert_never(name)


def _digits() -> Catalogue:
    """The 1797 handwritten digits, 8x8, that scikit-learn ships; ink of 0..16 becomes 0..255. No test part."""
    from sklearn.datasets import load_digits

    data = load_digits()
    pixels = np.rint(data.images * (255 / 16)).astype(np.uint8)
    names = tuple(map(str, data.target_names))

    def read(i: int) -> Image.Image:
        return to_rgb(Image.fromarray(pixels[i]))

    return Catalogue(read, numbered("digits"), data.target[:, None], (names,), 0, 0)


def numbered(name: str) -> Callable[[int], str]:
    """Names of images that are no files of their own, such as ``digits image 17``."""
    return f"{name} image {{}}".format


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
        return to_rgb(both[i][0])

    return Catalogue(read, numbered(name), classes[:, None], (tuple(train.classes),), 0, len(test))


def _torchvision(name: Arrays, root: Path) -> tuple[Any, Any]:
    """The official training and test part."""
    from torchvision import datasets

    match name:
        case "cifar-10":
            return datasets.CIFAR10(root, train=True), datasets.CIFAR10(root, train=False)
        case "cifar-100":
            return datasets.CIFAR100(root, train=True), datasets.CIFAR100(root, train=False)
        case "stl-10":

            class LabelledSTL10(datasets.STL10):
                train_list = datasets.STL10.train_list[:2]  # without the 2.8 GB of unlabelled images

            return LabelledSTL10(root, split="train"), LabelledSTL10(root, split="test")
        case "mnist":
            return datasets.MNIST(root, train=True), datasets.MNIST(root, train=False)
        case _:
            assert_never(name)


def of_files(name: Trees, found: ClassFolders, matte: str = WHITE) -> Catalogue:
    """Image files in class folders. Their parts are official splits; of PACS domains, which are a second attribute."""
    paths, by_domain = found.files(), name == "pacs"
    sizes = {split: part.sizes() for split, part in found.parts.items()}
    n = {split: 0 if by_domain else sum(sizes.get(split, [])) for split in ("validation", "test")}
    labels = np.concatenate([np.repeat(np.arange(len(found.classes)), size) for size in sizes.values()])
    domains = np.repeat(np.arange(len(sizes)), [sum(size) for size in sizes.values()])
    attributes = np.stack([labels, domains], axis=1) if by_domain else labels[:, None]
    values = (found.classes, tuple(found.parts)) if by_domain else (found.classes,)

    def read(i: int) -> Image.Image:
        return read_image(Path(paths[i]), name, matte)

    def name_of(i: int) -> str:
        return Path(paths[i]).relative_to(found.root).as_posix()

    return Catalogue(read, name_of, attributes, values, n["validation"], n["test"])
