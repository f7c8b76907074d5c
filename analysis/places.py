"""Where a cell stands in a table: names that its declaration gives, and settings that make rows of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from analysis.command import cells_of
from analysis.tidy import SEEDS, asked_and_measured
from mi_ray.experiments.plan import Cell, Plan

ALL_SEEDS = SEEDS | {"view_seed", "data_seed"}


def placed(
    plan: Plan, mirrored: pd.DataFrame, kind: str, names: Callable[[Cell], Mapping[str, str]]
) -> tuple[pd.DataFrame, list[str]]:
    """`asked_and_measured` with the columns of ``names``; and these columns, then what else tells rows apart.

    That is every parameter that a place is asked with several values of, seeds left out.
    """
    told = pd.DataFrame({"key": cell.key, **names(cell)} for cell in cells_of(plan, kind))
    cells = asked_and_measured(plan, mirrored, kind)
    cells = told.merge(cells.drop(columns=told.columns.drop("key"), errors="ignore"), on="key")
    places = list(told.columns.drop("key"))
    return cells, [*places, *_varying(plan, kind, cells, places)]


def _varying(plan: Plan, kind: str, cells: pd.DataFrame, places: Sequence[str]) -> list[str]:
    asked = dict.fromkeys(name for cell in cells_of(plan, kind) for name in cell.parameters)
    several = cells.groupby(list(places)).nunique().max() > 1
    return [name for name in asked if name not in {*places, *ALL_SEEDS} and several[name]]
