"""The raw material of CDP images: handwritten digits and background photographs, each split into disjoint parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mi_ray.compute.images.catalogue import files_of, missing
from mi_ray.compute.images.decode import WHITE, read_image
from mi_ray.compute.images.image_files import SUFFIXES, image_files
from mi_ray.compute.images.image_set import FLAT, SPLITS
from mi_ray.compute.seeding import stream
from mi_ray.theory.tasks import DIGITS

PARTS = (0.7, 0.15, 0.15)
"""Share of the source digits, and of the background photographs, that train, validation and test are made from."""

TRIED = 32
"""Photographs of a folder, evenly spread over its sorted files, that `refuse_flat` opens."""

MAX_PIXELS = 16_000_000

Photograph = Callable[[], NDArray[np.uint8]]
"""Reads one photograph, or a region of one, as uint8 [height, width, 3]."""


@dataclass(frozen=True, eq=False)
class Drawings:
    """Handwritten 2, 3, 4, 5. images: float32 [n, height, width] in 0..1; labels: int64 [n], index into `DIGITS`."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]


def scikit_learn_drawings() -> Drawings:
    """The 8x8 handwritten digits that scikit-learn ships (UCI, 723 drawings of 2, 3, 4, 5)."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return _of_interest(data.images.astype(np.float32) / 16.0, data.target)


def mnist_drawings(root: Path) -> Drawings:
    """MNIST's training digits through torchvision from ``root``; FileNotFoundError names what is missing."""
    from torchvision.datasets import MNIST

    mnist_files(root)
    data = MNIST(str(root), train=True, download=False)
    return _of_interest(data.data.numpy().astype(np.float32) / 255.0, data.targets.numpy())


def mnist_files(root: Path) -> list[Path]:
    """The files that MNIST is read from; FileNotFoundError if any is missing."""
    if missing("mnist", root):
        raise FileNotFoundError(f"digits: no MNIST under {root} (expected {root}/MNIST/raw/*-ubyte)")
    return files_of("mnist", root)


def _of_interest(images: NDArray[np.float32], digits: NDArray[np.integer]) -> Drawings:
    kept = np.isin(digits, DIGITS)
    return Drawings(images[kept], np.searchsorted(DIGITS, digits[kept]).astype(np.int64))


def split_drawings(drawings: Drawings, seed: int) -> dict[str, NDArray[np.int64]]:
    """Indices of the drawings of each split: disjoint, `PARTS` of every digit."""
    rng = stream(seed, "split drawings")
    parts = [_cut(rng.permutation(np.flatnonzero(drawings.labels == label))) for label in range(len(DIGITS))]
    return {split: np.sort(np.concatenate([part[i] for part in parts])) for i, split in enumerate(SPLITS)}


def _cut(items: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    edges = np.round(np.cumsum(PARTS)[:-1] * len(items)).astype(int)
    return np.split(items, edges)


def scikit_learn_photographs() -> dict[str, list[Photograph]]:
    """The two photographs that scikit-learn ships, each cut into three disjoint vertical bands, one per split."""
    from sklearn.datasets import load_sample_images

    bands = [
        np.split(photo, np.round(np.cumsum(PARTS)[:-1] * photo.shape[1]).astype(int), axis=1)
        for photo in load_sample_images().images
    ]
    return {split: [_constant(cut[i]) for cut in bands] for i, split in enumerate(SPLITS)}


def _constant(photograph: NDArray[np.uint8]) -> Photograph:
    return lambda: photograph


def folder_photographs(root: Path, seed: int, matte: str = WHITE) -> dict[str, list[Photograph]]:
    """Any folder of images (ImageNet's layout included): disjoint files for each split.

    Raises FileNotFoundError when fewer images than splits are found.
    """
    files = photograph_files(root)
    order = stream(seed, "split photographs").permutation(len(files))
    return {
        split: [_reader(files[i], matte) for i in part]
        for split, part in zip(SPLITS, _photograph_parts(order), strict=True)
    }


def photograph_sizes(root: Path) -> dict[str, int]:
    """How many photographs of a folder each split gets; FileNotFoundError as `folder_photographs`."""
    parts = _photograph_parts(np.arange(len(photograph_files(root))))
    return {split: len(part) for split, part in zip(SPLITS, parts, strict=True)}


def _photograph_parts(order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    edges = np.round(np.cumsum(PARTS)[:-1] * len(order)).astype(int)
    return np.split(order, np.clip(edges, [1, 2], [len(order) - 2, len(order) - 1]))


def photograph_files(root: Path) -> list[Path]:
    """All image files below ``root``, sorted; FileNotFoundError when there are fewer than the three splits need."""
    files = sorted(map(Path, image_files(root, "backgrounds").paths))
    if len(files) < len(SPLITS):
        raise FileNotFoundError(
            f"backgrounds: {root} holds {len(files)} images; at least {len(SPLITS)} are needed"
            f" ({', '.join(sorted(SUFFIXES))})"
        )
    return files


def refuse_flat(root: Path, matte: str = WHITE) -> None:
    """ValueError where more than half of the photographs tried are of one and the same colour, as after a wrong export.

    Values up to `FLAT` levels apart count as one; photographs of different colours are allowed.
    """
    files = photograph_files(root)
    tried = [files[i] for i in np.unique(np.linspace(0, len(files) - 1, TRIED).astype(int))]
    pixels = {path: read_photograph(path, matte).reshape(-1, 3).astype(int) for path in tried}
    colours = {path: colour.mean(0) for path, colour in pixels.items() if np.ptp(colour, axis=0).max() <= FLAT}
    usual = np.median(list(colours.values()), axis=0) if colours else np.zeros(3)
    alike = [path for path, colour in colours.items() if np.abs(colour - usual).max() <= FLAT]
    if 2 * len(alike) > len(tried):
        raise ValueError(
            f"backgrounds: {len(alike)} of {len(tried)} photographs tried below {root} are of one and the same colour,"
            f" such as {alike[0]}; allowed: photographs whose values lie more than {FLAT} of 255 levels apart"
        )


def _reader(path: Path, matte: str) -> Photograph:
    return lambda: read_photograph(path, matte)


def read_photograph(path: Path, matte: str = WHITE) -> NDArray[np.uint8]:
    """Decode one image file as RGB uint8 [height, width, 3]; ValueError names a file that is corrupt or too large."""
    return np.array(read_image(path, "backgrounds", matte, MAX_PIXELS))
