"""The labelled data sets, one row of `DATASETS` each, and their files on disk.

To add a data set, add its name to `Dataset` and a row with its reader to `DATASETS`; the type checker, or the import,
refuses one without the other. This module imports neither torch nor torchvision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from mi_ray.compute.images.class_folders import ClassFolders, some
from mi_ray.compute.images.decode import WHITE
from mi_ray.compute.images.readers import Catalogue, ClassTree, LargeFiles, PackagedArrays, Reader

Dataset = Literal[
    "cifar-10", "cifar-100", "stl-10", "svhn", "mnist", "imagenet-1k", "imagenet-100", "pacs", "folder", "digits"
]  # fmt: skip
"""Names of the labelled data sets. ``folder``: class folders, or train/class with test/class and validation/class
(either) beside it; ``digits``: scikit-learn's own."""

DOMAINS = ("art_painting", "cartoon", "photo", "sketch")
"""PACS's domains, in the order of the second attribute."""


@dataclass(frozen=True, kw_only=True)
class LabelledDataset:
    """The facts about a data set that are known before its files are read.

    ``n_classes``: number of classes, None if only the files tell; ``n_images``: number of images of all parts, which
    predicts the work (a guess if only the files tell); ``n_test``: number of those in an official test part;
    ``has_halves``: whether either half of the classes can be used alone (Table X).
    """

    n_classes: int | None
    n_images: int
    reader: Reader
    n_test: int = 0
    has_halves: bool = False

    @property
    def domains(self) -> tuple[str, ...]:
        """Values of the second attribute; empty if the class is the only one."""
        return self.reader.domains if isinstance(self.reader, ClassTree) else ()

    @property
    def tasks(self) -> tuple[str, ...]:
        """Downstream tasks that the labels allow."""
        return ("class", "domain") if self.domains else ("class",)

    @property
    def needs_root(self) -> bool:
        """Whether the data set is read from a folder, which the user must name."""
        return not isinstance(self.reader, PackagedArrays)

    @property
    def has_files(self) -> bool:
        """Whether every image has a file of its own."""
        return isinstance(self.reader, ClassTree)

    @property
    def needs_class_list(self) -> bool:
        """Whether the user must name a file that lists the classes."""
        return isinstance(self.reader, ClassTree) and self.reader.needs_class_list


# How the data sets of torchvision and scikit-learn are read


def cifar_10(root: Path) -> tuple[Any, Any]:
    from torchvision.datasets import CIFAR10

    return CIFAR10(root, train=True), CIFAR10(root, train=False)


def cifar_100(root: Path) -> tuple[Any, Any]:
    from torchvision.datasets import CIFAR100

    return CIFAR100(root, train=True), CIFAR100(root, train=False)


def stl_10(root: Path) -> tuple[Any, Any]:
    from torchvision.datasets import STL10

    class LabelledSTL10(STL10):
        train_list = STL10.train_list[:2]  # without the 2.8 GB of unlabelled images

    return LabelledSTL10(root, split="train"), LabelledSTL10(root, split="test")


def svhn(root: Path) -> tuple[Any, Any]:
    from torchvision.datasets import SVHN

    class NamedSVHN(SVHN):
        classes = tuple("0123456789")  # torchvision labels the digit 0 with 0, the files with 10

    return NamedSVHN(root, split="train"), NamedSVHN(root, split="test")


def mnist(root: Path) -> tuple[Any, Any]:
    return mnist_part(root, train=True), mnist_part(root, train=False)


def mnist_part(root: Path, *, train: bool) -> Any:
    """MNIST's training or its test part; torchvision opens the files of that part alone."""
    from torchvision.datasets import MNIST as OfTorchvision

    class MNIST(OfTorchvision):  # torchvision reads the folder of the class's name
        def _check_legacy_exist(self) -> bool:
            """False: pickles of the same images, which former versions of torchvision left, are not read."""
            return False

    return MNIST(root, train=train)


def digits() -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """The 1797 handwritten digits, 8x8, that scikit-learn ships; ink of 0..16 becomes 0..255."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return np.rint(data.images * (255 / 16)).astype(np.uint8), data.target, tuple(map(str, data.target_names))


DATASETS: Mapping[Dataset, LabelledDataset] = {
    "cifar-10": LabelledDataset(
        n_classes=10, n_images=60_000, n_test=10_000, has_halves=True,
        reader=LargeFiles(
            files=tuple(
                f"cifar-10-batches-py/{file}"
                for file in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta")
            ),
            parts=cifar_10,
        ),
    ),
    "cifar-100": LabelledDataset(
        n_classes=100, n_images=60_000, n_test=10_000, has_halves=True,
        reader=LargeFiles(
            files=tuple(f"cifar-100-python/{file}" for file in ("train", "test", "meta")), parts=cifar_100
        ),
    ),
    "stl-10": LabelledDataset(
        n_classes=10, n_images=13_000, n_test=8_000,
        reader=LargeFiles(
            files=tuple(
                f"stl10_binary/{file}"
                for file in ("train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin", "class_names.txt")
            ),
            parts=stl_10, labels="labels",
        ),
    ),
    "svhn": LabelledDataset(
        n_classes=10, n_images=99_289, n_test=26_032,
        reader=LargeFiles(files=("train_32x32.mat", "test_32x32.mat"), parts=svhn, labels="labels"),
    ),
    "mnist": LabelledDataset(
        n_classes=10, n_images=70_000, n_test=10_000,
        reader=LargeFiles(
            files=tuple(
                f"MNIST/raw/{part}-{kind}-ubyte"
                for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
            ),
            parts=mnist, most=50_000_000,
        ),
    ),
    "imagenet-1k": LabelledDataset(
        n_classes=1000, n_images=1_331_167, n_test=50_000,
        reader=ClassTree(folders={"train": "train", "test": "val"}),
    ),
    "imagenet-100": LabelledDataset(
        n_classes=100, n_images=131_689, n_test=5_000,
        reader=ClassTree(folders={"train": "train", "test": "val"}, needs_class_list=True),
    ),
    "pacs": LabelledDataset(
        n_classes=7, n_images=9_991, reader=ClassTree(folders={name: name for name in DOMAINS}, domains=DOMAINS)
    ),
    "folder": LabelledDataset(n_classes=None, n_images=50_000, reader=ClassTree()),
    "digits": LabelledDataset(n_classes=10, n_images=1_797, has_halves=True, reader=PackagedArrays(arrays=digits)),
}  # fmt: skip

if lacking := set(get_args(Dataset)) ^ set(DATASETS):
    raise TypeError(f"DATASETS: a data set needs a name in Dataset and a row; lacking for {', '.join(sorted(lacking))}")


# Files on disk


def missing(name: Dataset, root: Path | None = None, class_list: Path | None = None) -> list[str]:
    """Paths that the data set needs and that do not exist; a folder's path ends in a slash. Opens no file but the class
    list, and does not import torch.

    Always empty for ``digits``. ValueError if another data set has no root, or if a class list is absent, superfluous,
    empty or repeats a class.
    """
    row = DATASETS[name]
    if row.needs_class_list != (class_list is not None):
        having = ", ".join(other for other, dataset in DATASETS.items() if dataset.needs_class_list)
        raise ValueError(f"class_list: {class_list} is not allowed for {name}; allowed: a file of wnids for {having}")
    if class_list is not None and not class_list.exists():
        return [str(class_list)]
    if root is None and row.needs_root:
        raise ValueError(f"root: None is not allowed for {name}; allowed: the folder that holds it")
    expected = [f"{root}/{place}" for place in row.reader.expected(class_list)]
    return [path for path in expected if not (Path(path).is_dir() if path.endswith("/") else Path(path).is_file())]


def _refuse_missing(name: Dataset, root: Path | None, class_list: Path | None) -> None:
    absent = missing(name, root, class_list)
    if absent:
        listed = f"; the classes are those of {class_list}" if class_list else ""
        raise FileNotFoundError(f"{name}: expected {some(absent)}, not found{listed}")


def found_in(name: Dataset, root: Path, class_list: Path | None = None) -> ClassFolders:
    """The class folders of the data set ``name``, listed without opening an image.

    FileNotFoundError if files are missing; ValueError if the layout is ambiguous or the data set has no class folders.
    """
    _refuse_missing(name, root, class_list)
    reader = DATASETS[name].reader
    if not isinstance(reader, ClassTree):
        raise ValueError(f"data: {name} is not kept in class folders")
    return reader.found(name, root, class_list)


def files_of(name: Dataset, root: Path, class_list: Path | None = None) -> list[Path]:
    """The files that a data set is read from, in the order in which they are read; none for ``digits``.

    FileNotFoundError if files are missing; ValueError if the layout of class folders is ambiguous.
    """
    _refuse_missing(name, root, class_list)
    return DATASETS[name].reader.files_of(name, root, class_list)


def catalogue_of(
    name: Dataset, root: Path | None = None, class_list: Path | None = None, matte: str = WHITE
) -> Catalogue:
    """List the images of the data set ``name`` below ``root``; ``digits`` needs no root. Transparent pixels become
    ``matte``.

    FileNotFoundError if files are missing; ValueError if a file is corrupt or the classes do not fit.
    """
    _refuse_missing(name, root, class_list)
    return DATASETS[name].reader.catalogue(name, root or Path(), class_list, matte)
