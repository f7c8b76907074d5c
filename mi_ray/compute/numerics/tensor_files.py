"""Named tensors on disk as safetensors, never as pickles. Files are written atomically."""

from __future__ import annotations

import os
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from mi_ray.compute.numerics.disk import save_with_usual_mode, telling_room


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write ``tensors`` to ``path`` atomically (temporary file, fsync, rename); OSError if the disk refuses.

    A tensor that has several names (in CoaT, e.g.) is written once per name; the module loads the same values again.
    """
    partial, separate = path.with_suffix(".partial"), unshared(tensors)
    needed = sum(tensor.nbytes for tensor in separate.values())
    save_with_usual_mode(lambda file: save_file(separate, file), partial, needed)
    with telling_room(partial, needed), open(partial, "rb") as file:
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


def load_tensors(path: Path, *, below: str = "") -> dict[str, Tensor]:
    """Read a file that `save_tensors` wrote; ValueError if it is truncated or not safetensors.

    Only tensors whose names begin with ``below`` are read; their names are returned without it.
    """
    try:
        if not below:
            return load_file(path)
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(below)]  # noqa: SIM118 (it is no mapping)
            return {name.removeprefix(below): file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise ValueError(f"checkpoint: {path} cannot be read ({error}); allowed: an intact safetensors file") from error
