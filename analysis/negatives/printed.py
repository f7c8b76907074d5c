"""Table X in print layout: one table for each D, one line for each D-."""

from __future__ import annotations

from math import nan

import pandas as pd

from analysis.negatives.table import APART, OWN, REFERENCES, SIBLING, difference
from analysis.tables.settings import settings_of
from analysis.tables.text import Printed, number, span, spread_note, with_spread
from mi_ray.experiments.plan.sheets import place_title

PAPER = {("cifar-5A", SIBLING): 1.92, ("cifar-50A", SIBLING): 0.77}
"""Points above own, by D and D-: the differences in Table X that the paper's text mentions."""

LABELS = {
    OWN: "D itself, the step's other pairs",
    APART: "D itself, drawn apart (control)",
    SIBLING: "sibling half of the classes",
    "crops": "crops of photographs",
    "cartoon": "PACS-cartoon",
    "art": "PACS-art",
    "photo": "PACS-photo",
    "sketch": "PACS-sketch",
    "noise": "uniform noise",
}
HEAD = ("D⁻", "accuracy, %", "less own, points", "95 %", "less apart, points", "95 %", "paper: less own")


def printed(tidy: pd.DataFrame) -> list[Printed]:
    """One table for each D, as in the paper."""
    settings = [name for name in settings_of(tidy.columns, "mean") if name != "negatives"]
    interval = f"95 %: interval of the difference, {', '.join(sorted(set(tidy['less_own_interval_is'])))}."
    tables = []
    for (data, arch, *others), rows in tidy.groupby(settings, sort=False):
        place = ", ".join(filter(None, [data, arch, place_title(settings[2:], others)]))
        lines = [line_of(row) for _, row in rows.iterrows()]
        tables.append(Printed(f"D = {place} (Table X)", HEAD, lines, [spread_note(rows), interval]))
    return tables


def line_of(row: pd.Series) -> list[str]:
    """The entries of one D-, in the order of `HEAD`; a reference is not compared with itself."""
    line = [LABELS[row["negatives"]], with_spread(100 * row["mean"], 100 * row["spread"], 1)]
    for reference in REFERENCES:
        mean, low, high = (100 * points for points in difference(row, reference))
        compared = [number(mean, 1, sign=True), span(low, high, 1, sign=True)]
        line += ["", ""] if row["negatives"] == reference else compared
    return [*line, number(PAPER.get((row["data"], row["negatives"]), nan), 2, sign=True)]
