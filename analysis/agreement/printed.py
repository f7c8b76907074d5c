"""Tables of encoders and of agreement as markdown, laid out as the paper prints Tables VI to IX and II."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.agreement.columns import (
    ACCURACY,
    ALIGNMENT,
    ALIGNMENT_SIMCLR,
    I_CLASS,
    I_SIMCLR,
    KNN,
    MINUS,
    TOLERANCE,
    UNIFORMITY,
    UNIFORMITY_SIMCLR,
    heads_of_others,
    not_asked,
)
from mi_ray.experiments.declare.measures import READ_LAYOUT, READ_SHA256

HEADS = {
    ACCURACY.name: "Acc. (%)",
    ALIGNMENT.name: "Alignment ↓",
    UNIFORMITY.name: "Uniformity ↓",
    TOLERANCE.name: "Tolerance ↑",
    I_SIMCLR.name: "Î_SimCLR (bits)",
    I_CLASS.name: "Î_class (bits)",
    ALIGNMENT_SIMCLR.name: "Alignment, SimCLR pairs ↓",
    UNIFORMITY_SIMCLR.name: "Uniformity, SimCLR views ↓",
}
"""Columns in the paper's order; its unsupervised versions last."""

STATISTICS = {"pearson": "Pearson's r", "kendall": "Kendall's tau"}
NOTE = (
    f"Correlations are with accuracy, of columns with ↓ times {MINUS}1 and of the others as they are: +1 is full "
    f"agreement. Alignment of same-class pairs is 2 {MINUS} 2 tolerance: one measurement in two columns."
)


def write(encoders: pd.DataFrame, agreement: pd.DataFrame, out: Path) -> list[Path]:
    """``encoder-zoo.md`` and ``measure-agreement.md`` in ``out``."""
    texts = {"encoder-zoo.md": encoders_text(encoders, agreement), "measure-agreement.md": agreement_text(agreement)}
    for name, text in texts.items():
        (out / name).write_text(text)
    return [out / name for name in texts]


# Tables VI to IX


def encoders_text(encoders: pd.DataFrame, agreement: pd.DataFrame) -> str:
    """A section per table: accuracy and measures of each encoder, the best first, and the files they were read from."""
    tables = [rows for _, rows in encoders.groupby("table", sort=False)]
    return "\n\n".join(_encoders_section(rows, agreement) for rows in tables) + "\n"


def _encoders_section(rows: pd.DataFrame, agreement: pd.DataFrame) -> str:
    """The section of one table; ``agreement``: of all tables, whose correlations stand below the encoders."""
    heads = HEADS | heads_of_others(rows)
    first, best_first = rows.iloc[0], rows.sort_values(ACCURACY.name, ascending=False, kind="stable")
    body = [[row["model"], *(_value_text(row, column) for column in heads)] for _, row in best_first.iterrows()]
    correlations = agreement[agreement["table"] == first["table"]].set_index("measure") if len(agreement) else agreement
    for name, words in STATISTICS.items() if len(correlations) else ():
        body.append([words, *(_signed(correlations[name].get(column)) for column in heads)])
    spreads = sorted({str(kind) for column in heads for kind in rows[f"{column}_spread_is"]})
    files = [[row["model"], row["arch"], row[READ_LAYOUT], row[READ_SHA256]] for _, row in best_first.iterrows()]
    return "\n".join(
        [
            f"## Table {first['table']}: {first['dataset']}, {first['pool']}\n",
            _grid(["Encoder", *heads.values()], body),
            f"\n± is the {' or the '.join(spreads)}. {' '.join(filter(None, [NOTE, not_asked(rows)]))}\n",
            _grid(["Encoder", "Architecture", "Layout of its file", "sha256 of its file"], files),
        ]
    )


def _value_text(row: pd.Series, column: str) -> str:
    """An encoder's value in a column with its spread, where that is known."""
    if pd.isna(row[column]):
        return "missing"
    digits, spread = 2 if column in (ACCURACY.name, KNN.name) else 3, row[f"{column}_spread"]
    text = f"{row[column]:z.{digits}f}" + (f" ± {spread:.{digits}f}" if pd.notna(spread) else "")
    return text.replace("-", MINUS)


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:z.3f}".replace("-", MINUS)


# Table II


def agreement_text(agreement: pd.DataFrame) -> str:
    """A section per table: how each measure agrees with accuracy, its intervals, and the lead of I_class over it."""
    tables = [rows for _, rows in agreement.groupby("table", sort=False)] if len(agreement) else []
    return "\n\n".join([_agreement_section(rows) for rows in tables] or ["No table has three encoders or more."]) + "\n"


def _agreement_section(rows: pd.DataFrame) -> str:
    """The section of one table: r and tau of each measure with three intervals, and its share of the best encoders."""
    first, best = rows.iloc[0], next(name for name in rows.columns if name.startswith("top_"))
    heads = [
        f"{words} {kind}".strip()
        for words in STATISTICS.values()
        for kind in ("", "95 %", "less one", "lead of Î_class, 95 %")
    ]
    body = []
    for _, row in rows.iterrows():
        line = [row["label"]]
        for name in STATISTICS:
            ends = [(row[f"{name}{kind}_low"], row[f"{name}{kind}_high"]) for kind in ("", "_less_one", "_lead")]
            intervals = ["" if pd.isna(low) else f"{low:z.2f} to {high:z.2f}".replace("-", MINUS) for low, high in ends]
            line += [_signed(row[name]), *intervals]
        body.append([*line, f"{row[best]:g}"])
    title = f"## Table {first['table']}: {first['dataset']}, {first['pool']}, {first['encoders']} encoders\n"
    grid = _grid(["Measure", *heads, best.replace("_", " ")], body)
    note = (
        "95 %: bootstrap interval over encoders; of a lead in r Williams' interval, in tau the jackknife's. Less one: "
        "range when any one encoder is left out."
    )
    return f"{title}\n{grid}\n\n{note}"


def _grid(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
