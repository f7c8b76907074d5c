"""Tables IV and V, one row per encoder: every column of `agreement.columns` that the cells of its plan measure."""

from __future__ import annotations

from functools import reduce

import pandas as pd

from analysis.agreement.columns import (
    ACCURACY,
    ALIGNMENT,
    CONTRASTIVE_LOSS,
    I_CLASS,
    I_SIMCLR,
    OTHERS,
    TOLERANCE,
    UNIFORMITY,
    EncoderColumn,
)
from analysis.tables.frame import over_seeds, places_of
from analysis.tables.places import placed
from mi_ray.experiments.declare import SameClass, data_of
from mi_ray.experiments.plan.plan import Cell, Plan
from mi_ray.experiments.plan.sheets import place_title
from sweeps.recipes import BENCHMARKS, benchmark_of

KINDS = ("evaluation", "geometry", "training", "estimation")
"""Kinds of the cells whose results fill a row; those of `OTHERS` may be missing."""

PAPER = {"cifar-10": "IV", "imagenet-100": "V"}
"""The paper's table of each benchmark; tables of other benchmarks are named by their images."""

LABEL = "model"
PLACES = ["benchmark", "arch", "temperature"]
PAIRS = "pairs"
"""Name of the column that says whether a question's pairs are ``views`` of an image or images of ``classes``."""

MEASURED = (ACCURACY, ALIGNMENT, UNIFORMITY, TOLERANCE, CONTRASTIVE_LOSS, I_SIMCLR, I_CLASS)
"""Columns that cells of the plan measure, in the paper's order."""


def rows(plan: Plan, mirrored: pd.DataFrame) -> pd.DataFrame:
    """One row per encoder and temperature: the columns of `MEASURED` and `OTHERS` with their spreads; ``n_seeds``, the
    fewest seeds that one of `MEASURED` has; and ``n_seeds_asked``, the most that were planned for one."""
    tables = [column_table(plan, mirrored, column) for column in MEASURED]
    settings = [name for name in places_of(tables[0]) if name not in PLACES]
    parts = []
    for column, means in zip(MEASURED, tables, strict=True):
        kept = {part: f"{column.name}_{part}" for part in ("spread", "n_seeds", "n_seeds_asked")}
        parts.append(means.drop(columns="spread_is").rename(columns={"mean": column.name, **kept}))
    for column in OTHERS:
        means, names = column_table(plan, mirrored, column), {"mean": column.name, "spread": f"{column.name}_spread"}
        parts.append(means[[*places_of(means), *names]].rename(columns=names))
    joined = reduce(lambda left, right: left.merge(right, how="left"), parts)
    counts = joined.filter(regex="_n_seeds")
    return joined.drop(columns=counts.columns).assign(
        n_seeds=counts.filter(regex="_n_seeds$").min(axis=1),
        n_seeds_asked=counts.filter(regex="_asked$").max(axis=1),
        table=[
            ", ".join(filter(None, [_paper_table(row["benchmark"]), place_title(settings, row[settings])]))
            for _, row in joined.iterrows()
        ],
        dataset=[BENCHMARKS[name].title for name in joined["benchmark"]],
        pool="trained",
        model=[f"{row['arch']}, τ {row['temperature']}" for _, row in joined.iterrows()],
    )


def _paper_table(benchmark: str) -> str:
    """The number of the paper's table of a benchmark; ``IV/V`` with the benchmark's title if the paper has no table."""
    return PAPER.get(benchmark, f"IV/V, {BENCHMARKS[benchmark].title}")


def column_table(plan: Plan, mirrored: pd.DataFrame, column: EncoderColumn) -> pd.DataFrame:
    """Mean and spread over seeds of one column, from `over_seeds`, both times the column's ``scale``."""
    cells, places = placed(plan, mirrored, column.kind, names_of_cell)
    if column.kind == "estimation":
        cells = cells[cells[PAIRS] == ("views" if column.of_views else "classes")]
    means = over_seeds(cells, [name for name in places if name != PAIRS], column.measure.name, column.measure.error)
    return means.assign(mean=column.scale * means["mean"], spread=column.scale * means["spread"])


def names_of_cell(cell: Cell) -> dict[str, str]:
    """The row of a cell, as benchmark, arch and temperature of its encoder; and whether its pairs are views or
    classes."""
    settings = {name: cell.parameters[name] for name in PLACES[1:]}
    pairs = "classes" if isinstance(getattr(cell.declaration, "pairing", None), SameClass) else "views"
    return {PLACES[0]: benchmark_of(data_of(cell.declaration)), **settings, PAIRS: pairs}
