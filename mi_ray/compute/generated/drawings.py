"""Handwritten digits from which CDP images are drawn, divided between the splits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mi_ray.compute.images.catalogue import DATASETS, files_of, missing, mnist_part
from mi_ray.compute.images.image_set import SPLITS
from mi_ray.compute.images.readers import LargeFiles
from mi_ray.compute.seeding import stream
from mi_ray.theory.tasks import DIGITS

PARTS = (0.7, 0.15, 0.15)
"""Shares of the drawings, and of the background photographs, that train, validation and test are made from."""


@dataclass(frozen=True, eq=False)
class Drawings:
    """Handwritten 2, 3, 4, 5. images: float32 [n, height, width] in 0..1; labels: int64 [n], index into `DIGITS`."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]


def scikit_learn_drawings() -> Drawings:
    """The 8x8 handwritten digits that scikit-learn ships (UCI, 723 drawings of 2, 3, 4, 5)."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return _drawings_of_task(data.images.astype(np.float32) / 16.0, data.target)


def mnist_drawings(root: Path) -> Drawings:
    """MNIST's training digits, read by torchvision from ``root``, which opens no test file; FileNotFoundError names
    missing files, ValueError a folder with a corrupt one."""
    mnist_files(root)
    reader = DATASETS["mnist"].reader
    assert isinstance(reader, LargeFiles)
    data = reader.read("mnist", root, partial(mnist_part, train=True))
    return _drawings_of_task(data.data.numpy().astype(np.float32) / 255.0, data.targets.numpy())


def mnist_files(root: Path) -> list[Path]:
    """The files that MNIST is read from; FileNotFoundError if any is missing."""
    if missing("mnist", root):
        raise FileNotFoundError(f"digits: no MNIST under {root} (expected {root}/MNIST/raw/*-ubyte)")
    return files_of("mnist", root)


def _drawings_of_task(images: NDArray[np.float32], digits: NDArray[np.integer]) -> Drawings:
    """The drawings of `DIGITS` alone."""
    kept = np.isin(digits, DIGITS)
    return Drawings(images[kept], np.searchsorted(DIGITS, digits[kept]).astype(np.int64))


def split_drawings(drawings: Drawings, seed: int) -> dict[str, NDArray[np.int64]]:
    """Indices of the drawings of each split, ascending: the splits are disjoint and hold `PARTS` of every digit."""
    rng = stream(seed, "split drawings")
    parts = []
    for label in range(len(DIGITS)):
        shuffled = rng.permutation(np.flatnonzero(drawings.labels == label))
        parts.append(np.split(shuffled, np.round(np.cumsum(PARTS)[:-1] * len(shuffled)).astype(int)))
    return {split: np.sort(np.concatenate([part[i] for part in parts])) for i, split in enumerate(SPLITS)}
