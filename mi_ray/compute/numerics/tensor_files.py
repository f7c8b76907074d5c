"""Named tensors on disk as safetensors, never as pickles. Files are written atomically."""

from __future__ import annotations

import os
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write ``tensors`` to ``path`` atomically (temporary file, fsync, rename); OSError if the disk refuses.

    A tensor that has several names (in CoaT, e.g.) is written once per name; the module loads the same values again.
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
    """The tensors on the CPU, contiguous, and no two in the same memory, because safetensors refuses shared memory."""
    separate: dict[str, Tensor] = {}
    addresses: set[int] = set()
    for name, tensor in tensors.items():
        contiguous = tensor.detach().cpu().contiguous()
        address = contiguous.untyped_storage().data_ptr()
        separate[name] = contiguous.clone() if address in addresses else contiguous
        addresses.add(address)
    return separate


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a file that `save_tensors` wrote; ValueError if it is truncated or not safetensors."""
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"checkpoint: {path} cannot be read ({error}); allowed: an intact safetensors file") from error
