"""The two matrices of the InfoMin grid: which value each shows, and how it is told and shaded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mi_ray.theory.tasks import Task
from sweeps.infomin_grid import STUDY

ROW, COLUMN = STUDY.matrix.row, STUDY.matrix.column
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """One figure: the kind of cell it shows, where its value and standard error stand, and how they are told."""

    name: str
    kind: str
    standard_error: str
    title: str
    scale: float
    digits: int
    shade_label: str
    shades: tuple[str, ...]

    @property
    def value(self) -> str:
        """The value of the result that the study shows for this kind."""
        return STUDY.matrix.measures[self.kind].name


ACCURACY = Matrix(
    name="infomin-accuracy",
    kind="evaluation",
    standard_error="linear_balanced_standard_error",
    title="Balanced linear accuracy on a frozen encoder, %",
    scale=100.0,
    digits=1,
    shade_label="balanced accuracy, %",
    shades=("#f4f6f8", "#cfe0ea", "#8fbcd4", "#4a90b8", "#1f6391", "#0b3a63"),
)
ESTIMATE = Matrix(
    name="infomin-estimate",
    kind="estimation",
    standard_error="nominal_standard_error_bits",
    title="Post-training estimate of I(h$_X$; h$_Y$), bits",
    scale=1.0,
    digits=2,
    shade_label="estimate / H(C)",
    shades=("#f8f5f1", "#f2ddc0", "#e7b27b", "#d07f45", "#a34d2b", "#66251b"),
)
MATRICES = (ACCURACY, ESTIMATE)


def told(matrix: Matrix, value: float, *, least: bool = False) -> str:
    """A value in the unit and with the digits of its figure; ``least``: what would read as zero is told as ``<``."""
    smallest = 10.0**-matrix.digits
    if least and 0 < matrix.scale * value < smallest / 2:
        return f"<{smallest:.{matrix.digits}f}"
    return f"{matrix.scale * value:z.{matrix.digits}f}".replace("-", MINUS)


def share(matrix: Matrix, value: float, class_entropy_bits: float) -> float:
    """What the shade says, in 0..1: the accuracy itself; the estimate as a share of H(C), as in Fig. 7."""
    return float(np.clip(value if matrix is ACCURACY else value / class_entropy_bits, 0, 1))


def task_called(name: str) -> Task:
    """The task of a question, also where its pairs are redrawn, as in ``color~0.5``."""
    return Task(name.partition("~")[0])


def row_label(matrix: Matrix, name: str) -> str:
    """The evaluated task, and what its value is to be held against."""
    task = task_called(name)
    against = f"chance {100 / task.n_classes:.3g} %" if matrix is ACCURACY else f"H(C) = {task.entropy_bits:g} bits"
    return f"{name}\n{against}"
