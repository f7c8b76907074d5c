"""Table X: linear accuracy on D by the data set D- that negatives come from, as a table and in print layout.

Reads MLflow alone, and the data sets from the sweep. ``negatives-table.csv`` has a row per D and D-: the accuracy, a
share of 1, and what it is above or below that of D's own negatives, paired by seed; ``negatives-table.md`` prints it;
the verdict as verdict.json.

    python analysis/negatives_table.py --preset laptop
    python analysis/negatives_table.py --axis seed=0,1,2 --partial    # a dash where a cell is not there yet
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from math import nan
from pathlib import Path

import pandas as pd

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis import command
from analysis.cells import mirrored_cells
from analysis.negatives.verdict import APART, OWN, verdict
from analysis.tables.difference import paired
from analysis.tables.frame import over_seeds
from analysis.tables.places import placed
from analysis.tables.text import Printed, number, span, spread_note, with_spread, write_markdown
from analysis.verdict import publish
from mi_ray.experiments.declare import Labelled, data_of
from mi_ray.experiments.plan.plan import Cell, Plan
from mi_ray.experiments.plan.sheets import place_title
from sweeps.negatives import STUDY, names_of

KIND, VALUE, STANDARD_ERROR = "evaluation", "linear_accuracy", "linear_standard_error"
PRINTED = {("cifar-5A", "sibling"): 1.92, ("cifar-50A", "sibling"): 0.77}
"""Points above own that the text tells of Table X."""


def table(plan: Plan, mirrored: pd.DataFrame) -> pd.DataFrame:
    """One row per D and D-: accuracy over seeds and, each with its interval, its difference to own and to apart."""
    cells, places = placed(plan, mirrored, KIND, _names)
    tidy = over_seeds(cells, places, VALUE, STANDARD_ERROR)
    settings = [name for name in places if name != "negatives"]
    for reference in (OWN, APART):
        told = [_difference(cells, row, settings, reference) for _, row in tidy.iterrows()]
        tidy = tidy.join(pd.DataFrame(told).add_prefix(f"less_{reference}_"))
    return tidy


def _names(cell: Cell) -> dict[str, str]:
    data = data_of(cell.declaration)
    assert isinstance(data, Labelled)
    return dict(zip(("data", "negatives", "arch"), (*names_of(data), cell.parameters["arch"]), strict=True))


def _difference(cells: pd.DataFrame, row: pd.Series, settings: list[str], reference: str) -> dict[str, object]:
    """What a row is above the row of ``reference`` with the same settings."""
    alike = cells[(cells[settings] == row[settings]).all(axis=1)]
    one, other = (alike[alike["negatives"] == name] for name in (row["negatives"], reference))
    return asdict(paired(one, other, VALUE, STANDARD_ERROR))


# Print

LABELS = {
    "own": "D itself, the step's other pairs",
    "apart": "D itself, drawn apart (control)",
    "sibling": "sibling half of the classes",
    "crops": "crops of photographs",
    "cartoon": "PACS-cartoon",
    "art": "PACS-art",
    "photo": "PACS-photo",
    "sketch": "PACS-sketch",
    "noise": "uniform noise",
}
HEAD = ("D⁻", "accuracy, %", "less own, points", "95 %", "less apart, points", "95 %", "paper: less own")


def printed(tidy: pd.DataFrame) -> list[Printed]:
    """One table for each D, as the paper has them."""
    settings = [name for name in tidy.columns[: tidy.columns.get_loc("mean")] if name != "negatives"]
    how = f"95 %: interval of the difference, {', '.join(sorted(set(tidy['less_own_interval_is'])))}."
    return [
        Printed(f"D = {_place(settings, place)} (Table X)", HEAD, list(_lines(rows)), [spread_note(rows), how])
        for place, rows in tidy.groupby(settings, sort=False)
    ]


def _place(settings: list[str], place: tuple[str, ...]) -> str:
    data, arch, *others = place
    return ", ".join(filter(None, [data, arch, place_title(settings[2:], others)]))


def _lines(rows: pd.DataFrame) -> Iterator[list[str]]:
    for _, row in rows.iterrows():
        accuracy = with_spread(100 * row["mean"], 100 * row["spread"], 1)
        paper = PRINTED.get((row["data"], row["negatives"]), nan)
        yield [LABELS[row["negatives"]], accuracy, *_told(row, OWN), *_told(row, APART), number(paper, 2, sign=True)]


def _told(row: pd.Series, reference: str) -> list[str]:
    if row["negatives"] == reference:
        return ["", ""]
    mean, low, high = (100 * row[f"less_{reference}_{end}"] for end in ("mean", "low", "high"))
    return [number(mean, 1, sign=True), span(low, high, 1, sign=True)]


def draw(plan: Plan, tracking_uri: str, out: Path, *, partial: bool = False) -> list[Path]:
    """Read the cells of ``plan`` from MLflow and write the table and the verdict to ``out``.

    Raises `MissingCells` when one is not there, unless ``partial``, which prints a dash in its place.
    """
    mirrored = mirrored_cells(STUDY, plan, tracking_uri, [KIND], partial=partial)
    out.mkdir(parents=True, exist_ok=True)
    tidy = table(plan, mirrored)
    tidy.to_csv(out / "negatives-table.csv", index=False)
    markdown = write_markdown(out / "negatives-table.md", printed(tidy))
    return publish(plan, out, [out / "negatives-table.csv", markdown], verdict(tidy), mirrored=mirrored)


if __name__ == "__main__":
    sys.exit(command.main(STUDY, draw))
