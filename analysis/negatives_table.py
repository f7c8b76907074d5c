"""Table X: linear accuracy on D by the data set D- that negatives come from; csv, print layout and verdict.

Reads cells from MLflow and the data sets from the sweep. ``negatives-table.csv`` has a row per D and D-: the accuracy,
a share of 1, and its difference to that of D's own negatives, paired by seed. ``negatives-table.md`` prints the table.
The verdict is verdict.json.

    python analysis/negatives_table.py --preset laptop
    python analysis/negatives_table.py --axis seed=0,1,2 --partial    # a dash for missing cells
"""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis import command
from mi_ray.experiments.plan.plan import Plan
from sweeps.negatives import STUDY


def draw(plan: Plan, tracking_uri: str, out: Path, *, partial: bool = False) -> list[Path]:
    """Read the cells of ``plan`` from MLflow and write the table and the verdict to ``out``.

    Raises `MissingCells` if a cell is missing, unless ``partial``, which prints a dash in its place.
    """
    from analysis.cells import mirrored_cells
    from analysis.negatives.printed import printed
    from analysis.negatives.table import KIND, table
    from analysis.negatives.verdict import verdict
    from analysis.tables.text import write_markdown
    from analysis.verdict import publish

    mirrored = mirrored_cells(STUDY, plan, tracking_uri, [KIND], partial=partial)
    out.mkdir(parents=True, exist_ok=True)
    tidy, csv = table(plan, mirrored), out / "negatives-table.csv"
    tidy.to_csv(csv, index=False)
    markdown = write_markdown(out / "negatives-table.md", printed(tidy))
    return publish(plan, out, [csv, markdown], verdict(tidy), mirrored=mirrored)


if __name__ == "__main__":
    sys.exit(command.main(STUDY, draw))
