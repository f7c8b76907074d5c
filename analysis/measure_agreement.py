"""Tables I, II and IV-IX: how well each measure of an encoder agrees with its linear accuracy, and how firmly.

Reads the encoder zoo from MLflow or, with --table, a csv with one row per encoder (columns: analysis/encoder_tables.py)
such as the paper's printed rows, and tells per table and measure: Pearson's r and Kendall's tau-b, 95 % bootstrap
intervals over encoders, what is left without each encoder in turn, and how many of the three best it finds. Alignment,
uniformity and the contrastive loss are multiplied by -1, as in the paper: +1 is always full agreement. As .csv, .png
and .pdf; of the zoo as .md too, with ``encoder-zoo``, its encoders as in Tables VI to IX, ``encoders.csv``, which
--table reads, and the verdict.

    python analysis/measure_agreement.py --preset laptop
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

from analysis import agreement_print, command, encoder_zoo_figure
from analysis.agreement_verdict import leads, verdict
from analysis.encoder_tables import ACCURACY, COLUMNS, NAMES, Measure, measures_of, read
from analysis.encoder_zoo_rows import KINDS, SOURCES, columns_of, rows
from analysis.measure_agreement_figure import write
from mi_ray.experiments.checks import Refused, refuse
from mi_ray.experiments.plan import Plan
from mi_ray.matrices import aligned
from mi_ray.theory.agreement import bootstrap, correlation, leave_one_out, most_influential, top_k
from sweeps.encoder_zoo import STUDY

BEST = 3
OUT = Path("runs/figures/measure_agreement")
"""Of what --table draws, if no other folder is given."""

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


# The zoo


def draw(plan: Plan, tracking_uri: str, out: Path, *, partial: bool = False) -> list[Path]:
    """Read the zoo's cells from MLflow and write its encoders, their agreement and the verdict to ``out``.

    Raises `MissingCells` when one is not there, unless ``partial``: encoders that lack a measure are left out then.
    """
    mirrored = command.mirrored(STUDY, plan, tracking_uri, KINDS, partial=partial)
    out.mkdir(parents=True, exist_ok=True)
    columns = columns_of(plan, mirrored)
    encoders = rows(plan, columns, mirrored)
    agreement, unranked = ranked(encoders.dropna(subset=list(SOURCES)))
    told = [*_save(encoders, out), *agreement_print.write(encoders, agreement, out)]
    drawn = encoder_zoo_figure.write(encoders, agreement, out)
    ranking = [] if agreement.empty else write(agreement, out)
    return command.publish(
        plan, out, [*told, *drawn, *ranking], verdict(columns, agreement, unranked), mirrored=mirrored
    )


def ranked(encoders: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The agreement of every measure beside the lead of I_class over it, and why some tables have none."""
    found, unranked = [], []
    for _, of_table in encoders.groupby("table", sort=False):
        try:
            found.append(table(of_table).merge(leads(of_table), how="left"))
        except (Refused, ValueError) as reason:
            unranked.append(str(reason))
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(), unranked


def _save(encoders: pd.DataFrame, out: Path) -> list[Path]:
    """All that is known of the encoders, and the columns that --table reads."""
    told = encoders.dropna(subset=list(SOURCES))[list(COLUMNS)]
    paths = [out / "encoder-zoo.csv", out / "encoders.csv"]
    for path, frame in zip(paths, (encoders, told), strict=True):
        frame.to_csv(path, index=False)
    return paths


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
    """Draw the zoo, or print the table and where its files are; 1, with one line on why, when that cannot be done."""
    flags = _flags().parse_args(argv)
    if flags.table is None:
        return command.main(STUDY, draw, argv)
    try:
        tidy = table(read(flags.table), flags.without)
    except Refused as reason:
        print(reason, file=sys.stderr)
        return 1
    print(text(tidy), "", *write(tidy, flags.out or OUT), sep="\n")
    return 0


def _flags() -> argparse.ArgumentParser:
    flags = command.flags_of(STUDY, __doc__)
    flags.add_argument("--table", type=Path, metavar="CSV", help="one row per encoder; read instead of the sweep")
    flags.add_argument(
        "--without",
        type=lambda names: [name.strip() for name in names.split(",")],
        default=[],
        metavar="ENCODER[,ENCODER]",
        help="with --table: show each table without these encoders too, named as in its model column",
    )
    return flags


if __name__ == "__main__":
    sys.exit(main())
