"""A split of labelled images in memory and on disk (safetensors), with a content digest."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar, assert_never

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image

from mi_ray.compute.images.crops import centred
from mi_ray.compute.images.duplicates import Identities, identities_of_pixels
from mi_ray.compute.images.encoded import Encoded, InPlace, Names, Packed, state_of
from mi_ray.compute.numerics.mapped_files import mapped_arrays, metadata_of, save_arrays

SPLITS = ("train", "validation", "test")


VIEWS = 1
"""Version of the views of photographs: raise it if a crop gives other pixels than before."""

CHUNK = 64
"""Images that a thread decodes before it takes the next ones."""


@dataclass(frozen=True, eq=False)
class Squares:
    """Streamed images of which everything but the central square is cut off before any view is taken, as of resident
    images: the same pixels, decoded when they are needed."""

    encoded: Encoded
    side: int

    def __len__(self) -> int:
        return len(self.encoded)

    def pixels(self, rows: Int64[np.ndarray, " m"]) -> UInt8[np.ndarray, "m 3 side side"]:
        """The squares of ``rows``."""
        distinct, place = np.unique(rows, return_inverse=True)  # both views of a pair show one image
        return np.stack([square(self.encoded.photograph(row), self.side) for row in distinct.tolist()])[place]


@dataclass(frozen=True, eq=False)
class Photographs:
    """Streamed images whose views are cropped from the whole photograph, as public recipes do. ``side``: pixels along a
    view."""

    encoded: Encoded
    side: int

    def __len__(self) -> int:
        return len(self.encoded)

    def pixels(self, rows: Int64[np.ndarray, " m"]) -> UInt8[np.ndarray, "m 3 side side"]:
        """The plain views of ``rows`` for an encoder trained here."""
        from mi_ray.compute.images.pixels import regions

        return regions(self.encoded, rows, centred(self.encoded.sizes[rows], size=self.side)).numpy()


Streamed = Squares | Photographs


@dataclass(frozen=True, eq=False)
class ImageSet:
    """A split of labelled images.

    ``images``: uint8 [n, 3, side, side] if they are resident, else the encoded files that they are decoded from.
    ``attributes``: int64 [n, attributes]. ``sources``: int64 [n], the drawing or photo that each image was made from;
    standard errors account for its reuse. ``names``: a name of each image for people, which is a path below the data
    set's root or ``digits image 17``. Names do not enter the content digest.
    ``known``: the identities of the images, if they have been computed.
    """

    images: UInt8[np.ndarray, "n 3 side side"] | Squares | Photographs
    attributes: Int64[np.ndarray, "n attributes"]
    sources: Int64[np.ndarray, " n"]
    names: Sequence[str] = ()
    known: Identities | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def side(self) -> int:
        """Pixels along an image, or along a view of a photograph."""
        return self.images.shape[-1] if isinstance(self.images, np.ndarray) else self.images.side

    @cached_property
    def identities(self) -> Identities:
        """Equal for two images if and only if one is a copy of the other (`duplicates`)."""
        if self.known is not None:
            return self.known
        assert isinstance(self.images, np.ndarray)  # those of streamed images are computed as they are prepared
        return identities_of_pixels(self.images)

    def pixels(self, rows: Int64[np.ndarray, " m"]) -> UInt8[np.ndarray, "m 3 side side"]:
        """The images ``rows`` without augmentation."""
        return self.images[rows] if isinstance(self.images, np.ndarray) else self.images.pixels(rows)

    def save(self, path: Path) -> None:
        """Write the split as one safetensors file: resident images without their names, streamed images without their
        pixels."""
        arrays = {"attributes": self.attributes, "sources": self.sources, "identities": self.identities}
        metadata = None
        if isinstance(self.images, np.ndarray):
            arrays["images"] = self.images
        else:
            encoded = self.images.encoded
            assert isinstance(encoded.files, InPlace)
            arrays |= state_of(encoded)
            metadata = {
                "form": type(self.images).__name__,
                "side": str(self.side),
                "root": os.fsencode(encoded.files.root).hex(),
                "field": encoded.field,
                "matte": encoded.matte,
            }
        save_arrays({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path, metadata)

    @classmethod
    def load(cls, path: Path, files: Packed | None = None) -> ImageSet:
        """Map a split that `save` wrote; resident images have no names. ``files``: where the encoded files are, if not
        in place."""
        arrays, texts = mapped_arrays(path), metadata_of(path)
        labels, known = (arrays["attributes"], arrays["sources"]), arrays.get("identities")
        if "images" in arrays:
            return cls(arrays["images"], *labels, known=known)
        names = Names(arrays["letters"], arrays["ends"])
        encoded = Encoded(
            files=files or InPlace(Path(os.fsdecode(bytes.fromhex(texts["root"]))), names), names=names,
            digests=arrays["digests"], sizes=arrays["sizes"], field=texts["field"], matte=texts["matte"],
        )  # fmt: skip
        forms = {form.__name__: form for form in (Squares, Photographs)}
        return cls(forms[texts["form"]](encoded, int(texts["side"])), *labels, names=names, known=known)


def square(image: Image.Image, side: int) -> UInt8[np.ndarray, "3 side side"]:
    """The centre square of an RGB image, resized with antialiasing; a square of that size keeps its pixels."""
    short = min(image.size)
    left, top = (image.width - short) // 2, (image.height - short) // 2
    resized = image.crop((left, top, left + short, top + short)).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(resized).transpose(2, 0, 1)


def content_digest(splits: Mapping[str, ImageSet]) -> str:
    """sha256 over each split's name and its arrays' types, shapes and bytes. It identifies the data in every cell key;
    names of images do not enter.

    Squares have one digest, whether they are resident or streamed. Of photographs, whose views are cropped from the
    encoded files, the digests of the files enter instead of pixels, with the side of a view and the matte.
    """
    digest = hashlib.sha256()
    for name in sorted(splits):
        split = splits[name]
        digest.update(name.encode())
        match split.images:
            case np.ndarray():
                update(digest, split.images)
            case Squares():
                digest.update(f"{np.dtype(np.uint8).str}{(len(split), 3, split.side, split.side)}".encode())
                for chunk in in_order(split.images.pixels, len(split)):
                    digest.update(np.ascontiguousarray(chunk).data)
            case Photographs():
                encoded = split.images.encoded
                digest.update(f"photographs {VIEWS} {split.side} {encoded.matte}".encode())
                update(digest, encoded.digests)
            case _:
                assert_never(split.images)
        update(digest, split.attributes)
        update(digest, split.sources)
    return digest.hexdigest()


T = TypeVar("T")


def in_order(work: Callable[[Int64[np.ndarray, " m"]], T], n: int) -> Iterator[T]:
    """``work`` of every `CHUNK` of the numbers below n, computed by a thread for each core, in order. The first error
    is raised."""
    chunks = [np.arange(start, min(start + CHUNK, n)) for start in range(0, n, CHUNK)]
    threads = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(threads) as pool:
        # a window of chunks: finished ones that nobody has taken yet must not fill the memory
        waiting = deque(pool.submit(work, chunk) for chunk in chunks[: 2 * threads])
        try:
            for following in [*chunks[2 * threads :], *[None] * len(waiting)]:
                yield waiting.popleft().result()
                if following is not None:
                    waiting.append(pool.submit(work, following))
        finally:
            pool.shutdown(cancel_futures=True)


def update(digest: hashlib._Hash, array: np.ndarray) -> None:
    """Feed an array's type, shape and bytes into a running content digest."""
    digest.update(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)
