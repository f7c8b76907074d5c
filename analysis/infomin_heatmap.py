"""Figs. 6 and 7: what encoders trained with each pairing know of each task, as tables first and then as heatmaps.

Reads MLflow alone, and the axes from the sweep. Evaluated task down, training pairing across, one panel per encoder;
``infomin-accuracy`` is the linear accuracy in percent, ``infomin-estimate`` the post-training estimate in bits, shaded
by its share of the class entropy H(C): the certified bracket with a tick, or the nominal value, and a word where that
is outside its bracket; its .csv says why others are not certified. Each as .csv, .png and .pdf; the verdict as
verdict.json.

    python analysis/infomin_heatmap.py --preset laptop
    python analysis/infomin_heatmap.py --axis seed=0,1 --partial    # hatch what is not there yet
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis import command
from analysis.cells import cells_of, mirrored_cells
from analysis.infomin_grid import figure as heatmap_figure
from analysis.infomin_grid.figure import heatmap
from analysis.infomin_grid.table import COLUMN, ESTIMATE, MATRICES, ROW, Matrix, task_called
from analysis.infomin_grid.verdict import verdict
from analysis.style import save
from analysis.tables.frame import asked_and_measured, certificates_over_seeds, over_seeds
from analysis.tables.per_encoder import panel_names
from analysis.verdict import publish
from mi_ray.experiments.plan.plan import Plan
from sweeps.infomin_grid import STUDY


def table(matrix: Matrix, plan: Plan, mirrored: pd.DataFrame) -> pd.DataFrame:
    """One row per task, pairing and panel: mean over seeds, spread and what it is, seeds found and asked for, H(C).

    An estimate has its statement too: the bracket around its true value, and whether that is certified or why not.
    """
    found = asked_and_measured(plan, mirrored, matrix.kind)
    places = [ROW, COLUMN, *panel_names(plan, matrix.kind, (ROW, COLUMN))]
    tidy = over_seeds(found, places, matrix.value, matrix.standard_error).rename(columns={"mean": "value"})
    if matrix is ESTIMATE:
        tidy = tidy.join(certificates_over_seeds(found, places).drop(columns=places))
    tidy["class_entropy_bits"] = [task_called(task).entropy_bits for task in tidy[ROW]]
    return tidy


def draw(plan: Plan, tracking_uri: str, out: Path, *, partial: bool = False) -> list[Path]:
    """Read the cells of ``plan`` from MLflow and write each figure's .csv, .png and .pdf, and the verdict, to ``out``.

    Raises `MissingCells` when one is not there, unless ``partial``, which hatches it.
    """
    kinds = [matrix.kind for matrix in MATRICES]
    mirrored = mirrored_cells(STUDY, plan, tracking_uri, kinds, partial=partial)
    out.mkdir(parents=True, exist_ok=True)
    shown = [matrix for matrix in MATRICES if cells_of(plan, matrix.kind)]
    tables = {matrix: table(matrix, plan, mirrored) for matrix in shown}
    written = [path for matrix, tidy in tables.items() for path in _write(matrix, tidy, out)]
    return publish(plan, out, written, verdict(tables), mirrored=mirrored)


def _write(matrix: Matrix, tidy: pd.DataFrame, out: Path) -> list[Path]:
    stem = out / matrix.name
    tidy.to_csv(stem.with_suffix(".csv"), index=False)
    return [stem.with_suffix(".csv"), *save(lambda: heatmap(matrix, tidy), stem, **heatmap_figure.STYLE)]


if __name__ == "__main__":
    sys.exit(command.main(STUDY, draw))
