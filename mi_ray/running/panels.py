"""The matrices of a study as text: the cells of each entry, headings, values with standard errors, certificates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any

from mi_ray.experiments.declare.measures import (
    IN_TRAINING,
    IN_TRAINING_BOUND,
    LEARNING_RATE,
    LOSS,
    NOMINAL,
    NOTE,
    ONLINE_KNN,
    VIEWS_PER_SECOND,
    Measure,
)
from mi_ray.experiments.plan.plan import Cell, Plan
from mi_ray.experiments.plan.sheets import Sheet, distinct_names, sheets, text_of
from mi_ray.experiments.plan.study import Study
from mi_ray.experiments.results.statement import legend, statement
from mi_ray.experiments.run.learning import Doubt

UNLEARNED = "\N{DAGGER}"


@dataclass(frozen=True)
class Panel:
    """One matrix of a study: cells of one kind by row and column, and the measure of their results that it shows.

    The cells of an entry are replicates.
    """

    measure: Measure
    sheet: Sheet

    @property
    def heading(self) -> str:
        """The measure with its unit, and the parameters that set this matrix apart from the others of its kind."""
        return "; ".join(filter(None, [self.measure.heading, self.sheet.title]))

    @property
    def depth(self) -> int:
        """The largest number of cells (replicates) in an entry."""
        return max(map(len, self.sheet.cells.values()))

    @property
    def legend(self) -> str:
        """The legend of an entry: whether a value is a mean over replicates or has a standard error."""
        means = f"mean over up to {self.depth} cells" if self.depth > 1 else "± standard error"
        return f"nominal unless a bracket is shown, {means}" if self.measure == NOMINAL else means

    @property
    def cells(self) -> list[Cell]:
        """All cells of the matrix."""
        return [cell for place in self.sheet.cells.values() for cell in place]

    def at(self, row: str, column: str) -> Sequence[Cell]:
        """The cells of an entry."""
        return self.sheet.cells.get((row, column), ())

    def name(self, cell: Cell) -> str:
        """A name of ``cell`` that is unique in this matrix: the parameters in which its cells differ."""
        return text_of(self._names[cell.key]) or cell.kind

    @cached_property
    def _names(self) -> dict[str, dict[str, str]]:
        return distinct_names(self.cells)


def panels(study: Study, plan: Plan) -> list[Panel]:
    """The matrices of ``study``, rows and columns in the plan's order; kinds not in the plan are left out."""
    return [
        Panel(measure, sheet)
        for kind, measure in study.matrix.measures.items()
        for sheet in sheets(
            (cell for cell in plan.cells.values() if cell.kind == kind), study.matrix.row, study.matrix.column
        )
    ]


def entry(measure: Measure, results: Sequence[Mapping[str, Any]], expected: int, *, final: bool) -> str:
    """The text of an entry: the mean of ``results``, those of its committed cells.

    If the entry has a single cell and the run is over (``final``), its standard error follows. Estimates are shown in
    the words of `Statement`. While cells are missing, the text ends in a count such as (2/3), of ``expected`` cells.
    """
    few = f" ({len(results)}/{expected})" if len(results) < expected else ""
    alone = final and expected == 1
    if measure == NOMINAL:
        estimate = statement(results, expected=expected)
        return (estimate.text_with_spread if alone else estimate.text) + few
    error = measure.standard_error(results[0]) if alone else None
    spread = "" if error is None else f" ± {error:.{measure.digits}f}"
    return f"{fmean(result[measure.name] for result in results):.{measure.digits}f}{spread}{few}"


def certificates(panel: Panel, results: Mapping[str, Mapping[str, Any]]) -> str:
    """The notes below a matrix of estimates: the legend of the tick if any entry is ticked, then every cell that is not
    certified, with all its reasons.

    Below a matrix of any other measure: every cell whose result has a note, such as that the probe saw test images.
    ``results``: the results of committed cells by key.
    """
    if panel.measure != NOMINAL:
        noted = [[f"  {panel.name(c)}", str(note)] for c in panel.cells if (note := results.get(c.key, {}).get(NOTE))]
        return "\n".join(["note:", aligned(noted)]) if noted else ""
    entries = panel.sheet.cells.values()
    committed = [[results[cell.key] for cell in cells if cell.key in results] for cells in entries]
    ticked = any(statement(held, expected=len(cells)).ticked for held, cells in zip(committed, entries, strict=True))
    estimates = [(cell, statement([results[cell.key]])) for cell in panel.cells if cell.key in results]
    doubtful = [[f"  {panel.name(c)}", "; ".join(e.estimates[0].reasons)] for c, e in estimates if not e.certified]
    head = [legend(several=panel.depth > 1)] if ticked else []
    return "\n".join(head + (["not certified:", aligned(doubtful)] if doubtful else []))


def unlearned(doubts: Sequence[Doubt]) -> str:
    """The legend of the dagger, then a line for each encoder that did not learn, with the reason."""
    head = f"{UNLEARNED} rests on an encoder that did not learn; no verdict is given on it:"
    return "\n".join([head, aligned([[f"  {doubt.name}", doubt.reason] for doubt in doubts])])


def aligned(grid: Sequence[Sequence[str]]) -> str:
    """A grid of text with its columns aligned."""
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in grid)


def moment(latest: Mapping[str, float], probed: Mapping[str, float]) -> str:
    """How a training stands: loss, in-training estimate with its bound, learning rate, views per second, and what its
    last probe found; empty if it has told nothing yet."""
    parts = []
    if (loss := latest.get(LOSS.name)) is not None:
        parts.append(f"loss {loss:.3f} nats")
    if (bits := latest.get(IN_TRAINING.name)) is not None:
        bound = latest.get(IN_TRAINING_BOUND.name)
        parts.append(f"in-training {bits:.2f}{f' of {bound:.2f}' if bound else ''} bits")
    if (rate := latest.get(LEARNING_RATE)) is not None:
        parts.append(f"lr {rate:.2g}")
    if (speed := latest.get(VIEWS_PER_SECOND)) is not None:
        parts.append(f"{speed:,.0f} views/s")
    accuracies = [f"{task.removeprefix(ONLINE_KNN)} {value:.3f}" for task, value in probed.items() if task != "step"]
    if accuracies:
        parts.append(f"kNN {', '.join(accuracies)} at step {probed['step']:.0f}")
    return "  ".join(parts)
