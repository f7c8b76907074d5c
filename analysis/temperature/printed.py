"""Tables IV and V as text: encoders down, correlations last, their intervals below."""

from __future__ import annotations

import pandas as pd

from analysis.agreement.columns import (
    ACCURACY,
    ALIGNMENT,
    CONTRASTIVE_LOSS,
    I_CLASS,
    I_SIMCLR,
    KNN,
    TOLERANCE,
    UNIFORMITY,
    heads_of_others,
    not_asked,
)
from analysis.tables.text import Printed, number, span, spread_note, with_spread

HEADS = {
    ACCURACY.name: "bal. acc., %",
    ALIGNMENT.name: "alignment ↓",
    UNIFORMITY.name: "uniformity ↓",
    TOLERANCE.name: "tolerance ↑",
    CONTRASTIVE_LOSS.name: "loss, nats ↓",
    I_SIMCLR.name: "Î_SimCLR, bits",
    I_CLASS.name: "Î_class, bits",
}
"""Columns in the paper's order."""

STATISTICS = {"pearson": "Pearson's r with accuracy", "kendall": "Kendall's tau-b with accuracy"}


def printed(tidy: pd.DataFrame, agreement: pd.DataFrame) -> list[Printed]:
    """Each table laid out as Tables IV and V are."""
    return [printed_table(str(name), rows, agreement) for name, rows in tidy.groupby("table", sort=False)]


def printed_table(name: str, rows: pd.DataFrame, agreement: pd.DataFrame) -> Printed:
    """One table: its encoders with spreads and, where it is ranked, the correlations of each column with accuracy."""
    heads = HEADS | heads_of_others(rows)
    lines = [
        [
            row["model"],
            *(with_spread(row[c], row[f"{c}_spread"], 1 if c in (ACCURACY.name, KNN.name) else 3) for c in heads),
        ]
        for _, row in rows.iterrows()
    ]
    ranks = agreement[agreement["table"] == name].set_index("measure") if len(agreement) else agreement
    for statistic, words in STATISTICS.items() if len(ranks) else ():
        ends = [(ranks[f"{statistic}_low"].get(c), ranks[f"{statistic}_high"].get(c)) for c in heads]
        lines += [
            [words, *(number(ranks[statistic][c], 3) if c in ranks.index else "" for c in heads)],
            ["95 %", *("" if low is None else span(low, high, 2) for low, high in ends)],
        ]
    notes = [
        spread_note(rows),
        "Correlations are of columns with ↓ times minus one, and of the others as they are: +1 is full agreement. "
        f"95 %: bootstrap over {len(rows)} encoders, rough for so few. "
        "The loss has the scale of its temperature.",
    ]
    notes += filter(None, [not_asked(rows)])
    return Printed(f"Measures of encoders by temperature (Table {name})", ["encoder", *heads.values()], lines, notes)
