"""Encoders of the zoo as rows: what the cells of a plan measured of each, in `agreement.columns` and a few besides."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import pandas as pd

from analysis.agreement.columns import (
    ACCURACY,
    ALIGNMENT,
    ALIGNMENT_SIMCLR,
    COLUMNS,
    I_CLASS,
    I_SIMCLR,
    OTHERS,
    TOLERANCE,
    UNIFORMITY,
    UNIFORMITY_SIMCLR,
    EncoderColumn,
)
from analysis.cells import cells_of
from analysis.tables.frame import asked_and_measured, over_seeds, places_of
from mi_ray.experiments.declare import SimCLR, pairing_name
from mi_ray.experiments.declare.measures import READ_LAYOUT, READ_SHA256
from mi_ray.experiments.plan.plan import Plan
from mi_ray.experiments.plan.sheets import telling

KINDS = ("evaluation", "estimation", "geometry", "checkpoint")
"""Kinds of cells that a row is made from; those of `OTHERS` may be missing."""

VIEWED = pairing_name(SimCLR())
PLACE = "encoder"

TABLES = {
    ("imagenet-100", "ResNets"): "VI",
    ("imagenet-1k", "ResNets"): "VII",
    ("imagenet-100", "ViTs"): "VIII",
    ("imagenet-1k", "ViTs"): "IX",
}
"""The paper's tables by data set and pool; any other is a zoo of its own."""

POOLS = {"ResNets": ("resnet",), "ViTs": ("vit_", "deit", "swin", "pit_", "cait")}
"""How the names of a pool's encoders begin in timm."""


MEASURED = (I_CLASS, I_SIMCLR, ACCURACY, ALIGNMENT, UNIFORMITY, TOLERANCE, ALIGNMENT_SIMCLR, UNIFORMITY_SIMCLR)
"""Columns that cells of the plan measure."""


def columns_of(plan: Plan, mirrored: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Each of `MEASURED` by name as a table of `over_seeds`, one row per encoder and whatever else varies for it."""
    return {column.name: column_table(plan, mirrored, column) for column in MEASURED}


def others_of(plan: Plan, mirrored: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The same of `OTHERS`: the values are NaN in a store from before they were asked for."""
    return {column.name: column_table(plan, mirrored, column) for column in OTHERS}


def column_table(plan: Plan, mirrored: pd.DataFrame, column: EncoderColumn) -> pd.DataFrame:
    """Mean and spread over seeds of one column, from `over_seeds`, both times the column's ``scale``."""
    planned = [
        cell for cell in cells_of(plan, column.kind) if (cell.parameters.get("task") == VIEWED) == column.of_views
    ]
    cells = asked_and_measured(plan, mirrored, column.kind)
    of_pairing = cells[cells["key"].isin({cell.key for cell in planned})]
    places = [PLACE, *telling(planned, (PLACE,))]
    means = over_seeds(of_pairing, places, column.measure.name, column.measure.error)
    return means.assign(mean=column.scale * means["mean"], spread=column.scale * means["spread"])


def rows(plan: Plan, columns: Mapping[str, pd.DataFrame], mirrored: pd.DataFrame) -> pd.DataFrame:
    """One row per encoder: `COLUMNS`, the measures of SimCLR views, spreads, and layout and sha256 of its file."""
    places = {name: places_of(means) for name, means in columns.items()}
    parts = []
    for name, means in columns.items():
        names = {"mean": name, "spread": f"{name}_spread", "spread_is": f"{name}_spread_is"}
        parts.append(means[[*places[name], *names]].rename(columns=names))
    joined = reduce(lambda left, right: left.merge(right, how="left"), [*parts, _files_of(plan, mirrored)])
    settings = list(dict.fromkeys(setting for names in places.values() for setting in names[1:]))
    joined["pool"] = [pool_of(arch) for arch in joined["arch"]]
    joined["table"] = [
        ", ".join([TABLES.get((row["dataset"], row["pool"]), "zoo"), *(f"{name}={row[name]}" for name in settings)])
        for _, row in joined.iterrows()
    ]
    printed = joined.rename(columns={PLACE: "model"}).reindex(columns=list(COLUMNS))
    rest = joined.drop(columns=[PLACE, *settings, *(name for name in COLUMNS if name in joined)])
    return pd.concat([printed, rest], axis=1).sort_values("table", kind="stable", ignore_index=True)


def _files_of(plan: Plan, mirrored: pd.DataFrame) -> pd.DataFrame:
    """Of each encoder its architecture, images, and the layout and sha256 of the file that it was read from."""
    read = asked_and_measured(plan, mirrored, "checkpoint").assign(dataset=lambda cells: cells["data"])
    places = [PLACE, *telling(cells_of(plan, "checkpoint"), (PLACE,))]
    facts = [name for name in ("arch", "dataset", READ_LAYOUT, READ_SHA256) if name not in places]
    by_encoder = read.reindex(columns=[*places, *facts]).groupby(places, sort=False)
    return by_encoder.agg(lambda values: " ".join(map(str, values.dropna().unique()))).reset_index()


def pool_of(arch: str) -> str:
    """The paper's kind of encoder that a timm name belongs to."""
    pools = (pool for pool, starts in POOLS.items() if arch.startswith(starts))
    return next(pools, "other encoders")
