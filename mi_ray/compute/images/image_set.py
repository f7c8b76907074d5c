"""A split of labelled images in memory and on disk (safetensors), with a content digest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8
from safetensors.numpy import load_file, save_file

from mi_ray.theory.listing import listed

SPLITS = ("train", "validation", "test")

LEAST_DISTINCT = 3
"""Distinct images that a split of a data set needs."""

FLAT = 2
"""Largest difference in grey levels between two values of a split at which its images still count as all equal."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """A split of labelled images.

    ``images``: uint8 [n, 3, side, side]. ``attributes``: int64 [n, attributes]. ``sources``: int64 [n], the drawing or
    photo that each image was made from; standard errors account for its reuse. ``names``: a name of each image for
    people, which is a path below the data set's root or ``digits image 17``. Names are stored in a separate file and do
    not enter the content digest.
    """

    images: UInt8[np.ndarray, "n 3 side side"]
    attributes: Int64[np.ndarray, "n attributes"]
    sources: Int64[np.ndarray, " n"]
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def save(self, path: Path) -> None:
        """Write the split, without its names, as one safetensors file."""
        arrays = {"images": self.images, "attributes": self.attributes, "sources": self.sources}
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)

    @classmethod
    def load(cls, path: Path) -> ImageSet:
        """Read a split that `save` wrote; it has no names."""
        arrays = load_file(path)
        return cls(arrays["images"], arrays["attributes"], arrays["sources"])

    def update(self, digest: hashlib._Hash) -> None:
        """Feed shapes and bytes into a running content digest."""
        for array in (self.images, self.attributes, self.sources):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)


def content_digest(splits: dict[str, ImageSet]) -> str:
    """sha256 over each split's name and its arrays' types, shapes and bytes. It identifies the data in every cell key;
    names of images do not enter."""
    digest = hashlib.sha256()
    for name in sorted(splits):
        digest.update(name.encode())
        splits[name].update(digest)
    return digest.hexdigest()


def refuse_equal(what: str, images: UInt8[np.ndarray, "n 3 side side"], names: Sequence[str]) -> None:
    """Raise ValueError if (nearly) all images of a split are equal, as after a wrong export: more than half have the
    same pixels, fewer than `LEAST_DISTINCT` differ, or all values lie within `FLAT` grey levels. The error names two
    images."""
    if len(images) < 2:
        return
    groups = _by_pixels(images)
    most = max(groups, key=len)
    if len(most) * 2 > len(images) or len(groups) < min(LEAST_DISTINCT, len(images)):
        alike, (first, second, *_) = f"{len(most)} have the same pixels", most
        allowed = f"at least {LEAST_DISTINCT} distinct images, none of them more than half"
    elif int(images.max()) - int(images.min()) <= FLAT:
        low, high = int(images.min()), int(images.max())
        alike, (first, second) = f"all values are {low} to {high} of 255", (0, len(images) - 1)
        allowed = f"values more than {FLAT} levels apart"
    else:
        return
    raise ValueError(
        f"{what}: {len(images)} images, {len(groups)} of them distinct; {alike}, such as {names[first]} and"
        f" {names[second]}; allowed: {allowed}"
    )


def refuse_single(what: str, images: ImageSet, classes: Sequence[str]) -> None:
    """Raise ValueError if all images of a class have the same pixels: a same-class pair needs two images (Sec. III-A).

    ``classes``: names of the classes. Classes without images are ignored.
    """
    labels = images.attributes[:, 0]
    members = {label: np.flatnonzero(labels == label) for label in np.unique(labels).tolist()}
    single = {label: rows for label, rows in members.items() if len(_by_pixels(images.images[rows])) == 1}
    if single:
        named = listed([f"{classes[label]} ({len(rows)}, {images.names[rows[0]]})" for label, rows in single.items()])
        raise ValueError(
            f"{what}: all images of a class have the same pixels: {named}; allowed: at least 2 that differ"
        )


def _by_pixels(images: UInt8[np.ndarray, "n 3 side side"]) -> list[list[int]]:
    """For each distinct image, the indices of the images that have its pixels."""
    places: dict[bytes, list[int]] = {}
    for place, image in enumerate(images):
        digest = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
        places.setdefault(digest, []).append(place)
    return list(places.values())
