"""What tells cells apart: their names, and where they stand in matrices and tables. Only replicates share a place.

Every matrix on the screen, heatmap, table and report takes from `telling` what it has to show beside its own rows and
columns; every name comes from `distinct_names`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mi_ray.experiments.declare import encoder_of
from mi_ray.experiments.declare.parameters import is_detail, is_replicate, parameters

if TYPE_CHECKING:
    from mi_ray.experiments.plan.plan import Cell

SHORT = 8
"""Characters of a hash that stand for it in a name."""

Place = tuple[str, ...]
Naming = Callable[["Cell"], Mapping[str, str]]


def telling(cells: Iterable[Cell], shown: Collection[str], named: Naming | None = None) -> tuple[str, ...]:
    """Parameters that tell apart cells which agree in all that is ``shown``; afterwards only replicates are alike.

    As few as a greedy choice finds, those of the encoder first, so that cells of several kinds get the same ones.
    ``named``: further names of a cell, among them some that are shown.
    """
    listed = list(cells)
    rows = [{**cell.parameters, **(named(cell) if named else {})} for cell in listed]
    of_encoder = {name for cell in listed for name in parameters(encoder_of(cell.declaration))}
    asked = [name for name in names_in(rows) if name not in shown and not is_replicate(name)]
    places: list[tuple[str | None, ...]] = [tuple(row.get(name) for name in shown) for row in rows]
    chosen: list[str] = []
    for tier in ([n for n in asked if n in of_encoder], [n for n in asked if n not in of_encoder]):
        while name := _best_split(tier, rows, places):
            chosen.append(name)
            places = [(*place, row.get(name)) for place, row in zip(places, rows, strict=True)]
    return tuple(sorted(chosen, key=asked.index))


def names_in(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """All names of parameters in order of appearance, those that spell out others last."""
    return sorted(dict.fromkeys(name for row in rows for name in row), key=is_detail)


def _best_split(
    names: Sequence[str], rows: Sequence[Mapping[str, str]], places: Sequence[tuple[str | None, ...]]
) -> str:
    """The name that makes most places of those there are; empty where none makes any more."""
    counts = {n: len({(p, row.get(n)) for p, row in zip(places, rows, strict=True)}) for n in names}
    best = max(counts, key=counts.__getitem__, default="")
    return best if best and counts[best] > len(set(places)) else ""


def place_title(names: Iterable[str], values: Iterable[str]) -> str:
    """``k_tr=8, temperature=0.2``; a parameter that a cell lacks is left out."""
    return ", ".join(f"{name}={value}" for name, value in zip(names, values, strict=True) if value != "")


def place_of(cell: Cell, names: Iterable[str]) -> Place:
    """The values of some parameters of a cell, empty where it has none."""
    return tuple(cell.parameters.get(name, "") for name in names)


# Matrices


@dataclass(frozen=True)
class Sheet:
    """One matrix: what its cells have in common, and the cells by row and column, which differ in replicates alone."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: Mapping[tuple[str, str], Sequence[Cell]]


def sheets(cells: Iterable[Cell], row: str, column: str) -> list[Sheet]:
    """Matrices of the cells that have a ``row`` and a ``column``, in their order.

    What else tells them apart makes a matrix for each of its values; where these matrices would not all have the same
    rows, it makes rows of one matrix.
    """
    listed = [cell for cell in cells if {row, column} <= cell.parameters.keys()]
    names = telling(listed, (row, column))
    rows_of: dict[Place, set[str]] = defaultdict(set)
    for cell in listed:
        rows_of[place_of(cell, names)].add(cell.parameters[row])
    apart = len({frozenset(rows) for rows in rows_of.values()}) == 1
    found: dict[Place, dict[tuple[str, str], list[Cell]]] = {}
    for cell in listed:
        place = place_of(cell, names)
        line = "" if apart else place_title(names, place)
        at = ", ".join(filter(None, [cell.parameters[row], line])), cell.parameters[column]
        found.setdefault(place if apart else (), {}).setdefault(at, []).append(cell)
    return [_sheet(place_title(names, place) if apart else "", of_place) for place, of_place in found.items()]


def _sheet(title: str, cells: dict[tuple[str, str], list[Cell]]) -> Sheet:
    rows, columns = (tuple(dict.fromkeys(place[side] for place in cells)) for side in (0, 1))
    return Sheet(title, rows, columns, cells)


# Names

Words = dict[str, str]
"""What a name says: parameters, and where they are not enough the beginning of a digest or of the key."""


def distinct_names(cells: Iterable[Cell]) -> dict[str, Words]:
    """Of each cell, by key, what its name says beside its kind: no two cells of a kind say the same.

    That is every parameter that differs between cells of a kind; then, where parameters agree, the digest of the images
    where it differs and the beginning of the key.
    """
    listed = list(cells)
    varying = _varying(listed)
    said = {c.key: {name: c.parameters[name] for name in varying if name in c.parameters} for c in listed}
    by_key = {cell.key: cell for cell in listed}
    for add in (_digest, _short_key, _whole_key):
        for alike in _alike(by_key, said):
            for cell in alike:
                said[cell.key] |= add(cell, alike)
    return said


def _varying(cells: Sequence[Cell]) -> list[str]:
    """Parameters that differ between cells of a kind; those that spell out others only where they tell more apart."""
    kinds: dict[str, list[Cell]] = {}
    for cell in cells:
        kinds.setdefault(cell.kind, []).append(cell)
    return list(dict.fromkeys(name for of_kind in kinds.values() for name in _varying_in(of_kind)))


def _varying_in(cells: Sequence[Cell]) -> list[str]:
    rows = [cell.parameters for cell in cells]
    told: list[str] = []
    places: list[tuple[str | None, ...]] = [()] * len(rows)
    for name in names_in(rows):
        values = {row.get(name) for row in rows}
        further = [(*place, row.get(name)) for place, row in zip(places, rows, strict=True)]
        if len(values) > 1 and (not is_detail(name) or len(set(further)) > len(set(places))):
            told.append(name)
            places = further
    return told


def _alike(cells: Mapping[str, Cell], said: Mapping[str, Words]) -> list[list[Cell]]:
    """Cells that are named as another one is, those of one name together."""
    groups: dict[tuple[Any, ...], list[Cell]] = {}
    for key, cell in cells.items():
        groups.setdefault((cell.kind, *said[key].items()), []).append(cell)
    return [group for group in groups.values() if len(group) > 1]


def _digest(cell: Cell, alike: Sequence[Cell]) -> Words:
    return {"images": cell.data_digest[:SHORT]} if len({other.data_digest for other in alike}) > 1 else {}


def _short_key(cell: Cell, alike: Sequence[Cell]) -> Words:
    return {"key": short_key(cell)}


def _whole_key(cell: Cell, alike: Sequence[Cell]) -> Words:
    return {"key": cell.key}


def short_key(cell: Cell) -> str:
    """The beginning of the hash in a cell's key."""
    return cell.key.rpartition("-")[2][:SHORT]


def said(words: Words) -> str:
    """``pairing=color seed=0``."""
    return " ".join(f"{name}={value}" for name, value in words.items())
