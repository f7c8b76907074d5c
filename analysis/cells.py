"""The cells of a plan, as MLflow holds them."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.plan.plan import Cell, Plan
from mi_ray.experiments.plan.study import Study
from mi_ray.tracking.mirror import read_cells
from mi_ray.tracking.reach import shown


class MissingCells(Refused):
    """Cells of the plan that MLflow lacks, one line each."""


def mirrored_cells(
    study: Study, plan: Plan, tracking_uri: str, kinds: Collection[str], *, partial: bool
) -> pd.DataFrame:
    """The cells of ``plan`` that MLflow holds; `MissingCells` names those of ``kinds`` it lacks, unless ``partial``."""
    cells = read_cells(tracking_uri, study.name, plan.cells.keys())
    absent = missing(plan, cells, kinds)
    if absent and not partial:
        raise MissingCells("\n".join(f"missing: {name} is not in {shown(tracking_uri)}" for name in absent))
    return cells


def missing(plan: Plan, mirrored: pd.DataFrame, kinds: Collection[str]) -> list[str]:
    """Names of the cells of ``kinds`` that ``plan`` asks for and MLflow lacks."""
    held = set(mirrored["key"])
    return [plan.name(cell) for kind in kinds for cell in cells_of(plan, kind) if cell.key not in held]


def cells_of(plan: Plan, kind: str) -> list[Cell]:
    """The cells of one kind, in the plan's order."""
    return [cell for cell in plan.cells.values() if cell.kind == kind]
