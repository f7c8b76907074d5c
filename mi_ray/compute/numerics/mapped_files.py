"""Named arrays in safetensors files that are mapped into memory.

Processes of a node share one copy, and an array may be larger than memory. `tensor_files` reads and writes files of
tensors; nothing here imports torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from safetensors.numpy import save_file

from mi_ray.compute.numerics.disk import reserve, save_with_usual_mode, telling_room

TYPES = {
    "U8": np.uint8, "BOOL": np.bool_, "I32": np.int32, "U32": np.uint32, "I64": np.int64, "F16": np.float16,
    "F32": np.float32, "F64": np.float64,
}  # fmt: skip
NAMES: dict[np.dtype[Any], str] = {np.dtype(kind): name for name, kind in TYPES.items()}
METADATA = "__metadata__"
LENGTH = 8
"""Bytes at the start of a file that hold the length of its header."""


def mapped_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file, read from disk when they are used. Writing to one changes a private copy.

    ValueError if the file is truncated or not safetensors.
    """
    header, start = _header(path)
    return {
        name: np.asarray(_mapped(path, "c", start + entry["data_offsets"][0], TYPES[entry["dtype"]], entry["shape"]))
        for name, entry in header.items()
        if name != METADATA
    }


def metadata_of(path: Path) -> dict[str, str]:
    """The texts in the header of a safetensors file; empty if there are none."""
    return dict(_header(path)[0].get(METADATA, {}))


@contextmanager
def created_arrays(path: Path, shapes: Mapping[str, tuple[int, ...]], kind: DTypeLike) -> Iterator[dict[str, NDArray]]:
    """Arrays of zeros in a new safetensors file, to be filled in the block; written to disk when it ends.

    OSError if the disk has no room for all of it.
    """
    dtype, end = np.dtype(kind), 0
    header: dict[str, Any] = {}
    for name, shape in shapes.items():
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        header[name] = {"dtype": NAMES[dtype], "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % LENGTH)  # the arrays begin at a multiple of 8 bytes
    start = LENGTH + len(text)
    with telling_room(path, start + end), open(path, "wb") as file:
        file.write(len(text).to_bytes(LENGTH, "little") + text)
        file.flush()
        reserve(file.fileno(), start + end)
    arrays = {
        name: _mapped(path, "r+", start + entry["data_offsets"][0], dtype, entry["shape"])
        for name, entry in header.items()
    }
    yield arrays
    with telling_room(path, start + end):
        for array in arrays.values():
            if isinstance(array, np.memmap):
                array.flush()


def _mapped(path: Path, mode: Any, offset: int, kind: DTypeLike, shape: Any) -> NDArray[Any]:
    if 0 in shape:  # nothing can be mapped
        return np.zeros(shape, dtype=kind)
    return np.memmap(path, dtype=kind, mode=mode, offset=offset, shape=tuple(shape))


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The header, and where the arrays begin."""
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(LENGTH), "little")
            header = json.loads(file.read(length))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != METADATA]
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, MemoryError) as error:
        raise ValueError(f"{path} is not safetensors ({error}); allowed: an intact safetensors file") from error
    start = LENGTH + length
    if start + max(ends, default=0) > path.stat().st_size:
        raise ValueError(f"{path} is truncated; allowed: an intact safetensors file")
    return header, start


def save_arrays(arrays: dict[str, NDArray[Any]], path: Path, texts: dict[str, str] | None = None) -> None:
    """Write arrays, and ``texts`` in the header, to ``path``; OSError if the disk refuses."""
    needed = sum(array.nbytes for array in arrays.values())
    save_with_usual_mode(lambda file: save_file(arrays, file, texts), path, needed)
