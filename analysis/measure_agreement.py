"""Tables I, II and IV-IX: how well each measure of an encoder agrees with its linear accuracy, and how firmly.

Reads the encoder zoo from MLflow or, with --table, a csv with one row per encoder (columns:
`analysis/agreement/columns.py`) such as the paper's printed rows. Per table and measure: Pearson's r and Kendall's
tau-b, 95 % bootstrap intervals over encoders, the range without each encoder in turn, and how many of the three best
encoders the measure finds. Alignment, uniformity and the contrastive loss are multiplied by -1, as in the paper: +1 is
always full agreement. Written as .csv, .png and .pdf; of the zoo as .md too, with ``encoder-zoo``, its encoders as in
Tables VI to IX, ``encoders.csv``, which --table reads, and the verdict.

    python analysis/measure_agreement.py --preset laptop
    python analysis/measure_agreement.py --table analysis/paper/printed.csv
    python analysis/measure_agreement.py --table analysis/paper/printed.csv --without Jigsaw,RotNet
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis import command
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.plan.plan import Plan
from sweeps.encoder_zoo import STUDY

OUT = Path("runs/figures/measure_agreement")
"""The folder for --table, if none is given."""


def draw(plan: Plan, tracking_uri: str, out: Path, *, partial: bool = False) -> list[Path]:
    """Read the zoo's cells from MLflow and write its encoders, their agreement and the verdict to ``out``.

    Raises `MissingCells` when one is not there, unless ``partial``: encoders that lack a measure are left out then.
    """
    from analysis.agreement import figure, printed
    from analysis.agreement.columns import COLUMNS, OTHERS, measures_of
    from analysis.agreement.ranking import ranked
    from analysis.agreement.verdict import verdict
    from analysis.cells import mirrored_cells
    from analysis.encoder_zoo import figure as encoder_zoo_figure
    from analysis.encoder_zoo.table import KINDS, columns_of, others_of, rows
    from analysis.tables.made_of import made_of
    from analysis.verdict import publish

    mirrored = mirrored_cells(STUDY, plan, tracking_uri, KINDS, partial=partial)
    out.mkdir(parents=True, exist_ok=True)
    columns = columns_of(plan, mirrored)
    encoders = rows(plan, columns | others_of(plan, mirrored), mirrored)
    complete = encoders.dropna(subset=list(columns))
    others = [column.name for column in measures_of(complete) if column in OTHERS]
    agreement, unranked = ranked(complete)
    paths = [out / "encoder-zoo.csv", out / "encoders.csv"]
    for path, frame in zip(paths, (encoders, complete[[*COLUMNS, *others]]), strict=True):
        frame.to_csv(path, index=False)
    markdown = printed.write(encoders, agreement, out)
    drawn = encoder_zoo_figure.write(encoders, agreement, out, made_of(plan))
    ranking = [] if agreement.empty else figure.write(agreement, out, made_of(plan))
    written = [*paths, *markdown, *drawn, *ranking]
    return publish(plan, out, written, verdict(columns, agreement, unranked), mirrored=mirrored)


def main(argv: Sequence[str] | None = None) -> int:
    """Draw the zoo, or print the table and where its files are; 1, with one line on why, when that cannot be done."""
    flags = command.flags_of(STUDY, __doc__)
    flags.add_argument("--table", type=Path, metavar="CSV", help="one row per encoder; read instead of the sweep")
    flags.add_argument(
        "--without",
        type=lambda names: [name.strip() for name in names.split(",")],
        default=[],
        metavar="ENCODER[,ENCODER]",
        help="with --table: show each table without these encoders too, named as in its model column",
    )
    given = flags.parse_args(argv)
    if given.table is None:
        return command.main(STUDY, draw, argv)
    from analysis.agreement import figure
    from analysis.agreement.csv_table import read
    from analysis.agreement.ranking import table
    from analysis.agreement.screen import text

    try:
        tidy = table(read(given.table), given.without)
    except Refused as reason:
        print(reason, file=sys.stderr)
        return 1
    print(text(tidy), "", *figure.write(tidy, given.out or OUT), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
