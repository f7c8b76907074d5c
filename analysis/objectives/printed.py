"""Table III in print layout: accuracies beside the paper's, estimates, and differences between objectives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from analysis.objectives.table import ACCURACY, ESTIMATE, NAMES, places_of
from analysis.tables.settings import settings_of
from analysis.tables.text import Printed, number, span, spread_note, with_spread
from mi_ray.experiments.declare.measures import CLASS_ENTROPY, STATEMENT
from mi_ray.experiments.plan.sheets import place_title
from mi_ray.experiments.results.statement import KNOWN, TICK
from sweeps.objectives import OBJECTIVES
from sweeps.recipes import BENCHMARKS

PAPER = {
    "cifar-10": (93.0, 94.1, 93.1, 96.0),
    "imagenet-100": (77.8, 84.5, 87.4, 87.6),
    "imagenet-1k": (69.1, 76.4, 75.2, 78.7),
}
"""Accuracies of the paper's Table III in percent, in the order of `OBJECTIVES`."""

IN_BITS = (
    f"In bits: the bracket where it is certified ({TICK}: {KNOWN}), else the nominal estimate, whose ceiling is"
    " H(C); the .csv says why others are not certified."
)


def printed(tidy: pd.DataFrame, differences: pd.DataFrame) -> list[Printed]:
    """Accuracies in the paper's layout, estimates in the same, and the comparisons."""
    head = ["data set, encoder", *(NAMES[name] for name in OBJECTIVES)]
    accuracy, estimate = (list(lines_of(tidy[tidy["quantity"] == name], name)) for name in (ACCURACY, ESTIMATE))
    for data in tidy.loc[tidy["quantity"] == ACCURACY, "data"].unique():
        if data in PAPER:
            accuracy.append([f"{BENCHMARKS[data].title}, as printed", *(f"{value:.1f}" for value in PAPER[data])])
    note, compared = spread_note(tidy), ["", "difference", "95 % interval"]
    interval = f"95 %: interval of the difference, {', '.join(sorted(set(differences['interval_is'])))}."
    return [
        Printed("Balanced accuracy by learning objective, % (Table III)", head, accuracy, [note]),
        Printed("Post-training estimate, same-class pairs", head, estimate, [note, IN_BITS]),
        Printed("Differences in accuracy, points", compared, comparisons(differences), [interval]),
    ]


def lines_of(rows: pd.DataFrame, quantity: str) -> Iterator[list[str]]:
    """One line per data set and encoder, one entry per objective: percent with spread, or the estimate's statement."""
    settings = [name for name in places_of(rows) if name not in ("quantity", "objective")]
    for place, alike in rows.groupby(settings, sort=False):
        entries = alike.set_index("objective").reindex(OBJECTIVES)
        if quantity == ACCURACY:
            percent = [with_spread(100 * row["mean"], 100 * row["spread"], 1) for _, row in entries.iterrows()]
            yield [_place(settings, place), *percent]
        else:
            nominal = [with_spread(row["mean"], row["spread"], 2) for _, row in entries.iterrows()]
            statements = entries[STATEMENT].fillna("")
            entropy_bits = alike[CLASS_ENTROPY.name].iloc[0]
            known = f"H(C) = {entropy_bits:.4g} bits" if pd.notna(entropy_bits) else ""
            yield [
                ", ".join(filter(None, [_place(settings, place), known])),
                *(text or value for text, value in zip(statements, nominal, strict=True)),
            ]


def comparisons(differences: pd.DataFrame) -> list[list[str]]:
    """One line per data set and comparison: the difference in points and its interval."""
    settings, lines = settings_of(differences.columns, "better"), []
    for _, row in differences.iterrows():
        title = f"{_place(settings, row[settings])}: {NAMES[row['better']]} less {NAMES[row['worse']]}"
        mean, low, high = (100 * row[name] for name in ("mean", "low", "high"))
        lines.append([title, number(mean, 1, sign=True), span(low, high, 1, sign=True)])
    return lines


def _place(settings: Sequence[str], place: Sequence[str]) -> str:
    """The data set, the encoder, and all other settings of a line."""
    data, arch, *others = place
    return ", ".join(filter(None, [BENCHMARKS[data].title, arch, place_title(settings[2:], others)]))
