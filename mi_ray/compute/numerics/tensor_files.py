"""Named tensors on disk as safetensors: never a pickle, and written so that a reader sees all of a file or none."""

from __future__ import annotations

import os
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write ``tensors`` to ``path`` atomically (temporary file, fsync, rename); OSError if the disk refuses.

    Names that share a tensor (CoaT) are written with a copy each: a module that shares it loads the same values twice.
    """
    partial = path.with_suffix(".partial")
    try:
        save_file(unshared(tensors), partial)
    except SafetensorError as error:
        raise OSError(f"checkpoint: {path} cannot be written ({error})") from error
    with open(partial, "rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def unshared(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, contiguous, no two of them in the same memory, which safetensors refuses."""
    apart: dict[str, Tensor] = {}
    addresses: set[int] = set()
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        address = plain.untyped_storage().data_ptr()
        apart[name] = plain.clone() if address in addresses else plain
        addresses.add(address)
    return apart


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read what `save_tensors` wrote; ValueError names a file that is cut or not safetensors."""
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"checkpoint: {path} cannot be read ({error}); allowed: an intact safetensors file") from error
