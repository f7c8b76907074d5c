"""Cells of several kinds side by side by their encoder, and the names of the panels of a figure."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from analysis.cells import cells_of
from analysis.tables.frame import asked_and_measured
from mi_ray.experiments.plan.plan import Plan
from mi_ray.experiments.plan.sheets import place_title, telling

ENCODER = "encoder"


def by_encoder(plan: Plan, mirrored: pd.DataFrame, kind: str) -> pd.DataFrame:
    """`asked_and_measured`, and in column ``encoder`` the key of the training behind each cell."""
    cells = asked_and_measured(plan, mirrored, kind)
    return cells.assign(**{ENCODER: [root(plan, key) for key in cells["key"]]})


def root(plan: Plan, key: str) -> str:
    """The key of the cell farthest upstream of a cell."""
    above = plan.cells[key].upstream
    return key if above is None else root(plan, above)


def beside(cells: pd.DataFrame, others: pd.DataFrame, *values: str) -> pd.DataFrame:
    """Cells, each with the columns ``values`` of ``others`` on the same encoder; NaN where ``others`` lacks them."""
    return cells.merge(others.reindex(columns=[ENCODER, *values]), on=ENCODER, how="left")


def panel_names(plan: Plan, kind: str, shown: Collection[str]) -> list[str]:
    """The parameters that tell panels apart: arch, and those that `telling` finds beside the ``shown`` ones."""
    return ["arch", *telling(cells_of(plan, kind), ("arch", *shown))]


def panel_title(names: Collection[str], values: Collection[str]) -> str:
    """``resnet18, temperature=0.5``: the encoder, then the other parameters of its panel."""
    arch, *others = values
    return ", ".join(filter(None, [arch, place_title(list(names)[1:], others)]))
