"""Figs. 6 and 7: accuracy and estimate on each task, for encoders trained with each pairing; csv, heatmaps and verdict.

Reads cells from MLflow and the axes from the sweep. Rows: evaluated task; columns: training pairing; one panel per
encoder. ``infomin-accuracy`` shows the linear accuracy in percent; ``infomin-estimate`` shows the post-training
estimate in bits, shaded by its share of the class entropy H(C): the certified bracket with a tick, or the nominal
value, with a note if that lies outside its bracket. The .csv of the estimates says why a value is not certified. Writes
.csv, .png and .pdf of both, and verdict.json.

    python analysis/infomin_heatmap.py --preset laptop
    python analysis/infomin_heatmap.py --axis seed=0,1 --partial    # hatch missing cells
"""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis import command
from mi_ray.experiments.plan.plan import Plan
from sweeps.infomin_grid import STUDY


def draw(plan: Plan, tracking_uri: str, out: Path, *, partial: bool = False) -> list[Path]:
    """Read the cells of ``plan`` from MLflow and write each figure's .csv, .png and .pdf, and the verdict, to ``out``.

    Raises `MissingCells` if a cell is missing, unless ``partial``, which hatches missing cells.
    """
    from analysis.cells import cells_of, mirrored_cells
    from analysis.infomin_grid.figure import save_heatmap
    from analysis.infomin_grid.table import HEATMAPS, table
    from analysis.infomin_grid.verdict import verdict
    from analysis.tables.made_of import made_of
    from analysis.verdict import publish

    kinds = [heatmap.kind for heatmap in HEATMAPS]
    mirrored = mirrored_cells(STUDY, plan, tracking_uri, kinds, partial=partial)
    out.mkdir(parents=True, exist_ok=True)
    planned = [heatmap for heatmap in HEATMAPS if cells_of(plan, heatmap.kind)]
    tables = {heatmap: table(heatmap, plan, mirrored) for heatmap in planned}
    written: list[Path] = []
    for heatmap, tidy in tables.items():
        csv = out / f"{heatmap.name}.csv"
        tidy.to_csv(csv, index=False)
        written += [csv, *save_heatmap(heatmap, tidy, out / heatmap.name, made_of(plan, [heatmap.kind]))]
    return publish(plan, out, written, verdict(tables), mirrored=mirrored)


if __name__ == "__main__":
    sys.exit(command.main(STUDY, draw))
