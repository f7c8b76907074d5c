"""The matrices of a study: which cells stand where, what their values are called and how sure they are, in text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mi_ray.experiments.learning import Doubt
from mi_ray.experiments.plan import Cell, Plan
from mi_ray.experiments.study import Study
from mi_ray.theory.certificate import CONFIDENCE, TOLERANCE_BITS

CERTIFIED = "\N{CHECK MARK}"
KNOWN = f"with {100 * CONFIDENCE:g} % confidence the true value is known to {TOLERANCE_BITS:g} bits"
LEGEND = f"{CERTIFIED} certified: {KNOWN}"

UNLEARNED = "\N{DAGGER}"

HEADINGS = {"nominal_bits": "nominal estimate, bits", "in_training_bits": "in-training estimate, bits"}


@dataclass(frozen=True)
class Panel:
    """One matrix of a study: the cells of a kind by row and column, and which value of their results is shown."""

    value: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: Mapping[tuple[str, str], Sequence[Cell]]

    @property
    def heading(self) -> str:
        """The value in words, with its unit."""
        words = self.value.removesuffix("_bits").replace("_", " ")
        return HEADINGS.get(self.value, f"{words}, bits" if self.value.endswith("_bits") else words)

    @property
    def depth(self) -> int:
        """Most cells (seeds, encoders) that share an entry."""
        return max(map(len, self.cells.values()))

    def name(self, cell: Cell) -> str:
        """What sets a cell apart in this matrix: its place, and its seed where there are several."""
        told = cell.parameters
        return " ".join(f"{name}={told[name]}" for name in self._varying if name in told) or cell.kind

    @cached_property
    def _varying(self) -> list[str]:
        told = [cell.parameters for cells in self.cells.values() for cell in cells]
        names = dict.fromkeys(name for parameters in told for name in parameters)
        return [name for name in names if len({parameters.get(name) for parameters in told}) > 1]


def panels(study: Study, plan: Plan) -> list[Panel]:
    """The matrices of ``study``, rows and columns in the plan's order; kinds not in the plan are left out."""
    found = []
    for kind, value in study.matrix.panels.items():
        cells: dict[tuple[str, str], list[Cell]] = {}
        for cell in plan.cells.values():
            told = cell.parameters
            if cell.kind == kind and {study.matrix.row, study.matrix.column} <= told.keys():
                cells.setdefault((told[study.matrix.row], told[study.matrix.column]), []).append(cell)
        if cells:
            rows, columns = (tuple(dict.fromkeys(place[side] for place in cells)) for side in (0, 1))
            found.append(Panel(value, rows, columns, cells))
    return found


def standard_error(result: Mapping[str, Any], value: str) -> float | None:
    """The standard error that a result carries for ``value``, if it carries one."""
    if value.endswith("_bits"):
        return result.get(f"{value.removesuffix('_bits')}_standard_error_bits")
    return result.get(f"{value.rpartition('_')[0] or value}_standard_error")


def certified(results: Sequence[Mapping[str, Any]]) -> bool:
    """Whether each of some results says that it is."""
    return bool(results) and all(result.get("certified", False) for result in results)


def certificates(panel: Panel, results: Mapping[str, Mapping[str, Any]]) -> str:
    """What the mark means and, a line each, the gravest reason why a cell is not certified; empty where none is asked.

    ``results``: of the cells that are committed, by key.
    """
    cells = [cell for place in panel.cells.values() for cell in place if "certified" in results.get(cell.key, {})]
    against = {panel.name(cell): results[cell.key]["not_certified"] for cell in cells}
    reasons = [[f"  {name}", _gravest(why)] for name, why in against.items() if why]
    legend = [LEGEND] if len(reasons) < len(cells) else []
    return "\n".join(legend + (["not certified:", aligned(reasons)] if reasons else []))


def unlearned(doubts: Sequence[Doubt]) -> str:
    """What the dagger means, and a line for each encoder that did not learn."""
    legend = f"{UNLEARNED} rests on an encoder that did not learn; no verdict is given on it:"
    return "\n".join([legend, aligned([[f"  {one.name}", one.reason] for one in doubts])])


def _gravest(reasons: str) -> str:
    first, *others = reasons.split("; ")
    return f"{first}; …" if others else first


def aligned(grid: Sequence[Sequence[str]]) -> str:
    """A grid of text with its columns aligned."""
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in grid)
