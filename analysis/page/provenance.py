"""Where the numbers of a folder of figures come from, as the store tells it: cells, versions, digests, machines."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analysis.verdict import CELLS
from mi_ray.experiments.declare.measures import NOT_LEARNED
from mi_ray.experiments.store.store import CommittedCell, Store

Facts = dict[str, str]
PLAIN = {
    "code version": "code_version",
    "data digest": "data_digest",
    "hardware": "hardware",
    "precision": "precision",
}
VERSION = "version_"
FIELDS = ("key", "kind", "name", NOT_LEARNED)
UNKNOWN = "not recorded"


@dataclass(frozen=True)
class Named:
    """A cell that figures are drawn from."""

    key: str
    kind: str
    name: str
    not_learned: str = ""
    """Why the encoder that it rests on did not learn; empty if nothing is against it."""


@dataclass(frozen=True)
class Record:
    """Cells that figures ask for, those of them that the store holds, and what these say of their origin."""

    named: tuple[Named, ...]
    committed: frozenset[str]
    seconds: float
    facts: Facts

    @property
    def trainings(self) -> frozenset[str]:
        """Keys of the trainings among the cells."""
        return frozenset(cell.key for cell in self.named if cell.kind == "training")


def record(folder: Path, store: Store) -> Record:
    """What the store says of the cells that ``folder`` lists; nothing where it lists none."""
    named = _named(folder / CELLS)
    found = {cell.key: told for cell in named if (told := _manifest(store, cell.key)) is not None}
    told = [(cell, found[cell.key]) for cell in named if cell.key in found]
    seconds = sum(_number(manifest.get("seconds")) for manifest in found.values())
    return Record(named, frozenset(found), seconds, _facts(told, store) if told else {})


def _named(path: Path) -> tuple[Named, ...]:
    try:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            rows = [[str(row.get(name) or "") for name in FIELDS] for row in csv.DictReader(file)]
    except (OSError, csv.Error):
        return ()
    return tuple({row[0]: Named(*row) for row in rows if _is_name(row[0])}.values())


def _is_name(key: str) -> bool:
    """Whether a key names a folder of the store, and nothing outside it."""
    return key not in ("", ".", "..") and not set(key) & set("/\\\0")


def _manifest(store: Store, key: str) -> Mapping[str, Any] | None:
    """A committed cell's manifest; None if there is none, or none that can be read."""
    try:
        told = store.read(key).manifest
    except (OSError, ValueError, KeyError):
        return None
    return told if isinstance(told, dict) else None


def _facts(told: Sequence[tuple[Named, Mapping[str, Any]]], store: Store) -> Facts:
    manifests = [manifest for _, manifest in told]
    counted = {label: _counted(manifest.get(name, UNKNOWN) for manifest in manifests) for label, name in PLAIN.items()}
    packages = sorted({name for manifest in manifests for name in manifest if name.startswith(VERSION)})
    versions = [
        f"{name.removeprefix(VERSION)} {_counted(m.get(name, UNKNOWN) for m in manifests)}" for name in packages
    ]
    protocols = {f"{cell.kind} {manifest.get('protocol', UNKNOWN)}" for cell, manifest in told}
    return {
        **counted,
        "package versions": ", ".join(versions) or UNKNOWN,
        "protocol": ", ".join(sorted(protocols)),
        "seeds": _seeds([cell for cell, _ in told], store),
        "computed": _span([_number(manifest.get("committed_at")) for manifest in manifests]),
    }


def _counted(values: Iterable[object]) -> str:
    """Different values, the most frequent first, with how often each stands there where they are several."""
    found = Counter(map(str, values)).most_common()
    return ", ".join(
        value if len(found) == 1 else f"{value} (\N{MULTIPLICATION SIGN}{times})" for value, times in found
    )


def _seeds(cells: Sequence[Named], store: Store) -> str:
    found: dict[str, set[str]] = {}
    for cell in cells:
        seed = _seed(store.read(cell.key), cell.kind)
        if seed is not None:
            found.setdefault(cell.kind, set()).add(str(seed))
    return "; ".join(f"{kind} {', '.join(sorted(seeds, key=_natural))}" for kind, seeds in found.items()) or UNKNOWN


def _natural(text: str) -> tuple[int, str]:
    return len(text), text


def _seed(cell: CommittedCell, kind: str) -> object:
    """The seed in a cell's own declaration, None if it has none."""
    try:
        declared = cell.declaration
    except (OSError, ValueError):
        return None
    own = declared.get(kind) if isinstance(declared, dict) else None
    return own.get("seed") if isinstance(own, dict) else None


def _span(times: Sequence[float]) -> str:
    known = sorted(time for time in times if time > 0)
    if not known:
        return UNKNOWN
    first, last = (datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M") for time in (known[0], known[-1]))
    return f"{first} UTC" if first == last else f"{first} to {last} UTC"


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and 0 <= value < 1e11 else 0.0


def shared_trainings(records: Mapping[str, Sequence[Record]]) -> tuple[int, int]:
    """Trainings that more than one study names, and how many trainings that saved. ``records``: by study."""
    studies = Counter(key for of_study in records.values() for key in _together(of_study))
    several = [times for times in studies.values() if times > 1]
    return len(several), sum(several) - len(several)


def _together(records: Sequence[Record]) -> frozenset[str]:
    return frozenset().union(*(record.trainings for record in records))
