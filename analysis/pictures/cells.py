"""The committed cells of a study as its pictures need them, and the images and declarations behind them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from mi_ray.experiments.declare import CDP, Crops, Labelled, Noise, NTXent, SameClass, SimCLR, SimCLRWithBlur, SupCon
from mi_ray.experiments.declare import Training as Declared
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.declare.identity import cell_key
from mi_ray.experiments.images.prepared import PreparedData
from mi_ray.experiments.store.cell import CommittedCell
from mi_ray.experiments.store.manifest import Damaged, read_manifest
from mi_ray.experiments.store.store import Store

READ_BACK: dict[str, type] = {
    kind.__name__: kind for kind in (CDP, Labelled, Noise, Crops, SameClass, SimCLR, SimCLRWithBlur, NTXent, SupCon)
}
"""Classes that a declaration is read back with, by the name in ``kind``; those of a user's own are not among them."""

UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, Damaged, Refused)
"""What reading a cell raises that is damaged or that another version wrote."""

T = TypeVar("T")


@dataclass(frozen=True)
class Seen:
    """A committed cell with its ``kind`` and its ``name`` in the study, such as ``training pairing=color``."""

    kind: str
    name: str
    cell: CommittedCell

    @property
    def key(self) -> str:
        return self.cell.key

    @property
    def label(self) -> str:
        """The name without its kind, or the key where nothing else is left."""
        return self.name.removeprefix(self.kind).strip() or self.key

    @property
    def upstream(self) -> str:
        """The key of the cell that this one rests on."""
        return str(self.cell.manifest.get("upstream"))

    @property
    def digest(self) -> str:
        """The digest of its images."""
        return str(self.cell.manifest.get("data_digest"))

    @cached_property
    def training(self) -> Declared | None:
        """The declaration of a training; None if it cannot be had back with the same key: it names classes of a user's
        own, or another version wrote it."""
        try:
            told = self.cell.declaration
            declared = Declared(
                data=_read_back(told["data"]), **{n: _read_back(v) for n, v in told["training"].items()}
            )
            return declared if cell_key(declared, self.digest) == self.key else None
        except UNREADABLE:
            return None


def seen(listed: Iterable[tuple[str, str, str]], store: Store) -> list[Seen]:
    """The cells that the store holds among those ``listed`` by key, kind and name, in that order."""
    found = []
    for key, kind, name in listed:
        try:
            cell = store.read(key)
            if isinstance(cell.manifest, dict):
                found.append(Seen(kind, name, cell))
        except UNREADABLE:
            continue
    return found


def images_of(digest: str, store: Store) -> PreparedData | None:
    """The prepared images of a digest in this store's folder; None if they are not there."""
    for manifest in sorted((store.root / "data").glob("*/manifest.json")):
        try:
            if read_manifest(manifest.parent)["digest"] == digest:
                return PreparedData(manifest.parent, digest)
        except UNREADABLE:
            continue
    return None


def spread(values: Sequence[T], most: int) -> list[T]:
    """All values, or ``most`` of them at even distances, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    return [values[round(place * (len(values) - 1) / max(most - 1, 1))] for place in range(most)]


def of_all(shown: int, there: int, word: str) -> str:
    """``4 of 12 encoders``, or ``4 encoders`` where all are shown."""
    return f"{shown} {word}" if shown == there else f"{shown} of {there} {word}, at even distances in the plan's order"


def _read_back(value: Any) -> Any:
    """A value of a declaration from its JSON."""
    if isinstance(value, dict):
        return READ_BACK[value["kind"]](**{name: _read_back(held) for name, held in value.items() if name != "kind"})
    return tuple(map(_read_back, value)) if isinstance(value, list) else value
