"""Fig. 4: in-training and post-training estimates and linear accuracy over K_tr; csv, bars and verdict.

Reads cells from MLflow and the axes from the sweep. ``small-batch.csv`` has a row per encoder, K_tr and quantity.
``in-training`` is Eq. 4 on the training's own batches in bits, averaged over the last tenth of the training, with a
standard error from the differences between its reports; ``post-training`` is the nominal estimate on the frozen encoder
in bits; both come with the bound log2(2K - 1) and the ceiling of 64 classes at their own K. ``accuracy`` is a share of
1. The figure is .png and .pdf, the verdict verdict.json.

    python analysis/small_batch_bars.py --preset laptop
    python analysis/small_batch_bars.py --axis k_tr=8,64 --partial    # leave out missing cells
"""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis import command
from mi_ray.experiments.plan.plan import Plan
from sweeps.small_batch import STUDY

STEM = "small-batch"


def draw(plan: Plan, tracking_uri: str, out: Path, *, partial: bool = False) -> list[Path]:
    """Read the cells of ``plan`` from MLflow and write the table, the figure and the verdict to ``out``.

    Raises `MissingCells` if a cell is missing, unless ``partial``, which leaves out its bar and says so.
    """
    from analysis.cells import mirrored_cells
    from analysis.small_batch.figure import STYLE, draw_bars
    from analysis.small_batch.table import table
    from analysis.small_batch.verdict import verdict
    from analysis.style import save
    from analysis.tables.made_of import made_of
    from analysis.verdict import publish

    mirrored = mirrored_cells(STUDY, plan, tracking_uri, list(STUDY.matrix.panels), partial=partial)
    out.mkdir(parents=True, exist_ok=True)
    tidy, csv = table(plan, mirrored), out / f"{STEM}.csv"
    tidy.to_csv(csv, index=False)
    written = [csv, *save(lambda: draw_bars(tidy, made_of(plan)), out / STEM, **STYLE)]
    return publish(plan, out, written, verdict(tidy), mirrored=mirrored)


if __name__ == "__main__":
    sys.exit(command.main(STUDY, draw))
