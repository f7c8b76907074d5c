"""Encoded photographs: files, or parts of shards, that are read when a view needs them.

`pixels` decodes them to tensors; nothing here imports torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, assert_never, overload

import numpy as np
from jaxtyping import Int64, UInt8
from numpy.typing import NDArray
from PIL import Image

from mi_ray.compute.images.crops import Sizes
from mi_ray.compute.images.decode import (
    LARGE,
    WHITE,
    decode_bytes,
    refuse_bytes,
    refuse_header,
)
from mi_ray.compute.numerics.regular_files import open_regular


@dataclass(frozen=True, eq=False)
class Names(Sequence[str]):
    """Texts in two arrays, which a file can hold: ``letters``, the bytes of all, and where each text ends."""

    letters: UInt8[np.ndarray, " letters"]
    ends: Int64[np.ndarray, " n"]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Names:
        """The same texts; names of files may hold any bytes."""
        encoded = [os.fsencode(text) for text in texts]
        letters = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        return cls(letters, np.cumsum([len(text) for text in encoded], dtype=np.int64))

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        place %= len(self)
        start = int(self.ends[place - 1]) if place else 0
        return os.fsdecode(self.letters[start : int(self.ends[place])].tobytes())


@dataclass(frozen=True, eq=False)
class InPlace:
    """Files below ``root``, by their paths relative to it."""

    root: Path
    names: Sequence[str]

    def read(self, i: int) -> bytearray:
        """The content of file i; `Unreadable` if it is too large, OSError if it is no regular file or out of reach."""
        path = Path(self.root, self.names[i])
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            refuse_bytes(size)
            if size > LARGE:
                refuse_header(file)
            content = bytearray(size)
            read = file.readinto(content)
            return content[:read] if read < size else content


@dataclass(frozen=True, eq=False)
class Packed:
    """Parts of the files ``shards``: file i is ``lengths[i]`` bytes of shard ``shard[i]`` from ``offset[i]``."""

    shards: tuple[Path, ...]
    shard: NDArray[np.int32]
    offset: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @cached_property
    def _mapped(self) -> tuple[NDArray[np.uint8], ...]:
        return tuple(np.memmap(path, dtype=np.uint8, mode="r") for path in self.shards)

    def read(self, i: int) -> bytearray:
        """The content of file i."""
        start = int(self.offset[i])
        return bytearray(self._mapped[int(self.shard[i])][start : start + int(self.lengths[i])].tobytes())


def digest_of(content: bytes | bytearray) -> bytes:
    """16 bytes that identify the content of a file."""
    return sha256(content).digest()[:16]


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoded:
    """n encoded photographs. ``names``: of the files, for people; ``digests``: `digest_of` each file when the set was
    prepared; ``sizes``: width and height of the upright photograph; ``field``: name of the data set, for refusals;
    transparent pixels become ``matte``.
    """

    files: InPlace | Packed
    names: Sequence[str]
    digests: UInt8[np.ndarray, "n 16"]
    sizes: Sizes
    field: str
    matte: str = WHITE

    def __len__(self) -> int:
        return len(self.sizes)

    def called(self, i: int) -> str:
        """The beginning of a refusal of file i."""
        match self.files:
            case InPlace():
                return f"{self.field}: {os.path.join(self.files.root, self.names[i])}"
            case Packed():
                return f"{self.field}: {self.names[i]}"
            case _:
                assert_never(self.files)

    def content(self, i: int) -> bytearray:
        """The bytes of file i; ValueError if it is not there, or has changed since the set was prepared."""
        try:
            content = self.files.read(i)
        except (OSError, ValueError) as error:  # numpy raises ValueError for an empty shard
            reason = getattr(error, "strerror", None) or str(error)
            raise ValueError(
                f"{self.called(i)} cannot be read on {os.uname().nodename} ({reason}); allowed: files that every node"
                " reads at this path, or a store in a bucket, which packs them"
            ) from error
        if digest_of(content) != self.digests[i].tobytes():
            raise ValueError(
                f"{self.called(i)} has changed since the images were prepared; allowed: the files of then (run the"
                " command again to prepare them anew)"
            )
        return content

    def photograph(self, i: int, divisor: int = 1) -> Image.Image:
        """Photograph i, upright and in RGB; of a JPEG, at 1/``divisor`` of its size (`decode_bytes`)."""
        return decode_bytes(self.content(i), self.called(i), self.matte, divisor)


def state_of(encoded: Encoded) -> dict[str, NDArray[Any]]:
    """The arrays of ``encoded`` that a file holds; not where the files are."""
    names = encoded.names if isinstance(encoded.names, Names) else Names.of(encoded.names)
    return {
        "letters": names.letters,
        "ends": names.ends,
        "digests": encoded.digests,
        "sizes": encoded.sizes,
    }
