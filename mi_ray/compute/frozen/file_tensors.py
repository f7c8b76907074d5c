"""The tensors of a checkpoint file, by dotted path."""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import torch
from torch import Tensor

from mi_ray.compute.frozen.file_kinds import TENSORS_ALONE, format_of
from mi_ray.compute.numerics.tensor_files import load_tensors

_GLOBAL = re.compile(r"GLOBAL (\S+)")


@dataclass(frozen=True, eq=False)
class CheckpointState:
    """The tensors of a file by dotted path, the sha256 (hex) of the file, and whether reading it ran code from it."""

    tensors: dict[str, Tensor]
    sha256: str
    ran_code: bool


def read_state(path: Path, *, allow_code: bool = False) -> CheckpointState:
    """Read a file of safetensors or of `torch.save`, whatever its name, without running code from it unless
    ``allow_code``.

    ValueError names a file of another kind (`format_of`), one that is truncated or holds no tensors, and a pickle that
    needs code, with the first global that it needs.
    """
    kind = format_of(path)
    with open(path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    content, ran_code = (load_tensors(path), False) if kind == "safetensors" else _unpickled(path, allow_code)
    tensors = _dotted(content) if isinstance(content, Mapping) else {}
    if not tensors:
        raise ValueError(f"checkpoint: {path} holds a {type(content).__name__}; allowed: a dict with tensors in it")
    return CheckpointState(tensors, sha256, ran_code)


def _unpickled(path: Path, allow_code: bool) -> tuple[Any, bool]:
    """The content of a pickle, and whether its code ran."""
    try:
        return _loaded(path, weights_only=True), False
    except Exception as error:  # a truncated pickle may raise anything
        if not allow_code:
            needed = _GLOBAL.search(str(error)) if isinstance(error, pickle.UnpicklingError) else None
            if needed is None:
                raise _unreadable(path, error) from error
            raise ValueError(
                f"checkpoint: {path} needs code to be read ({needed[1]}), and mi-ray reads tensors alone;"
                f" allowed: {TENSORS_ALONE}, such as the network's state dict without the options of its run"
            ) from error
    try:
        return _loaded(path, weights_only=False), True
    except Exception as error:  # the file's code may raise anything
        raise _unreadable(path, error) from error


def _loaded(path: Path, *, weights_only: bool) -> Any:
    """The content of a file, which is handed over open, because `torch.load` goes by the suffix of a path."""
    with open(path, "rb") as file:
        return torch.load(cast("IO[bytes]", file), map_location="cpu", weights_only=weights_only)


def _unreadable(path: Path, error: Exception) -> ValueError:
    """The fault without PyTorch's advice, which is to run the file's code."""
    first = (str(error) or type(error).__name__).splitlines()[0]
    reason = "its pickle is cut off or damaged" if "weights_only" in str(error) else first
    return ValueError(f"checkpoint: {path} cannot be read ({reason}); allowed: an intact file of torch.save")


def _dotted(content: Mapping[Any, Any], prefix: str = "") -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for key, value in content.items():
        if isinstance(value, Tensor):
            tensors[f"{prefix}{key}"] = value.detach()
        elif isinstance(value, Mapping):
            tensors |= _dotted(value, f"{prefix}{key}.")
    return tensors
