"""Names of cells, and their places in matrices and tables. Only replicates share a place.

Every matrix on the screen, heatmap, table and report takes from `telling` the parameters to show beside its own rows
and columns; every name comes from `distinct_names`.
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
    """Parameters that tell cells apart which agree in all parameters ``shown``; with them only replicates are alike.

    A greedy choice keeps them few. Parameters of the encoder come first, so that cells of several kinds get the same.
    ``named``: further parameters of a cell, some of which may be shown.
    """
    listed = list(cells)
    rows = [{**cell.parameters, **(named(cell) if named else {})} for cell in listed]
    of_encoder = {name for cell in listed for name in parameters(encoder_of(cell.declaration))}
    candidates = [name for name in names_in(rows) if name not in shown and not is_replicate(name)]
    places: list[tuple[str | None, ...]] = [tuple(row.get(name) for name in shown) for row in rows]
    chosen: list[str] = []

    def split(name: str) -> list[tuple[str | None, ...]]:
        return [(*place, row.get(name)) for place, row in zip(places, rows, strict=True)]

    for tier in ([n for n in candidates if n in of_encoder], [n for n in candidates if n not in of_encoder]):
        while tier:
            best = max(tier, key=lambda name: len(set(split(name))))
            if len(set(split(best))) <= len(set(places)):
                break
            chosen.append(best)
            places = split(best)
    return tuple(sorted(chosen, key=candidates.index))


def names_in(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """All names of parameters in order of appearance; details, which spell out other parameters, come last."""
    return sorted(dict.fromkeys(name for row in rows for name in row), key=is_detail)


def place_title(names: Iterable[str], values: Iterable[str]) -> str:
    """``k_tr=8, temperature=0.2``; a parameter that a cell lacks is left out."""
    return ", ".join(f"{name}={value}" for name, value in zip(names, values, strict=True) if value != "")


def place_of(cell: Cell, names: Iterable[str]) -> Place:
    """The values of some parameters of a cell, empty where it has none."""
    return tuple(cell.parameters.get(name, "") for name in names)


# Matrices


@dataclass(frozen=True)
class Sheet:
    """One matrix: the parameters that its cells share, and cells by row and column. Cells of a place are replicates."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: Mapping[tuple[str, str], Sequence[Cell]]


def sheets(cells: Iterable[Cell], row: str, column: str) -> list[Sheet]:
    """Matrices of the cells that have a ``row`` and a ``column``, in their order.

    The parameters that tell the cells apart otherwise make a matrix for each of their values; where these matrices
    would not all have the same rows, they make rows of one matrix.
    """
    listed = [cell for cell in cells if {row, column} <= cell.parameters.keys()]
    names = telling(listed, (row, column))
    rows_of: dict[Place, set[str]] = defaultdict(set)
    for cell in listed:
        rows_of[place_of(cell, names)].add(cell.parameters[row])
    apart = len({frozenset(rows) for rows in rows_of.values()}) == 1
    matrices: dict[Place, dict[tuple[str, str], list[Cell]]] = {}
    for cell in listed:
        place = place_of(cell, names)
        line = "" if apart else place_title(names, place)
        at = ", ".join(filter(None, [cell.parameters[row], line])), cell.parameters[column]
        matrices.setdefault(place if apart else (), {}).setdefault(at, []).append(cell)
    return [
        Sheet(
            title=place_title(names, place) if apart else "",
            rows=tuple(dict.fromkeys(row for row, _ in entries)),
            columns=tuple(dict.fromkeys(column for _, column in entries)),
            cells=entries,
        )
        for place, entries in matrices.items()
    ]


# Names

Words = dict[str, str]
"""The words of a name: parameters and, where they are not enough, the beginning of a digest or of the key."""


def distinct_names(cells: Iterable[Cell]) -> dict[str, Words]:
    """The words that name each cell, by key, beside its kind: no two cells of a kind have the same.

    Every parameter that differs between cells of a kind; then, where parameters agree, the digest of the images where
    it differs, and the beginning of the key.
    """
    by_key = {cell.key: cell for cell in cells}
    varying = varying_parameters(by_key.values())
    names = {
        key: {name: cell.parameters[name] for name in varying if name in cell.parameters}
        for key, cell in by_key.items()
    }

    def digest(cell: Cell, alike: Sequence[Cell]) -> Words:
        return {"images": cell.data_digest[:SHORT]} if len({other.data_digest for other in alike}) > 1 else {}

    for addition in (digest, lambda cell, _: {"key": short_key(cell)}, lambda cell, _: {"key": cell.key}):
        groups: dict[tuple[Any, ...], list[Cell]] = {}
        for key, cell in by_key.items():
            groups.setdefault((cell.kind, *names[key].items()), []).append(cell)
        for alike in groups.values():
            if len(alike) > 1:
                for cell in alike:
                    names[cell.key] |= addition(cell, alike)
    return names


def varying_parameters(cells: Iterable[Cell]) -> list[str]:
    """Parameters that differ between cells of a kind; details only where they tell more cells apart."""
    kinds: dict[str, list[Mapping[str, str]]] = {}
    for cell in cells:
        kinds.setdefault(cell.kind, []).append(cell.parameters)
    varying: dict[str, None] = {}
    for rows in kinds.values():
        places: list[tuple[str | None, ...]] = [()] * len(rows)
        for name in names_in(rows):
            split = [(*place, row.get(name)) for place, row in zip(places, rows, strict=True)]
            if len({row.get(name) for row in rows}) > 1 and (not is_detail(name) or len(set(split)) > len(set(places))):
                varying[name] = None
                places = split
    return list(varying)


def short_key(cell: Cell) -> str:
    """The beginning of the hash in a cell's key."""
    return cell.key.rpartition("-")[2][:SHORT]


def said(words: Words) -> str:
    """``pairing=color seed=0``."""
    return " ".join(f"{name}={value}" for name, value in words.items())
