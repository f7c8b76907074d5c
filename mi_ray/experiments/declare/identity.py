"""Keys of cells: a hash of the science alone. Paths, machines, trackers and retries never enter it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mi_ray.experiments.declare.own.base import UPSTREAM_FIELDS, Own

if TYPE_CHECKING:
    from mi_ray.experiments.declare.kind import Kind

ABSENT = "absent"
"""Placeholder hash, with the path, of a missing checkpoint file: such cells can be listed, not computed."""


def cell_key(declaration: Kind, data_digest: str) -> str:
    """``kind-<hash>`` of the declaration, the data's content digest, the protocol version and the upstream key."""
    return key_of_science(declaration, declaration.science(), data_digest)


def key_of_science(declaration: Kind, science_of_declaration: Mapping[str, Any], data_digest: str) -> str:
    """The key of a declaration whose own part is already known, such as that of a checkpoint file which was read."""
    above = declaration.upstream
    science = {
        "kind": type(declaration).__name__,
        "protocol": declaration.protocol,
        "declaration": science_of_declaration,
        "upstream": cell_key(above, data_digest) if above else None,
        "data": data_digest,
    }
    return f"{declaration.kind}-{hashlib.sha256(canonical(science).encode()).hexdigest()[:20]}"


def contents(path: Path) -> str:
    """sha256 of a file in hex, computed again only if the file changes; `ABSENT` and the path if it is missing."""
    if not path.is_file():
        return f"{ABSENT}: {path}"
    status = path.stat()
    return _sha256(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _sha256(path: Path, size: int, modified: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def own_fields(declared: Any) -> dict[str, Any]:
    """The fields of a declared value as JSON values, without the fields that hold its upstream or images; of a class
    of a user's own with its protocol version."""
    version = {"protocol": declared.protocol} if isinstance(declared, Own) else {}
    return version | {
        field.name: _plain(getattr(declared, field.name), field.type)
        for field in fields(declared)
        if field.name not in UPSTREAM_FIELDS
    }


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as `own_fields` returns them, nested ones as ``<field>_<name>``, without those that are None."""
    flattened: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flattened |= {f"{name}_{nested}": inner for nested, inner in flat(value).items()}
        elif value is not None:
            flattened[name] = value
    return flattened


def story(declaration: Kind) -> dict[str, Any]:
    """The whole declaration, upstream and data included, as JSON values; a cell's folder holds it."""
    own: dict[str, Any] = {declaration.kind: own_fields(declaration)}
    above, data = declaration.upstream, declaration.encoder.data
    return own | (story(above) if above else {"data": {"kind": type(data).__name__, **own_fields(data)}})


def canonical(value: object) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(value: Any, annotation: Any) -> Any:
    """A JSON value; a float field that holds an int gives a float, so that equal declarations have equal keys."""
    if annotation in ("float", float):
        return float(value)
    if is_dataclass(value):
        return {"kind": type(value).__name__, **own_fields(value)}
    return [_plain(item, None) for item in value] if isinstance(value, tuple) else value
