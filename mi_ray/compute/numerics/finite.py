"""Refusal of values that are NaN or infinite, at the place where they arise: no number is published that holds one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from math import isfinite

import numpy as np
import torch
from torch import Tensor

from mi_ray.theory.listing import listed

_ALLOWED = "allowed: finite numbers"


class NotFinite(ValueError):
    """A value is NaN or infinite. The text says where, names the first of them and counts the rest."""


def refuse_rows(name: str, rows: np.ndarray | Tensor, names: Sequence[str] = ()) -> None:
    """NotFinite unless every value of ``rows`` [n, ...] is finite; rows are called by ``names`` [n], or by number."""
    numbers = rows if isinstance(rows, Tensor) else torch.from_numpy(np.ascontiguousarray(rows))
    finite = numbers.isfinite().flatten(1).all(1) if numbers.ndim > 1 else numbers.isfinite()
    if lost := torch.nonzero(~finite).flatten().tolist():
        called = listed([names[row] if names else f"row {row}" for row in lost])
        raise NotFinite(f"{name}: {len(lost)} of {len(numbers)} rows hold NaN or infinity ({called}); {_ALLOWED}")


def refuse_tensors(name: str, tensors: Mapping[str, Tensor], limits: Callable[[], Collection[str]] = tuple) -> None:
    """NotFinite unless every value of every tensor is finite.

    ``limits`` gives the names of tensors that may be infinite, but not NaN; it is asked only where one is not finite.
    """
    lost = {key: count for key, tensor in tensors.items() if (count := int((~tensor.isfinite()).sum()))}
    free = limits() if lost else ()
    lost = {key: count for key, count in lost.items() if key not in free or tensors[key].isnan().any()}
    if lost:
        called = listed([f"{key}: {count} of {tensors[key].numel()} values" for key, count in lost.items()])
        raise NotFinite(f"{name}: {len(lost)} of {len(tensors)} tensors hold NaN or infinity ({called}); {_ALLOWED}")


def refuse_numbers(name: str, values: Mapping[str, object]) -> None:
    """NotFinite unless every number among some values by name is finite."""
    lost = [f"{key} is {value}" for key, value in values.items() if isinstance(value, float) and not isfinite(value)]
    if lost:
        raise NotFinite(f"{name}: {listed(lost)}; {_ALLOWED}")
