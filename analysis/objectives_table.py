"""Table III: linear accuracy by learning objective; csv, print layout and verdict.

Reads cells from MLflow and the objectives from the sweep. ``objectives-table.csv`` has a row per data set, objective
and quantity: ``accuracy``, a share of 1, and beyond the paper ``i_class``, the post-training estimate of same-class
pairs in bits with its certificate. ``objectives-differences.csv`` has the comparisons of the claim, paired by seed.
``objectives-table.md`` prints both. The verdict is verdict.json.

    python analysis/objectives_table.py --preset laptop
    python analysis/objectives_table.py --axis seed=0 --partial    # a dash for missing cells
"""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis import command
from mi_ray.experiments.plan.plan import Plan
from sweeps.objectives import STUDY


def draw(plan: Plan, tracking_uri: str, out: Path, *, partial: bool = False) -> list[Path]:
    """Read the cells of ``plan`` from MLflow and write the tables and the verdict to ``out``.

    Raises `MissingCells` if a cell is missing, unless ``partial``, which prints a dash in its place.
    """
    from analysis.cells import mirrored_cells
    from analysis.objectives.printed import printed
    from analysis.objectives.table import QUANTITIES, differences, table
    from analysis.objectives.verdict import verdict
    from analysis.tables.text import write_markdown
    from analysis.verdict import publish

    kinds = [kind for kind, _ in QUANTITIES.values()]
    mirrored = mirrored_cells(STUDY, plan, tracking_uri, kinds, partial=partial)
    out.mkdir(parents=True, exist_ok=True)
    tidy, compared = table(plan, mirrored), differences(plan, mirrored)
    paths = [out / "objectives-table.csv", out / "objectives-differences.csv"]
    for path, frame in zip(paths, (tidy, compared), strict=True):
        frame.to_csv(path, index=False)
    markdown = write_markdown(out / "objectives-table.md", printed(tidy, compared))
    return publish(plan, out, [*paths, markdown], verdict(tidy, compared), mirrored=mirrored)


if __name__ == "__main__":
    sys.exit(command.main(STUDY, draw))
