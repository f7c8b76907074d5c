"""The matrices of a study: which cells stand where, what their values are called, how they are set in text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mi_ray.experiments.plan import Cell, Plan
from mi_ray.experiments.study import Study

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
    stem, unit = (value.removesuffix("_bits"), "_bits") if value.endswith("_bits") else (value.rpartition("_")[0], "")
    return result.get(f"{stem}_standard_error{unit}")


def aligned(grid: Sequence[Sequence[str]]) -> str:
    """A grid of text with its columns aligned."""
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in grid)
