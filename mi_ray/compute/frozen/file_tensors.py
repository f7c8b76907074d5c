"""The tensors of a checkpoint file, by dotted path."""

from __future__ import annotations

import hashlib
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import torch
from torch import Tensor

from mi_ray.compute.frozen.file_kinds import TENSORS_ALONE, Format, format_of
from mi_ray.compute.frozen.pickle_limits import Excess, refuse_excess
from mi_ray.compute.numerics.regular_files import open_regular
from mi_ray.compute.numerics.tensor_files import load_tensors

DEEPEST, LONGEST, MOST_TENSORS, MOST_ENTRIES = 100, 1000, 100_000, 1_000_000
"""Limits of the nested dicts of a file: levels, characters of a dotted path, tensors, and entries of all kinds. A dict
that stands in several places counts in each, since each path to a tensor is a name of it."""

_PICKLES_OF_OLD = 5
"""Pickles at the beginning of a file in the old format: magic number, version, machine, content, names of storages."""

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

    ValueError names a file of another kind (`format_of`), one that is truncated or holds no tensors, or more than the
    limits allow, and a pickle that needs code, with the first global that it needs.
    """
    kind = format_of(path)
    with open_regular(path) as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    content, ran_code = (load_tensors(path), False) if kind == "safetensors" else _unpickled(path, kind, allow_code)
    try:
        tensors = dict(_dotted(content)) if isinstance(content, Mapping) else {}
    except Excess as error:
        raise ValueError(f"checkpoint: {path} cannot be read ({error}); allowed: {TENSORS_ALONE}") from error
    if not tensors:
        raise ValueError(f"checkpoint: {path} holds a {type(content).__name__}; allowed: a dict with tensors in it")
    return CheckpointState(tensors, sha256, ran_code)


def _unpickled(path: Path, kind: Format, allow_code: bool) -> tuple[Any, bool]:
    """The content of a pickle, and whether its code ran."""
    try:
        if not allow_code:
            _refuse_excess(path, kind)
        return _loaded(path, weights_only=True), False
    except Excess as error:
        raise ValueError(f"checkpoint: {path} cannot be read ({error}); allowed: {TENSORS_ALONE}") from error
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


def _refuse_excess(path: Path, kind: Format) -> None:
    """`Excess` if a pickle of the file is beyond the limits; any other exception if it is damaged."""
    with open_regular(path) as file:
        if kind == "pickle":
            return refuse_excess([file] * _PICKLES_OF_OLD)
        with zipfile.ZipFile(file) as archive, ExitStack() as opened:
            names = [name for name in archive.namelist() if name.endswith(".pkl")]
            refuse_excess(opened.enter_context(archive.open(name)) for name in names)


def _loaded(path: Path, *, weights_only: bool) -> Any:
    """The content of a file, which is handed over open, because `torch.load` goes by the suffix of a path."""
    with open_regular(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the protocol of its pickle
        return torch.load(cast("IO[bytes]", file), map_location="cpu", weights_only=weights_only)


def _unreadable(path: Path, error: Exception) -> ValueError:
    """The fault without PyTorch's advice, which is to run the file's code."""
    first = (str(error) or type(error).__name__).splitlines()[0]
    reason = "its pickle is cut off or damaged" if "weights_only" in str(error) else first
    return ValueError(f"checkpoint: {path} cannot be read ({reason}); allowed: an intact file of torch.save")


def _dotted(content: Mapping[Any, Any]) -> Iterator[tuple[str, Tensor]]:
    """The tensors in nested dicts, in order, by dotted path; `Excess` if there is more than the limits allow, as in a
    dict that holds itself."""
    entered, entries, found = [("", iter(content.items()))], 0, 0
    while entered:
        prefix, left = entered[-1]
        for key, value in left:
            entries += 1
            if entries > MOST_ENTRIES:
                raise Excess(f"its dicts hold more than {MOST_ENTRIES:,} entries")
            if not isinstance(value, Tensor | Mapping):
                continue
            path = f"{prefix}{str(key)[: LONGEST + 1]}"
            if len(path) > LONGEST:
                raise Excess(f"a tensor's path has more than {LONGEST:,} characters")
            if isinstance(value, Mapping):
                entered.append((f"{path}.", iter(value.items())))
                break
            found += 1
            if found > MOST_TENSORS:
                raise Excess(f"it names more than {MOST_TENSORS:,} tensors")
            yield path, value.detach()
        else:
            entered.pop()
        if len(entered) > DEEPEST:
            raise Excess(f"its dicts are nested more than {DEEPEST} levels deep, or hold themselves")
