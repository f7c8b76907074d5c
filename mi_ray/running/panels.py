"""The matrices of a study: which cells stand where, what their values are called and how sure they are, in text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any

from mi_ray.experiments.plan.plan import Cell, Plan
from mi_ray.experiments.plan.sheets import Sheet, distinct_names, said, sheets
from mi_ray.experiments.plan.study import Study
from mi_ray.experiments.results.statement import STATED, legend, statement
from mi_ray.experiments.run.learning import Doubt

UNLEARNED = "\N{DAGGER}"

HEADINGS = {STATED: "post-training estimate, bits", "in_training_bits": "in-training estimate, bits"}
NOMINAL = "nominal unless a bracket is shown"


@dataclass(frozen=True)
class Panel:
    """One matrix of a study: the cells of a kind by row and column, and which value of their results is shown.

    An entry's cells differ in replicates alone.
    """

    value: str
    sheet: Sheet

    @property
    def heading(self) -> str:
        """The value in words, with its unit, and what all cells of this matrix have in common but those of others."""
        words = self.value.removesuffix("_bits").replace("_", " ")
        named = HEADINGS.get(self.value, f"{words}, bits" if self.value.endswith("_bits") else words)
        return "; ".join(filter(None, [named, self.sheet.title]))

    @property
    def depth(self) -> int:
        """Most cells, which are replicates, that share an entry."""
        return max(map(len, self.sheet.cells.values()))

    @property
    def over(self) -> str:
        """What entries are."""
        means = f"mean over up to {self.depth} cells" if self.depth > 1 else "± standard error"
        return f"{NOMINAL}, {means}" if self.value == STATED else means

    @property
    def cells(self) -> list[Cell]:
        """All cells of the matrix."""
        return [cell for place in self.sheet.cells.values() for cell in place]

    def at(self, row: str, column: str) -> Sequence[Cell]:
        """The cells of an entry."""
        return self.sheet.cells.get((row, column), ())

    def name(self, cell: Cell) -> str:
        """What sets a cell apart in this matrix: no two cells have the same name."""
        return said(self._names[cell.key]) or cell.kind

    @cached_property
    def _names(self) -> dict[str, dict[str, str]]:
        return distinct_names(self.cells)


def panels(study: Study, plan: Plan) -> list[Panel]:
    """The matrices of ``study``, rows and columns in the plan's order; kinds not in the plan are left out."""
    return [
        Panel(value, sheet)
        for kind, value in study.matrix.panels.items()
        for sheet in sheets(
            (cell for cell in plan.cells.values() if cell.kind == kind), study.matrix.row, study.matrix.column
        )
    ]


def entry(value: str, results: Sequence[Mapping[str, Any]], asked: int, *, final: bool) -> str:
    """What stands for some committed cells, of ``asked`` that differ in replicates alone.

    Their mean; of a single one, when all is over, with its standard error; an estimate as its `Statement` says.
    """
    few = f" ({len(results)}/{asked})" if len(results) < asked else ""
    if value == STATED:
        said_of_it = statement(results, asked=asked)
        return (said_of_it.text_with_spread if final and asked == 1 else said_of_it.text) + few
    error = standard_error(results[0], value) if final and asked == 1 else None
    return f"{fmean(result[value] for result in results):.2f}" + ("" if error is None else f" ± {error:.2f}") + few


def standard_error(result: Mapping[str, Any], value: str) -> float | None:
    """The standard error that a result carries for ``value``, if it carries one."""
    if value.endswith("_bits"):
        return result.get(f"{value.removesuffix('_bits')}_standard_error_bits")
    return result.get(f"{value.rpartition('_')[0] or value}_standard_error")


def certificates(panel: Panel, results: Mapping[str, Mapping[str, Any]]) -> str:
    """What the tick means, where an entry has one, and a line for every cell that is not certified, with all reasons.

    Of a matrix of other values, a line for every cell whose result has a note: accuracy on images that the probe saw.
    ``results``: of the cells that are committed, by key.
    """
    if panel.value != STATED:
        noted = [[f"  {panel.name(cell)}", note] for cell in panel.cells if (note := _note(results, cell))]
        return "\n".join(["note:", aligned(noted)]) if noted else ""
    places = [[results[c.key] for c in place if c.key in results] for place in panel.sheet.cells.values()]
    asked = map(len, panel.sheet.cells.values())
    ticked = any(statement(held, asked=n).ticked for held, n in zip(places, asked, strict=True))
    known = [(cell, statement([results[cell.key]])) for cell in panel.cells if cell.key in results]
    against = [[f"  {panel.name(cell)}", "; ".join(said.ones[0].reasons)] for cell, said in known if not said.certified]
    head = [legend(several=panel.depth > 1)] if ticked else []
    return "\n".join(head + (["not certified:", aligned(against)] if against else []))


def _note(results: Mapping[str, Mapping[str, Any]], cell: Cell) -> str:
    return str(results.get(cell.key, {}).get("note", ""))


def unlearned(doubts: Sequence[Doubt]) -> str:
    """What the dagger means, and a line for each encoder that did not learn."""
    legend = f"{UNLEARNED} rests on an encoder that did not learn; no verdict is given on it:"
    return "\n".join([legend, aligned([[f"  {one.name}", one.reason] for one in doubts])])


def aligned(grid: Sequence[Sequence[str]]) -> str:
    """A grid of text with its columns aligned."""
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in grid)
