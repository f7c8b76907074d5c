"""Tables of encoders and of agreement as markdown, laid out as the paper prints Tables VI to IX and II."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from analysis.agreement.csv_table import ACCURACY, MINUS

DIGITS = {ACCURACY: 2}
HEADS = {
    ACCURACY: "Acc. (%)",
    "alignment": "Alignment ↓",
    "uniformity": "Uniformity ↓",
    "tolerance": "Tolerance ↑",
    "i_simclr_bits": "Î_SimCLR (bits)",
    "i_class_bits": "Î_class (bits)",
    "alignment_simclr": "Alignment, SimCLR pairs ↓",
    "uniformity_simclr": "Uniformity, SimCLR views ↓",
}
"""Columns in the paper's order; its unsupervised versions last."""

STATISTICS = {"pearson": "Pearson's r", "kendall": "Kendall's tau"}
NOTE = (
    f"Correlations are with accuracy, of {MINUS}alignment, {MINUS}uniformity and the others as they are: +1 is full "
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
    """A section per table: accuracy and measures of each encoder, the best first, and what they were read from."""
    tables = [rows for _, rows in encoders.groupby("table", sort=False)]
    return "\n\n".join("\n".join(_section(rows, agreement)) for rows in tables) + "\n"


def _section(rows: pd.DataFrame, agreement: pd.DataFrame) -> Iterator[str]:
    first = rows.iloc[0]
    yield f"## Table {first['table']}: {first['dataset']}, {first['pool']}\n"
    best_first = rows.sort_values(ACCURACY, ascending=False, kind="stable")
    body = [[row["model"], *(_cell(row, column) for column in HEADS)] for _, row in best_first.iterrows()]
    yield _grid(["Encoder", *HEADS.values()], [*body, *_correlations(agreement, first["table"])])
    spreads = sorted({str(kind) for column in HEADS for kind in rows[f"{column}_spread_is"]})
    yield f"\n± is the {' or the '.join(spreads)}. {NOTE}\n"
    files = [[row["model"], row["arch"], row["read_layout"], row["read_sha256"]] for _, row in best_first.iterrows()]
    yield _grid(["Encoder", "Architecture", "Layout of its file", "sha256 of its file"], files)


def _cell(row: pd.Series, column: str) -> str:
    if pd.isna(row[column]):
        return "missing"
    digits, spread = DIGITS.get(column, 3), row[f"{column}_spread"]
    told = f"{row[column]:z.{digits}f}" + (f" ± {spread:.{digits}f}" if pd.notna(spread) else "")
    return told.replace("-", MINUS)


def _correlations(agreement: pd.DataFrame, table: str) -> Iterator[list[str]]:
    if agreement.empty:
        return
    of_table = agreement[agreement["table"] == table].set_index("measure")
    for name, words in STATISTICS.items() if len(of_table) else ():
        yield [words, *(_signed(of_table[name].get(column)) for column in HEADS)]


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:z.3f}".replace("-", MINUS)


# Table II


def agreement_text(agreement: pd.DataFrame) -> str:
    """A section per table: how each measure agrees with accuracy, how firmly, and how far I_class is ahead of it."""
    tables = [rows for _, rows in agreement.groupby("table", sort=False)] if len(agreement) else []
    sections = ["\n".join(_agreement_section(rows)) for rows in tables]
    return "\n\n".join(sections or ["No table has three encoders or more."]) + "\n"


def _agreement_section(rows: pd.DataFrame) -> Iterator[str]:
    first = rows.iloc[0]
    yield f"## Table {first['table']}: {first['dataset']}, {first['pool']}, {first['encoders']} encoders\n"
    best = next(name for name in rows.columns if name.startswith("top_"))
    per = ["", "95 %", "less one", "lead of Î_class, 95 %"]
    heads = [f"{words} {of}".strip() for words in STATISTICS.values() for of in per]
    yield _grid(
        ["Measure", *heads, best.replace("_", " ")],
        [
            [row["label"], *(told for name in STATISTICS for told in _firmness(row, name)), f"{row[best]:g}"]
            for _, row in rows.iterrows()
        ],
    )
    yield "\n95 %: bootstrap interval over encoders. Less one: range when any one encoder is left out."


def _firmness(row: pd.Series, name: str) -> list[str]:
    spans = [(row[f"{name}{of}_low"], row[f"{name}{of}_high"]) for of in ("", "_less_one", "_lead")]
    return [_signed(row[name]), *(_span(low, high) for low, high in spans)]


def _span(low: float, high: float) -> str:
    return "" if pd.isna(low) else f"{low:z.2f} to {high:z.2f}".replace("-", MINUS)


def _grid(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
