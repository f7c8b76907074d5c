"""Tables of Figs. 6 and 7: one row per evaluated task, training pairing and encoder; the heatmap of each measure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.tables.frame import asked_and_measured, certificates_over_seeds, over_seeds
from analysis.tables.per_encoder import panel_names
from analysis.tables.text import MINUS
from mi_ray.experiments.declare.measures import BALANCED_ACCURACY, CLASS_ENTROPY, NOMINAL, Measure
from mi_ray.experiments.plan.plan import Plan
from mi_ray.theory.tasks import Task
from sweeps.infomin_grid import STUDY

ROW, COLUMN = STUDY.matrix.row, STUDY.matrix.column


@dataclass(frozen=True, kw_only=True)
class Heatmap:
    """One figure: the kind of cell and the measure that it shows, and how a value is written and shaded.

    ``scale``: factor from the measure's unit to that of the figure.
    """

    name: str
    kind: str
    measure: Measure
    title: str
    scale: float
    digits: int
    shade_label: str
    shades: tuple[str, ...]


ACCURACY = Heatmap(
    name="infomin-accuracy",
    kind="evaluation",
    measure=BALANCED_ACCURACY,
    title="Balanced linear accuracy on a frozen encoder, %",
    scale=100.0,
    digits=1,
    shade_label="balanced accuracy, %",
    shades=("#f4f6f8", "#cfe0ea", "#8fbcd4", "#4a90b8", "#1f6391", "#0b3a63"),
)
ESTIMATE = Heatmap(
    name="infomin-estimate",
    kind="estimation",
    measure=NOMINAL,
    title="Post-training estimate of I(h$_X$; h$_Y$), bits",
    scale=1.0,
    digits=2,
    shade_label="estimate / H(C)",
    shades=("#f8f5f1", "#f2ddc0", "#e7b27b", "#d07f45", "#a34d2b", "#66251b"),
)
HEATMAPS = (ACCURACY, ESTIMATE)


def table(heatmap: Heatmap, plan: Plan, mirrored: pd.DataFrame) -> pd.DataFrame:
    """One row per task, pairing and panel: mean over seeds, spread and its meaning, seeds found and planned, H(C).

    An estimate also has its statement: the bracket around its true value, and whether it is certified or why not.
    """
    cells = asked_and_measured(plan, mirrored, heatmap.kind)
    places = [ROW, COLUMN, *panel_names(plan, heatmap.kind, (ROW, COLUMN))]
    tidy = over_seeds(cells, places, heatmap.measure.name, heatmap.measure.error).rename(columns={"mean": "value"})
    if heatmap is ESTIMATE:
        tidy = tidy.join(certificates_over_seeds(cells, places).drop(columns=places))
    tidy[CLASS_ENTROPY.name] = [task_named(name).entropy_bits for name in tidy[ROW]]
    return tidy


def formatted(heatmap: Heatmap, value: float, *, least: bool = False) -> str:
    """A value in the unit and with the digits of its figure; with ``least``, one that rounds to zero gets a ``<``."""
    smallest = 10.0**-heatmap.digits
    if least and 0 < heatmap.scale * value < smallest / 2:
        return f"<{smallest:.{heatmap.digits}f}"
    return f"{heatmap.scale * value:z.{heatmap.digits}f}".replace("-", MINUS)


def share(heatmap: Heatmap, value: float, class_entropy_bits: float) -> float:
    """The position of a value on the colour bar, in 0..1: an accuracy itself; an estimate over H(C), as in Fig. 7."""
    return float(np.clip(value if heatmap is ACCURACY else value / class_entropy_bits, 0, 1))


def task_named(name: str) -> Task:
    """The task of a question, also of one with redrawn pairs such as ``color~0.5``."""
    return Task(name.partition("~")[0])


def row_label(heatmap: Heatmap, name: str) -> str:
    """The evaluated task, and its chance level or class entropy for comparison."""
    task = task_named(name)
    reference = f"chance {100 / task.n_classes:.3g} %" if heatmap is ACCURACY else f"H(C) = {task.entropy_bits:g} bits"
    return f"{name}\n{reference}"
