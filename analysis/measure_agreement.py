"""Tables I, II and IV-IX: how well each measure of an encoder agrees with its linear accuracy, and how firmly.

Reads the encoder zoo from MLflow or, with --table, a csv with one row per encoder (columns:
`analysis/agreement/csv_table.py`) such as the paper's printed rows, and tells per table and measure: Pearson's r and
Kendall's tau-b, 95 % bootstrap
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

import pandas as pd

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis import command
from analysis.agreement import printed as agreement_print
from analysis.agreement.csv_table import COLUMNS, read
from analysis.agreement.figure import write
from analysis.agreement.ranking import BEST, ranked, table
from analysis.agreement.verdict import verdict
from analysis.cells import mirrored_cells
from analysis.encoder_zoo import figure as encoder_zoo_figure
from analysis.encoder_zoo.table import KINDS, SOURCES, columns_of, rows
from analysis.verdict import publish
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.plan.plan import Plan
from mi_ray.running.panels import aligned
from sweeps.encoder_zoo import STUDY

OUT = Path("runs/figures/measure_agreement")
"""Of what --table draws, if no other folder is given."""


# Table


# The zoo


def draw(plan: Plan, tracking_uri: str, out: Path, *, partial: bool = False) -> list[Path]:
    """Read the zoo's cells from MLflow and write its encoders, their agreement and the verdict to ``out``.

    Raises `MissingCells` when one is not there, unless ``partial``: encoders that lack a measure are left out then.
    """
    mirrored = mirrored_cells(STUDY, plan, tracking_uri, KINDS, partial=partial)
    out.mkdir(parents=True, exist_ok=True)
    columns = columns_of(plan, mirrored)
    encoders = rows(plan, columns, mirrored)
    agreement, unranked = ranked(encoders.dropna(subset=list(SOURCES)))
    told = [*_save(encoders, out), *agreement_print.write(encoders, agreement, out)]
    drawn = encoder_zoo_figure.write(encoders, agreement, out)
    ranking = [] if agreement.empty else write(agreement, out)
    return publish(plan, out, [*told, *drawn, *ranking], verdict(columns, agreement, unranked), mirrored=mirrored)


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
