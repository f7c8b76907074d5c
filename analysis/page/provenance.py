"""Where the numbers of a folder of figures come from, by the store: cells, versions, digests, machines."""

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

Manifest = Mapping[str, Any]
COUNTED = {
    "code version": "code_version",
    "data digest": "data_digest",
    "hardware": "hardware",
    "precision": "precision",
}
"""Facts that are values of manifests, by their label."""

VERSION = "version_"
FIELDS = ("key", "kind", "name", NOT_LEARNED)
UNKNOWN = "not recorded"


@dataclass(frozen=True)
class ListedCell:
    """A cell that figures are drawn from. ``not_learned``: why the encoder that it rests on did not learn, if so."""

    key: str
    kind: str
    name: str
    not_learned: str = ""


@dataclass(frozen=True)
class Provenance:
    """Cells that figures ask for, the keys that the store holds, their computing time, and facts about their origin."""

    cells: tuple[ListedCell, ...]
    committed: frozenset[str]
    seconds: float
    facts: dict[str, str]

    @property
    def trainings(self) -> frozenset[str]:
        """Keys of the trainings among the cells."""
        return frozenset(cell.key for cell in self.cells if cell.kind == "training")


def provenance(folder: Path, store: Store) -> Provenance:
    """The provenance of the cells that ``folder`` lists; empty where it lists none."""
    cells = listed_cells(folder / CELLS)
    manifests = {cell: manifest for cell in cells if (manifest := manifest_of(store, cell.key)) is not None}
    seconds = sum(_number(manifest.get("seconds")) for manifest in manifests.values())
    facts = facts_of(manifests, store) if manifests else {}
    return Provenance(cells, frozenset(cell.key for cell in manifests), seconds, facts)


def listed_cells(path: Path) -> tuple[ListedCell, ...]:
    """The cells of a list, each key once; rows whose key would name something outside the store are left out."""
    try:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            rows = [[str(row.get(name) or "") for name in FIELDS] for row in csv.DictReader(file)]
    except (OSError, csv.Error):
        return ()
    safe = [row for row in rows if row[0] not in ("", ".", "..") and not set(row[0]) & set("/\\\0")]
    return tuple({row[0]: ListedCell(*row) for row in safe}.values())


def manifest_of(store: Store, key: str) -> Manifest | None:
    """A committed cell's manifest; None if there is none, or none that can be read."""
    try:
        manifest = store.read(key).manifest
    except (OSError, ValueError, KeyError):
        return None
    return manifest if isinstance(manifest, dict) else None


def facts_of(manifests: Mapping[ListedCell, Manifest], store: Store) -> dict[str, str]:
    """Code, data, hardware, packages, protocols, seeds and times of committed cells, by label."""
    values = list(manifests.values())
    packages = sorted({name for manifest in values for name in manifest if name.startswith(VERSION)})
    versions = [f"{name.removeprefix(VERSION)} {_counted(m.get(name, UNKNOWN) for m in values)}" for name in packages]
    protocols = {f"{cell.kind} {manifest.get('protocol', UNKNOWN)}" for cell, manifest in manifests.items()}
    return {
        **{label: _counted(m.get(name, UNKNOWN) for m in values) for label, name in COUNTED.items()},
        "package versions": ", ".join(versions) or UNKNOWN,
        "protocol": ", ".join(sorted(protocols)),
        "seeds": seeds_of(manifests, store),
        "computed": _period([_number(manifest.get("committed_at")) for manifest in values]),
    }


def _counted(values: Iterable[object]) -> str:
    """Different values, the most frequent first, with their counts where there are several."""
    counts = Counter(map(str, values)).most_common()
    return ", ".join(
        value if len(counts) == 1 else f"{value} (\N{MULTIPLICATION SIGN}{times})" for value, times in counts
    )


def seeds_of(cells: Iterable[ListedCell], store: Store) -> str:
    """The seeds in cells' own declarations, by kind."""
    seeds: dict[str, set[str]] = {}
    for cell in cells:
        seed = _seed_of(store.read(cell.key), cell.kind)
        if seed is not None:
            seeds.setdefault(cell.kind, set()).add(str(seed))
    by_kind = {kind: sorted(texts, key=lambda text: (len(text), text)) for kind, texts in seeds.items()}
    return "; ".join(f"{kind} {', '.join(texts)}" for kind, texts in by_kind.items()) or UNKNOWN


def _seed_of(cell: CommittedCell, kind: str) -> object:
    """The seed in a cell's own declaration, None if it has none."""
    try:
        declared = cell.declaration
    except (OSError, ValueError):
        return None
    own = declared.get(kind) if isinstance(declared, dict) else None
    return own.get("seed") if isinstance(own, dict) else None


def _period(times: Sequence[float]) -> str:
    """From the first to the last time, in UTC to the minute; 0 is a time that is not known."""
    known = sorted(time for time in times if time > 0)
    if not known:
        return UNKNOWN
    first, last = (datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M") for time in (known[0], known[-1]))
    return f"{first} UTC" if first == last else f"{first} to {last} UTC"


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and 0 <= value < 1e11 else 0.0


def shared_trainings(provenances: Mapping[str, Sequence[Provenance]]) -> tuple[int, int]:
    """Trainings of more than one study, and how many trainings that saved. ``provenances``: by study."""
    trainings = [frozenset().union(*(p.trainings for p in of_study)) for of_study in provenances.values()]
    several = [times for times in Counter(key for keys in trainings for key in keys).values() if times > 1]
    return len(several), sum(several) - len(several)
