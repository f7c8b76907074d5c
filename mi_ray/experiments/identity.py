"""What a cell is called: a hash of the science alone. Paths, machines, trackers and retries never enter it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from typing import Any

from mi_ray.experiments.declare import CDP, Declaration, Pairing, SameClass, SimCLR, training_of, upstream

PROTOCOL = {"Training": 1, "Embedding": 1, "Estimation": 2, "LinearEvaluation": 1}
"""Version of what each kind of cell computes: raise it when its numbers move, and say so in the CHANGELOG."""

UPSTREAM_FIELDS = frozenset({"training", "embedding", "data"})


def kind(declaration: Declaration) -> str:
    """The kind of a cell, in lower case: training, embedding, estimation or linear evaluation."""
    return {"LinearEvaluation": "evaluation"}.get(type(declaration).__name__, type(declaration).__name__.lower())


def cell_key(declaration: Declaration, data_digest: str) -> str:
    """``kind-<hash>`` of the declaration, the data's content digest, the protocol version and the key upstream."""
    above = upstream(declaration)
    science = {
        "kind": type(declaration).__name__,
        "protocol": PROTOCOL[type(declaration).__name__],
        "declaration": own_fields(declaration),
        "upstream": cell_key(above, data_digest) if above else None,
        "data": data_digest,
    }
    return f"{kind(declaration)}-{hashlib.sha256(canonical(science).encode()).hexdigest()[:20]}"


def own_fields(declaration: Declaration | Pairing | CDP) -> dict[str, Any]:
    """The fields of a declaration without those upstream of it, as JSON values."""
    return {
        field.name: _plain(getattr(declaration, field.name), field.type)
        for field in fields(declaration)
        if field.name not in UPSTREAM_FIELDS
    }


def story(declaration: Declaration) -> dict[str, Any]:
    """The whole declaration, upstream and data included, as JSON values: what a cell's directory says of itself."""
    told: dict[str, Any] = {kind(declaration): own_fields(declaration)}
    above = upstream(declaration)
    return told | (story(above) if above else {"data": own_fields(training_of(declaration).data)})


def canonical(value: object) -> str:
    """JSON with sorted keys and no spaces: equal values, equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(value: Any, annotation: Any) -> Any:
    if annotation == "float":
        return float(value)
    if isinstance(value, (SameClass, SimCLR)):
        return {"kind": type(value).__name__, **own_fields(value)}
    return list(value) if isinstance(value, tuple) else value
