"""What a cell is called: a hash of the science alone. Paths, machines, trackers and retries never enter it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mi_ray.experiments.declare import Checkpoint, Declaration, data_of, upstream

PROTOCOL = {
    "Training": 1, "Checkpoint": 1, "Embedding": 1, "Views": 1, "Estimation": 3, "LinearEvaluation": 2, "Geometry": 2,
}  # fmt: skip
"""Version of what each kind of cell computes: raise it when its numbers move, and say so in the CHANGELOG."""

UPSTREAM_FIELDS = frozenset({"encoder", "embedding", "data"})
LABELS = {"Checkpoint": frozenset({"name", "source", "allow_code"})}
"""Fields that say where a thing is and what people call it, not what it is."""

LATER: dict[str, dict[str, Any]] = {"Training": {"batch_norm_parts": 1}}
"""Fields that came later, with what was the case before: at that value they are left out and keys stay the same."""

ABSENT = "absent"
"""Stands, with the path, for the contents of a checkpoint file that is not there: its cells are only ever listed."""


def kind(declaration: Declaration) -> str:
    """The kind of a cell, in lower case: training, checkpoint, embedding, views, estimation, evaluation, geometry."""
    return {"LinearEvaluation": "evaluation"}.get(type(declaration).__name__, type(declaration).__name__.lower())


def cell_key(declaration: Declaration, data_digest: str) -> str:
    """``kind-<hash>`` of the declaration, the data's content digest, the protocol version and the key upstream."""
    above = upstream(declaration)
    science = {
        "kind": type(declaration).__name__,
        "protocol": PROTOCOL[type(declaration).__name__],
        "declaration": _science(declaration),
        "upstream": cell_key(above, data_digest) if above else None,
        "data": data_digest,
    }
    return f"{kind(declaration)}-{hashlib.sha256(canonical(science).encode()).hexdigest()[:20]}"


def _science(declaration: Declaration) -> dict[str, Any]:
    """The fields that make the numbers; of a checkpoint file its contents, not its path."""
    labels = LABELS.get(type(declaration).__name__, frozenset())
    later = LATER.get(type(declaration).__name__, {})
    told = {
        name: value
        for name, value in own_fields(declaration).items()
        if name not in labels and not (name in later and value == later[name])
    }
    if isinstance(declaration, Checkpoint) and isinstance(declaration.source, str):
        told["sha256"] = contents(Path(declaration.source))
        del told["layout"]  # it is recognised by the contents
    return told


def contents(path: Path) -> str:
    """sha256 of a file, in hex, read once as long as it does not change; `ABSENT` and its path where there is none."""
    if not path.is_file():
        return f"{ABSENT}: {path}"
    status = path.stat()
    return _sha256(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _sha256(path: Path, size: int, modified: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def own_fields(declared: Any) -> dict[str, Any]:
    """The fields of a declared value without those upstream of it, as JSON values."""
    return {
        field.name: _plain(getattr(declared, field.name), field.type)
        for field in fields(declared)
        if field.name not in UPSTREAM_FIELDS
    }


def story(declaration: Declaration) -> dict[str, Any]:
    """The whole declaration, upstream and data included, as JSON values: what a cell's directory says of itself."""
    told: dict[str, Any] = {kind(declaration): own_fields(declaration)}
    above = upstream(declaration)
    data = data_of(declaration)
    return told | (story(above) if above else {"data": {"kind": type(data).__name__, **own_fields(data)}})


def canonical(value: object) -> str:
    """JSON with sorted keys and no spaces: equal values, equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(value: Any, annotation: Any) -> Any:
    if annotation == "float":
        return float(value)
    if is_dataclass(value):
        return {"kind": type(value).__name__, **own_fields(value)}
    return list(value) if isinstance(value, tuple) else value
