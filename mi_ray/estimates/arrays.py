"""Arrays that a user has: numpy, torch, pandas, lists, or files (.npy, .npz, .parquet, .csv, .safetensors).

A file with several arrays is asked by ``FILE:NAME``. Nothing of a file runs: pickled arrays are refused.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from mi_ray.compute.numerics.finite import NotFinite, refuse_rows
from mi_ray.compute.numerics.regular_files import size_of
from mi_ray.experiments.declare.checks import Refused, refuse
from mi_ray.theory.listing import listed

FORMS = "a numpy array, a torch tensor, a pandas object, a list, or a file of .npy, .npz, .parquet, .csv, .safetensors"


def matrix(name: str, given: Any, preferred: Collection[str] = ()) -> Float32[np.ndarray, "n width"]:
    """Rows of finite numbers; a vector becomes one column. Bad shape, type or values: `Refused`, by the name.

    ``preferred``: names under which a file with several arrays is searched.
    """
    array = array_of(name, given, preferred, dimensions=2)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or not array.size:
        raise Refused(f"{name}: an array of shape {array.shape} is not allowed; allowed: [rows, columns]")
    if array.dtype.kind not in "fiub":
        raise Refused(f"{name}: values of type {array.dtype} are not allowed; allowed: real numbers")
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(array, dtype=np.float32)
    try:
        refuse_rows(name, rows)
    except NotFinite as error:
        raise Refused(str(error)) from error
    return rows


def codes(name: str, given: Any, n: int, preferred: Collection[str] = ()) -> tuple[Int64[np.ndarray, " n"], list[str]]:
    """The number of each row's value, and the sorted values as texts; `Refused` unless there are ``n`` values, none of
    which is missing or a fraction."""
    values = array_of(name, given, preferred, dimensions=1)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.shape != (n,):
        raise Refused(
            f"{name}: an array of shape {values.shape} is not allowed; allowed: one value for each of {n} rows"
        )
    if values.dtype.kind == "O":
        missing = np.array([value is None or value != value for value in values])
        values = np.array([str(value) for value in values])
    elif values.dtype.kind == "f":
        missing = ~np.isfinite(values)
    elif values.dtype.kind in "iubU":
        missing = np.zeros(n, dtype=bool)
    else:
        raise Refused(f"{name}: values of type {values.dtype} are not allowed; allowed: whole numbers or texts")
    if missing.any():
        raise Refused(
            f"{name}: {missing.sum()} of {n} values are missing ({_rows(missing)}); allowed: a value for each"
        )
    if values.dtype.kind == "f" and (values % 1 != 0).any():
        raise Refused(
            f"{name}: {np.count_nonzero(values % 1)} of {n} values are fractions ({_rows(values % 1 != 0)});"
            f" allowed: whole numbers or texts"
        )
    known, number = np.unique(values.astype(np.int64) if values.dtype.kind == "f" else values, return_inverse=True)
    return number.astype(np.int64), [str(value) for value in known]


def _rows(chosen: np.ndarray) -> str:
    return listed([f"row {row}" for row in np.flatnonzero(chosen).tolist()])


def array_of(name: str, given: Any, preferred: Collection[str] = (), *, dimensions: int) -> np.ndarray:
    """What a user gave as an array; `Refused` if it is none, or a file that holds none."""
    if isinstance(given, (str, os.PathLike)):
        given = from_file(name, os.fspath(given), preferred, dimensions)
    if hasattr(given, "detach"):  # a tensor of torch, on any device; numpy knows no bfloat16
        given = given.detach().cpu()
        given = given.float().numpy() if given.is_floating_point() else given.numpy()
    try:
        return np.asarray(given)
    except (ValueError, TypeError) as error:
        raise Refused(f"{name}: {type(given).__name__} is no array ({error}); allowed: {FORMS}") from error


def from_file(name: str, place: str, preferred: Collection[str], dimensions: int) -> Any:
    """The array that a file holds; of several, the one that ``place`` names after a colon, the one with a ``preferred``
    name, or the only one of so many ``dimensions``."""
    file, asked = _parts(place)
    try:
        size_of(file)
    except OSError as error:
        raise Refused(f"{name}: {str(file)!r} cannot be read ({error.strerror}); allowed: {FORMS}") from error
    if (reader := READERS.get(file.suffix.lower())) is None:
        raise refuse(name, str(file), f"a file of {', '.join(READERS)}")
    try:
        arrays = reader(file)
    except Refused:
        raise
    except Exception as error:  # readers raise almost anything for a damaged file
        reason = " ".join(str(error).split())[:200]
        raise Refused(f"{name}: {str(file)!r} cannot be read ({reason}); allowed: an intact file") from error
    return arrays[_chosen(name, file, asked, arrays, preferred, dimensions)]


def names_in(file: str) -> tuple[str, ...]:
    """The names of the arrays in an .npz file; none of another file."""
    if not zipfile.is_zipfile(file) or not file.endswith(".npz"):
        return ()
    with np.load(file, allow_pickle=False) as archive:
        return tuple(archive.files)


def _parts(place: str) -> tuple[Path, str]:
    """File and array of ``FILE:NAME``; a file whose own name has a colon is taken as it is."""
    file, colon, asked = place.rpartition(":")
    return (Path(place), "") if not colon or Path(place).exists() else (Path(file), asked)


def _chosen(
    name: str, file: Path, asked: str, arrays: dict[str, Any], preferred: Collection[str], dimensions: int
) -> str:
    if asked:
        if asked not in arrays:
            raise refuse(name, f"{file}:{asked}", f"one of {', '.join(sorted(arrays))}")
        return asked
    fitting = [key for key, array in arrays.items() if np.ndim(array) == dimensions]
    for candidates in ([key for key in preferred if key in arrays], fitting, list(arrays)):
        if len(candidates) == 1 or (candidates and candidates[0] in preferred):
            return candidates[0]
    held = ", ".join(f"{key} {tuple(np.shape(array))}" for key, array in sorted(arrays.items())) or "nothing"
    raise Refused(f"{name}: {str(file)!r} holds {held}; allowed: {file.name}:NAME, with the name of one array")


# Readers: file -> arrays by name


def _npy(file: Path) -> dict[str, Any]:
    return {file.stem: np.load(file, allow_pickle=False)}


def _npz(file: Path) -> dict[str, Any]:
    if not zipfile.is_zipfile(file):
        raise ValueError("it is no archive of numpy")
    with np.load(file, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def _safetensors(file: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(file))


def _table(read: str) -> Callable[[Path], dict[str, Any]]:
    """A reader of a table: every column, and ``numbers``, all columns of numbers side by side."""

    def reader(file: Path) -> dict[str, Any]:
        import pandas as pd

        frame = getattr(pd, read)(file)
        numbers = frame.select_dtypes("number")
        columns = {str(column): _column(frame[column]) for column in frame}
        return ({"numbers": numbers.to_numpy()} if numbers.shape[1] > 1 else {}) | columns

    return reader


def _column(values: Any) -> Any:
    """A column; one of lists, as parquet keeps embeddings, as rows."""
    first = values.iloc[0] if len(values) else None
    return np.stack([np.asarray(row) for row in values]) if isinstance(first, (list, np.ndarray)) else values.to_numpy()


READERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".parquet": _table("read_parquet"),
    ".csv": _table("read_csv"),
    ".safetensors": _safetensors,
}
