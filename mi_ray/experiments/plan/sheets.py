"""Names of cells, and their places in matrices and tables. Only replicates share a place.

`telling` gives every matrix on the screen, heatmap, table and report the parameters that it must show beside its own
rows and columns; `distinct_names` gives every name.
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
"""Number of characters of a hash that are shown in a name."""

Place = tuple[str, ...]
Naming = Callable[["Cell"], Mapping[str, str]]


def telling(cells: Iterable[Cell], shown: Collection[str], named: Naming | None = None) -> tuple[str, ...]:
    """The parameters that must be shown beside ``shown`` so that only replicates agree in all of them.

    A greedy choice keeps them few. Parameters of the encoder are chosen first, so that cells of different kinds get the
    same ones. ``named``: a function that returns further parameters of a cell, which ``shown`` may include.
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
    """The names of all parameters in order of appearance; details, which spell out another parameter, come last."""
    return sorted(dict.fromkeys(name for row in rows for name in row), key=is_detail)


def place_title(names: Iterable[str], values: Iterable[str]) -> str:
    """Names and values as text, such as ``k_tr=8, temperature=0.2``; empty values are left out."""
    return ", ".join(f"{name}={value}" for name, value in zip(names, values, strict=True) if value != "")


def place_of(cell: Cell, names: Iterable[str]) -> Place:
    """The values of the parameters ``names`` of a cell; "" for a parameter that it lacks."""
    return tuple(cell.parameters.get(name, "") for name in names)


# Matrices


@dataclass(frozen=True)
class Sheet:
    """One matrix: a title, made of parameters that all its cells share, and the cells by row and column. Cells of one
    place are replicates."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: Mapping[tuple[str, str], Sequence[Cell]]


def sheets(cells: Iterable[Cell], row: str, column: str) -> list[Sheet]:
    """The matrices of all cells that have the parameters ``row`` and ``column``, in the cells' order.

    If cells differ in further parameters (`telling`), there is a matrix for each combination of their values. If these
    matrices would not all have the same rows, there is one matrix, whose rows also show the further parameters.
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
"""The words of a name: parameters and, if these are not unique, the beginning of a digest or of the key."""


def distinct_names(cells: Iterable[Cell]) -> dict[str, Words]:
    """Cell key -> the words of the cell's name, unique among cells of its kind.

    The words are all parameters that differ between cells of that kind. If cells agree in these, the digest of the
    images follows if it differs, then the beginning of the key if that is needed.
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
    """The parameters that differ between cells of a kind; a detail only if it distinguishes further cells."""
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


def text_of(words: Words) -> str:
    """A name as text: ``pairing=color seed=0``."""
    return " ".join(f"{name}={value}" for name, value in words.items())
