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
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis import command
from mi_ray.experiments.plan.plan import Plan
from sweeps.temperature import STUDY


def draw(plan: Plan, tracking_uri: str, out: Path, *, partial: bool = False) -> list[Path]:
    """Read the cells of ``plan`` from MLflow and write the tables, the figure of agreement and the verdict to ``out``.

    Raises `MissingCells` when one is not there, unless ``partial``: encoders that lack a measure are not ranked then.
    """
    from analysis.agreement import figure as measure_agreement_figure
    from analysis.agreement.columns import COLUMNS, OTHERS, measures_of
    from analysis.agreement.ranking import ranked
    from analysis.cells import mirrored_cells
    from analysis.tables.made_of import made_of
    from analysis.tables.text import write_markdown
    from analysis.temperature.printed import printed
    from analysis.temperature.table import KINDS, MEASURED, rows
    from analysis.temperature.verdict import verdict
    from analysis.verdict import publish

    mirrored = mirrored_cells(STUDY, plan, tracking_uri, KINDS, partial=partial)
    out.mkdir(parents=True, exist_ok=True)
    tidy = rows(plan, mirrored)
    complete = tidy.dropna(subset=[column.name for column in MEASURED])
    agreement, unranked = ranked(complete)
    others = [column.name for column in measures_of(complete) if column in OTHERS]
    paths = [out / "temperature-table.csv", out / "encoders.csv"]
    for path, frame in zip(paths, (tidy, complete[[*COLUMNS, *others]]), strict=True):
        frame.to_csv(path, index=False)
    markdown = write_markdown(out / "temperature-table.md", printed(tidy, agreement))
    drawn = [] if agreement.empty else measure_agreement_figure.write(agreement, out, made_of(plan))
    return publish(plan, out, [*paths, markdown, *drawn], verdict(tidy, agreement, unranked), mirrored=mirrored)


if __name__ == "__main__":
    sys.exit(command.main(STUDY, draw))
