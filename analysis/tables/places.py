"""The place of a cell in a table: names by its declaration, and the settings that make rows of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from analysis.cells import cells_of
from analysis.tables.frame import asked_and_measured
from mi_ray.experiments.plan.plan import Cell, Plan
from mi_ray.experiments.plan.sheets import telling


def placed(
    plan: Plan, mirrored: pd.DataFrame, kind: str, names: Callable[[Cell], Mapping[str, str]]
) -> tuple[pd.DataFrame, list[str]]:
    """`asked_and_measured` with the columns of ``names``; and the columns that tell rows apart: these, then settings.

    `telling` finds the settings, so that the cells of a row differ in seeds alone.
    """
    named = pd.DataFrame({"key": cell.key, **names(cell)} for cell in cells_of(plan, kind))
    cells = asked_and_measured(plan, mirrored, kind)
    cells = named.merge(cells.drop(columns=named.columns.drop("key"), errors="ignore"), on="key")
    places = list(named.columns.drop("key"))
    return cells, [*places, *telling(cells_of(plan, kind), places, names)]
