"""Background photographs of CDP images, divided between the splits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mi_ray.compute.generated.drawings import PARTS
from mi_ray.compute.images.alike import FLAT
from mi_ray.compute.images.decode import WHITE, read_image
from mi_ray.compute.images.image_files import SUFFIXES, image_files
from mi_ray.compute.images.image_set import SPLITS
from mi_ray.compute.seeding import stream

TRIED = 32
"""Photographs of a folder, evenly spread over its sorted files, that `refuse_flat` opens."""

MAX_PIXELS = 16_000_000
"""Pixels of the largest background, since a photograph is decoded anew for every image that shows it."""

Photograph = Callable[[], NDArray[np.uint8]]
"""Reads one photograph, or a region of one, as uint8 [height, width, 3]."""


def scikit_learn_photographs() -> dict[str, list[Photograph]]:
    """The two photographs that scikit-learn ships, each cut into three disjoint vertical bands, one per split."""
    from sklearn.datasets import load_sample_images

    bands = [
        np.split(photo, np.round(np.cumsum(PARTS)[:-1] * photo.shape[1]).astype(int), axis=1)
        for photo in load_sample_images().images
    ]
    return {split: [partial(np.asarray, cut[i]) for cut in bands] for i, split in enumerate(SPLITS)}


def folder_photographs(root: Path, seed: int, matte: str = WHITE) -> dict[str, list[Photograph]]:
    """Photographs of a folder of images in any layout: disjoint files for each split.

    FileNotFoundError if the folder holds fewer images than there are splits.
    """
    files = photograph_files(root)
    order = stream(seed, "split photographs").permutation(len(files))
    return {
        split: [partial(read_photograph, files[i], matte) for i in part]
        for split, part in zip(SPLITS, _photograph_parts(order), strict=True)
    }


def photograph_sizes(root: Path) -> dict[str, int]:
    """The number of photographs of a folder that each split gets; FileNotFoundError as in `folder_photographs`."""
    parts = _photograph_parts(np.arange(len(photograph_files(root))))
    return {split: len(part) for split, part in zip(SPLITS, parts, strict=True)}


def _photograph_parts(order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """``order`` cut into `PARTS`, each of which holds at least one photograph."""
    edges = np.round(np.cumsum(PARTS)[:-1] * len(order)).astype(int)
    return np.split(order, np.clip(edges, [1, 2], [len(order) - 2, len(order) - 1]))


def photograph_files(root: Path) -> list[Path]:
    """All image files below ``root``, sorted; FileNotFoundError if there are fewer than the three splits need."""
    files = sorted(map(Path, image_files(root, "backgrounds").paths))
    if len(files) < len(SPLITS):
        raise FileNotFoundError(
            f"backgrounds: {root} holds {len(files)} images; at least {len(SPLITS)} are needed"
            f" ({', '.join(sorted(SUFFIXES))})"
        )
    return files


def refuse_flat(root: Path, matte: str = WHITE) -> None:
    """Raise ValueError if more than half of the sampled photographs have the same single colour, as after a wrong
    export.

    A photograph has a single colour if its values differ by at most `FLAT` levels; two colours are the same if they
    differ by no more. Single-colour photographs of different colours are allowed.
    """
    files = photograph_files(root)
    tried = [files[i] for i in np.unique(np.linspace(0, len(files) - 1, TRIED).astype(int))]
    colours = {path: colour for path in tried if (colour := _single_colour(read_photograph(path, matte))) is not None}
    usual = np.median(list(colours.values()), axis=0) if colours else np.zeros(3)
    alike = [path for path, colour in colours.items() if np.abs(colour - usual).max() <= FLAT]
    if 2 * len(alike) > len(tried):
        raise ValueError(
            f"backgrounds: {len(alike)} of {len(tried)} photographs tried below {root} are of one and the same colour,"
            f" such as {alike[0]}; allowed: photographs whose values lie more than {FLAT} of 255 levels apart"
        )


def _single_colour(photograph: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """The mean colour of a photograph of a single colour, [3]; None of any other."""
    pixels = photograph.reshape(-1, 3)
    return pixels.mean(0, dtype=np.float64) if np.ptp(pixels, axis=0).max() <= FLAT else None


def read_photograph(path: Path, matte: str = WHITE) -> NDArray[np.uint8]:
    """Decode one image file as RGB uint8 [height, width, 3]; ValueError names a file that is corrupt or too large."""
    return np.array(read_image(path, "backgrounds", matte, MAX_PIXELS))
