"""Tables II and IV-IX: how well each measure of an encoder agrees with its linear accuracy, and how firmly.

Reads a csv with one row per encoder (columns: analysis/encoder_tables.py), be it of the paper's printed rows or of a
sweep's results, and tells per table and measure: Pearson's r and Kendall's tau-b, 95 % bootstrap intervals over
encoders, what is left without each encoder in turn, and how many of the three best it finds. Alignment, uniformity and
the contrastive loss are multiplied by -1, as in the paper: +1 is always full agreement. As .csv, .png and .pdf.

    python analysis/measure_agreement.py --table tests/analysis/paper_tables.csv
    python analysis/measure_agreement.py --table tests/analysis/paper_tables.csv --without Jigsaw,RotNet
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis.encoder_tables import ACCURACY, NAMES, Measure, measures_of, read
from analysis.measure_agreement_figure import write
from mi_ray.experiments.checks import Refused, refuse
from mi_ray.matrices import aligned
from mi_ray.theory.agreement import bootstrap, correlation, leave_one_out, most_influential, top_k

BEST = 3
SEED = 0
"""Of the bootstrap; each measure of a table sees the same resamples of its encoders."""


# Table


def table(encoders: pd.DataFrame, without: Sequence[str] = ()) -> pd.DataFrame:
    """One row per table and measure, and a second one where encoders named in ``without`` stand in the table.

    ``left_out`` names those missing from the row; the rest is the agreement of ``sign`` times the measure.
    """
    for name in without:
        if name not in set(encoders["model"]):
            raise refuse("without", name, ", ".join(encoders["model"].unique()))
    tables = [rows for _, rows in encoders.groupby("table", sort=False)]
    places = [(rows, measure) for rows in tables for measure in measures_of(rows)]
    return pd.DataFrame(
        [_agreement(rows, measure, left_out) for rows, measure in places for left_out in _variants(rows, without)]
    )


def _variants(rows: pd.DataFrame, without: Sequence[str]) -> list[list[str]]:
    named = [name for name in rows["model"] if name in without]
    return [[], named] if named else [[]]


def _agreement(rows: pd.DataFrame, measure: Measure, left_out: list[str]) -> dict[str, object]:
    kept = rows[~rows["model"].isin(left_out)]
    about = {column: rows[column].iloc[0] for column in NAMES if column != "model"}
    told = {"measure": measure.column, "label": measure.label, "sign": measure.sign, "left_out": ", ".join(left_out)}
    try:
        found = _figures(measure.sign * kept[measure.column].to_numpy(), kept[ACCURACY].to_numpy(), list(kept["model"]))
    except ValueError as reason:
        besides = f" without {told['left_out']}" if left_out else ""
        raise Refused(f"table {about['table']}{besides}, {measure.column}: {reason}") from reason
    return {**about, **told, "encoders": len(kept), **found}


def _figures(oriented: np.ndarray, accuracy: np.ndarray, names: list[str]) -> dict[str, object]:
    full, without = correlation(oriented, accuracy), leave_one_out(oriented, accuracy)
    interval = bootstrap(oriented, accuracy, np.random.default_rng(SEED))
    most = most_influential(full, without)
    return {
        "pearson": full.pearson,
        "pearson_low": interval.pearson.low,
        "pearson_high": interval.pearson.high,
        "pearson_less_one_low": without.pearson_range.low,
        "pearson_less_one_high": without.pearson_range.high,
        "kendall": full.kendall,
        "kendall_low": interval.kendall.low,
        "kendall_high": interval.kendall.high,
        "kendall_less_one_low": without.kendall_range.low,
        "kendall_less_one_high": without.kendall_range.high,
        "most_influential": names[most],
        "pearson_less_most_influential": without.pearson[most],
        f"top_{BEST}": top_k(oriented, accuracy, BEST),
    }


# Text

HEAD = ("measure", "r", "95 %", "less one", "most: r without", "tau", "95 %", "less one", f"top {BEST}")


def text(tidy: pd.DataFrame) -> str:
    """A block per table; the line below a measure is without the encoders that are left out."""
    return "\n\n".join("\n".join(_block(rows)) for _, rows in tidy.groupby("table", sort=False))


def _block(rows: pd.DataFrame) -> Iterator[str]:
    first, last = rows.iloc[0], rows.iloc[-1]
    fewer = f"; {last['encoders']} without {last['left_out']}" if last["left_out"] else ""
    yield f"Table {first['table']}: {first['dataset']}, {first['pool']}, {first['encoders']} encoders{fewer}"
    yield aligned([HEAD, *(_line(row) for _, row in rows.iterrows())])


def _line(row: pd.Series) -> list[str]:
    most = f"{row['most_influential']} {row['pearson_less_most_influential']:z.3f}"
    return [
        "  without" if row["left_out"] else row["label"],
        *_told(row, "pearson"),
        most,
        *_told(row, "kendall"),
        f"{row[f'top_{BEST}']:g}",
    ]


def _told(row: pd.Series, name: str) -> list[str]:
    spans = ((row[f"{name}_low"], row[f"{name}_high"]), (row[f"{name}_less_one_low"], row[f"{name}_less_one_high"]))
    return [f"{row[name]: z.3f}", *(f"{low: z.2f} to {high: z.2f}" for low, high in spans)]


# Command line


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table and where its files are; 1, with one line on why, when the csv does not allow it."""
    flags = _flags().parse_args(argv)
    try:
        tidy = table(read(flags.table), flags.without)
    except Refused as reason:
        print(reason, file=sys.stderr)
        return 1
    print(text(tidy), "", *write(tidy, flags.out), sep="\n")
    return 0


def _flags() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--table", type=Path, required=True, metavar="CSV", help="one row per encoder")
    flags.add_argument("--out", type=Path, default=Path("runs/figures/measure_agreement"), help="folder (%(default)s)")
    flags.add_argument(
        "--without",
        type=lambda names: [name.strip() for name in names.split(",")],
        default=[],
        metavar="ENCODER[,ENCODER]",
        help="show each table without these encoders too, named as in its model column",
    )
    return flags


if __name__ == "__main__":
    sys.exit(main())
