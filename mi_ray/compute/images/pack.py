"""Shards: the encoded files of a split, one after another, in a few large files that a node downloads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mi_ray.compute.images.encoded import Encoded, Packed
from mi_ray.compute.numerics.mapped_files import mapped_arrays, save_arrays

SHARD_BYTES = 256 * 2**20
"""Bytes at which a shard ends: few enough to be uploaded again after a fault."""


def pack(encoded: Encoded, folder: Path, split: str) -> list[str]:
    """Write the shards of a split and their index into ``folder``, and return their names; ValueError if a file has
    changed since it was scanned."""
    n = len(encoded)
    shard, offset, lengths = np.zeros(n, np.int32), np.zeros(n, np.int64), np.zeros(n, np.int64)
    names: list[str] = []
    file = None
    try:
        for i in range(n):
            if file is None or file.tell() >= SHARD_BYTES:
                if file is not None:
                    file.close()
                names.append(f"{split}-{len(names):05d}.shard")
                file = open(folder / names[-1], "wb")  # noqa: SIM115  # closed when it is full
            content = encoded.content(i)
            shard[i], offset[i], lengths[i] = len(names) - 1, file.tell(), len(content)
            file.write(content)
    finally:
        if file is not None:
            file.close()
    save_arrays({"shard": shard, "offset": offset, "lengths": lengths}, folder / index_of(split))
    return [*names, index_of(split)]


def index_of(split: str) -> str:
    """The name of the index of a split's shards."""
    return f"{split}.shards.safetensors"


def packed(index: Path, shards: tuple[Path, ...]) -> Packed:
    """The files in ``shards``, by their index."""
    arrays = mapped_arrays(index)
    return Packed(shards=shards, shard=arrays["shard"], offset=arrays["offset"], lengths=arrays["lengths"])
