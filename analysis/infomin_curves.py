"""Fig. 5: accuracy on four tasks over the MI of augmented views; csv, curves and verdict.

Reads cells from MLflow and the axes from the sweep. ``infomin-curves.csv`` has a row per encoder, augmentation,
strength and task: linear accuracy as a share of 1 and, equal for all tasks, the post-training estimate of the MI of two
views through the augmentation, in bits. The figure (.png, .pdf) shows (a) colour jitter and (b) resized crops; accuracy
up, estimate across, one curve per task, each encoder's strength above it. The verdict is verdict.json.

    python analysis/infomin_curves.py --preset laptop
    python analysis/infomin_curves.py --axis seed=0,1 --partial    # leave out missing cells
"""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis import command
from mi_ray.experiments.plan.plan import Plan
from sweeps.infomin_strength import STUDY

STEM = "infomin-curves"


def draw(plan: Plan, tracking_uri: str, out: Path, *, partial: bool = False) -> list[Path]:
    """Read the cells of ``plan`` from MLflow and write the table, the figure and the verdict to ``out``.

    Raises `MissingCells` if a cell is missing, unless ``partial``, which leaves out its point and says so.
    """
    from analysis.cells import mirrored_cells
    from analysis.infomin_strength.figure import STYLE, draw_curves
    from analysis.infomin_strength.table import KINDS, table
    from analysis.infomin_strength.verdict import verdict
    from analysis.style import save
    from analysis.tables.made_of import made_of
    from analysis.verdict import publish

    mirrored = mirrored_cells(STUDY, plan, tracking_uri, KINDS, partial=partial)
    out.mkdir(parents=True, exist_ok=True)
    tidy, csv = table(plan, mirrored), out / f"{STEM}.csv"
    tidy.to_csv(csv, index=False)
    written = [csv, *save(lambda: draw_curves(tidy, made_of(plan)), out / STEM, **STYLE)]
    return publish(plan, out, written, verdict(tidy), mirrored=mirrored)


if __name__ == "__main__":
    sys.exit(command.main(STUDY, draw))
