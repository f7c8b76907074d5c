"""The results of a store as a data frame, read from its cells alone: no MLflow, no study."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.declare.identity import flat
from mi_ray.experiments.declare.measures import measure_named
from mi_ray.experiments.declare.pairings import SimCLR, SimCLRWithBlur, pairing_name
from mi_ray.experiments.store.cell import CommittedCell
from mi_ray.experiments.store.manifest import Damaged
from mi_ray.experiments.store.store import Store, store_at

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("training", "checkpoint", "embedding", "views", "evaluation", "estimation", "geometry", "knn", "quality")
NAMES = {type(pairing).__name__: pairing_name(pairing) for pairing in (SimCLR(), SimCLRWithBlur())}
FIRST = ("key", "kind", "pairing", "task", "arch", "seed")
"""The first columns of both tables."""


def read(store: str | Path = "runs", *, long: bool = False) -> pd.DataFrame:
    """The finished cells of a store, a folder or bucket. Every file is checked against its manifest.

    One row per cell: ``key``, ``kind``, ``pairing``, ``task``, ``arch``, ``seed``, then every field of its declaration
    as ``<layer>.<field>``, such as ``training.temperature``, then every value of its result, then ``seconds`` and
    ``committed`` (UTC). ``long``: one row per number instead: ``measure``, ``value``, ``standard_error``, ``unit``.
    Cells whose files do not match are left out, one warning each; `Refused` if there is no store.
    """
    import pandas as pd

    rows = [row for cell in cells_of(store) for row in (measured(cell) if long else [wide(cell)])]
    frame = pd.DataFrame(rows, columns=None if rows else list(FIRST))
    fields = [name for name in frame.columns if "." in name]
    others = [name for name in frame.columns if name not in FIRST and name not in fields]
    lacking = [name for name in FIRST if name not in frame.columns]
    ordered = [name for name in FIRST if name not in lacking]
    return frame[[*ordered, *others, *fields] if long else [*ordered, *fields, *others]]


def cells_of(place: str | Path) -> Iterator[CommittedCell]:
    """The intact cells of a store, the encoders first; a damaged one gives a warning."""
    store = existing(place)
    for key in sorted(store.backend.present(), key=_by_kind):
        try:
            cell = store.read(key)
            _ = cell.manifest, cell.declaration, cell.result
        except Damaged as reason:
            warnings.warn(str(reason), stacklevel=2)
            continue
        yield cell


def existing(place: str | Path) -> Store:
    """The store at a place; `Refused` if there is none, or if it cannot be reached."""
    store = store_at(place)
    if store.bucket is None and not store.cells.is_dir():
        raise Refused(f"store: {str(place)!r} is not there; allowed: the store of a study, after a first run")
    store.refuse_if_unreachable()
    return store


def wide(cell: CommittedCell) -> dict[str, Any]:
    """A cell as one row."""
    result = {name: value for name, value in cell.result.items() if not isinstance(value, (list, dict))}
    return described(cell) | result | timing(cell)


def timing(cell: CommittedCell) -> dict[str, Any]:
    """Seconds that the computation took, and when it was committed (UTC)."""
    seconds, at = cell.manifest.get("seconds"), cell.manifest.get("committed_at")
    return {"seconds": seconds, "committed": datetime.fromtimestamp(at, UTC) if at else None}


def measured(cell: CommittedCell) -> Iterator[dict[str, Any]]:
    """A row for each number of a cell's result that is no standard error of another."""
    own, result = described(cell), cell.result
    numbers = {name: v for name, v in result.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
    errors = {error for name in numbers if (error := measure_named(name).error) in numbers}
    for name in [name for name in numbers if name not in errors]:
        known = measure_named(name)
        value = {
            "measure": name,
            "value": numbers[name],
            "standard_error": numbers.get(known.error),
            "unit": known.unit,
        }
        yield own | value


def described(cell: CommittedCell) -> dict[str, Any]:
    """Key, kind and the fields of a declaration and of all upstream of it."""
    layers: Mapping[str, Any] = cell.declaration
    kind = kind_of(cell.key)
    fields = {f"{layer}.{name}": _cell(value) for layer, own in layers.items() for name, value in flat(own).items()}
    encoder = layers.get("training") or layers.get("checkpoint") or {}
    pairing = (layers.get("training") or {}).get("pairing") or {}
    question = layers.get(kind, {})
    task = question.get("task") or (question.get("pairing") or {}).get("task")
    names = {
        "key": cell.key,
        "kind": kind,
        "pairing": pairing.get("task") or NAMES.get(str(pairing.get("kind")), pairing.get("kind")),
        "task": None if kind == "training" else task,
        "arch": encoder.get("arch"),
        "seed": encoder.get("seed"),
    }
    return names | fields


def kind_of(key: str) -> str:
    """The kind of the cell with a key."""
    return key.rpartition("-")[0]


def _cell(value: Any) -> Any:
    """A value that fits a column."""
    return " ".join(map(str, value)) if isinstance(value, list) else value


def _by_kind(key: str) -> tuple[int, str]:
    kind = kind_of(key)
    return (KINDS.index(kind) if kind in KINDS else len(KINDS)), key
