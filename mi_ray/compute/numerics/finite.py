"""Checks that raise `NotFinite` where NaN or infinity first arises, so that no published number depends on one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from math import isfinite

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mi_ray.theory.listing import listed

ROWS = 8192
"""Number of rows that are looked at at a time."""

_ALLOWED = "allowed: finite numbers"


class NotFinite(ValueError):
    """A value is NaN or infinite. The message names the place and the first such values, and counts the rest."""


def refuse_rows(name: str, rows: np.ndarray | Tensor, names: Sequence[str] = (), first: int = 0) -> None:
    """Raise NotFinite unless every value of ``rows`` [n, ...] is finite. The message lists the bad rows, by ``names``
    [n] if given, else by number, from ``first`` on."""
    finite = np.concatenate([_finite(rows[i : i + ROWS]) for i in range(0, max(1, len(rows)), ROWS)])
    if bad_rows := np.flatnonzero(~finite).tolist():
        shown = listed([names[row] if names else f"row {first + row}" for row in bad_rows])
        raise NotFinite(f"{name}: {len(bad_rows)} of {len(rows)} rows hold NaN or infinity ({shown}); {_ALLOWED}")


def _finite(rows: np.ndarray | Tensor) -> NDArray[np.bool_]:
    """Whether each row is finite."""
    finite = rows.isfinite().cpu().numpy() if isinstance(rows, Tensor) else np.isfinite(rows)
    return np.asarray(finite.reshape(len(rows), -1).all(1)) if finite.size else np.ones(len(rows), dtype=bool)


def refuse_tensors(name: str, tensors: Mapping[str, Tensor], limits: Callable[[], Collection[str]] = tuple) -> None:
    """Raise NotFinite unless every value of every tensor is finite.

    ``limits`` returns the names of tensors that may hold infinity, but not NaN; it is called only if some tensor holds
    either.
    """
    bad = {key: count for key, tensor in tensors.items() if (count := int((~tensor.isfinite()).sum()))}
    may_be_infinite = limits() if bad else ()
    bad = {key: count for key, count in bad.items() if key not in may_be_infinite or tensors[key].isnan().any()}
    if bad:
        counts = listed([f"{key}: {count} of {tensors[key].numel()} values" for key, count in bad.items()])
        raise NotFinite(f"{name}: {len(bad)} of {len(tensors)} tensors hold NaN or infinity ({counts}); {_ALLOWED}")


def refuse_numbers(name: str, values: Mapping[str, object]) -> None:
    """Raise NotFinite unless every float in ``values`` (by name) is finite."""
    bad = [f"{key} is {value}" for key, value in values.items() if isinstance(value, float) and not isfinite(value)]
    if bad:
        raise NotFinite(f"{name}: {listed(bad)}; {_ALLOWED}")
