"""A split of labelled images in memory and on disk (safetensors), with a content digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8
from safetensors.numpy import load_file, save_file

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class ImageSet:
    """One split.

    images: uint8 [n, 3, side, side]; attributes: int64 [n, attributes]; sources: int64 [n], the drawing (or photo)
    that an image was made from, so that a standard error can account for its reuse; names: of the n images, for people:
    a path below the data set's root, or ``digits image 17``. Names are in no digest, and lie in a file of their own.
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
        """Read what `save` wrote: a split without names."""
        return cls(**load_file(path))

    def update(self, digest: hashlib._Hash) -> None:
        """Feed shapes and bytes into a running content digest."""
        for array in (self.images, self.attributes, self.sources):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)


def content_digest(splits: dict[str, ImageSet]) -> str:
    """sha256 over names, shapes and bytes of all splits: the data's identity in every cell key."""
    digest = hashlib.sha256()
    for name in sorted(splits):
        digest.update(name.encode())
        splits[name].update(digest)
    return digest.hexdigest()
