"""Tables IV and V: accuracy and measures of encoders by temperature, and how each measure agrees with accuracy.

Reads MLflow alone, and the axes from the sweep. ``temperature-table.csv`` has a row per encoder and temperature with
spreads; ``encoders.csv`` the columns that ``measure_agreement.py --table`` reads; ``measure-agreement`` (.csv, .png,
.pdf) Pearson's r and Kendall's tau-b with their intervals, where there are three encoders or more;
``temperature-table.md`` prints all as the paper does; the verdict as verdict.json.

    python analysis/temperature_table.py --preset laptop
    python analysis/temperature_table.py --axis temperature=0.1,0.2 --partial    # a dash for what is not there yet
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis import command
from analysis.agreement import figure as measure_agreement_figure
from analysis.agreement.csv_table import COLUMNS
from analysis.agreement.ranking import ranked
from analysis.cells import mirrored_cells
from analysis.tables.text import Printed, number, span, spread_note, with_spread, write_markdown
from analysis.temperature.table import HEADS, KINDS, LABEL, rows
from analysis.temperature.verdict import verdict
from analysis.verdict import publish
from mi_ray.experiments.plan.plan import Plan
from sweeps.temperature import STUDY

STATISTICS = {"pearson": "Pearson's r with accuracy", "kendall": "Kendall's tau-b with accuracy"}


def draw(plan: Plan, tracking_uri: str, out: Path, *, partial: bool = False) -> list[Path]:
    """Read the cells of ``plan`` from MLflow and write the tables, the figure of agreement and the verdict to ``out``.

    Raises `MissingCells` when one is not there, unless ``partial``: encoders that lack a measure are not ranked then.
    """
    mirrored = mirrored_cells(STUDY, plan, tracking_uri, KINDS, partial=partial)
    out.mkdir(parents=True, exist_ok=True)
    tidy = rows(plan, mirrored)
    complete = tidy.dropna(subset=list(HEADS))
    agreement, unranked = ranked(complete)
    paths = [out / "temperature-table.csv", out / "encoders.csv"]
    for path, frame in zip(paths, (tidy, complete[list(COLUMNS)]), strict=True):
        frame.to_csv(path, index=False)
    markdown = write_markdown(out / "temperature-table.md", printed(tidy, agreement))
    drawn = [] if agreement.empty else measure_agreement_figure.write(agreement, out)
    return publish(plan, out, [*paths, markdown, *drawn], verdict(tidy, agreement, unranked), mirrored=mirrored)


# Print


def printed(tidy: pd.DataFrame, agreement: pd.DataFrame) -> list[Printed]:
    """Each table as Tables IV and V are laid out: encoders down, correlations last, their intervals below."""
    return [
        Printed(_caption(of_table), ["encoder", *HEADS.values()], list(_lines(of_table, agreement)), _notes(of_table))
        for _, of_table in tidy.groupby("table", sort=False)
    ]


def _caption(rows: pd.DataFrame) -> str:
    return f"Measures of encoders by temperature (Table {rows['table'].iloc[0]})"


def _notes(rows: pd.DataFrame) -> list[str]:
    return [
        spread_note(rows),
        "Correlations are of alignment, uniformity and loss times minus one, and of the others as they are: +1 is full "
        f"agreement. 95 %: bootstrap over {len(rows)} encoders, rough for so few. "
        "The loss has the scale of its temperature.",
    ]


def _lines(rows: pd.DataFrame, agreement: pd.DataFrame) -> Iterator[list[str]]:
    for _, row in rows.iterrows():
        yield [
            row[LABEL],
            *(with_spread(row[name], row[f"{name}_spread"], 1 if name == "acc" else 3) for name in HEADS),
        ]
    if agreement.empty or not (agreement["table"] == rows["table"].iloc[0]).any():
        return
    of = agreement[agreement["table"] == rows["table"].iloc[0]].set_index("measure")
    for name, words in STATISTICS.items():
        yield [words, *(number(of[name][column], 3) if column in of.index else "" for column in HEADS)]
        yield ["95 %", *(_span(of, name, column) for column in HEADS)]


def _span(of: pd.DataFrame, name: str, column: str) -> str:
    if column not in of.index:
        return ""
    return span(of.loc[column, f"{name}_low"], of.loc[column, f"{name}_high"], 2)


if __name__ == "__main__":
    sys.exit(command.main(STUDY, draw))
