"""Encoders of the zoo as rows: what the cells of a plan say of each, in the columns of `encoder_tables` and beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import pandas as pd

from analysis.agreement.csv_table import ACCURACY, COLUMNS
from analysis.cells import cells_of
from analysis.tables.frame import asked_and_measured, over_seeds
from mi_ray.experiments.declare import SimCLR, pairing_name
from mi_ray.experiments.plan.plan import Plan
from mi_ray.experiments.plan.sheets import telling

KINDS = ("evaluation", "estimation", "geometry", "checkpoint")
"""Kinds of cells that a row is made from."""

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


@dataclass(frozen=True)
class Source:
    """Where a column stands: the kind of cell, the values of its result, and whether it is asked of SimCLR views."""

    kind: str
    value: str
    standard_error: str
    viewed: bool = False
    scale: float = 1.0


SOURCES = {
    "i_class_bits": Source("estimation", "nominal_bits", "nominal_standard_error_bits"),
    "i_simclr_bits": Source("estimation", "nominal_bits", "nominal_standard_error_bits", viewed=True),
    ACCURACY: Source("evaluation", "linear_balanced_accuracy", "linear_balanced_standard_error", scale=100),
    "alignment": Source("geometry", "alignment", "alignment_standard_error"),
    "uniformity": Source("geometry", "uniformity", "uniformity_standard_error"),
    "tolerance": Source("geometry", "tolerance", "tolerance_standard_error"),
    "alignment_simclr": Source("geometry", "alignment", "alignment_standard_error", viewed=True),
    "uniformity_simclr": Source("geometry", "uniformity", "uniformity_standard_error", viewed=True),
}


def columns_of(plan: Plan, mirrored: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Each column of `SOURCES` as a table of `over_seeds`, one row per encoder and whatever else varies for it."""
    return {column: _column(plan, mirrored, source) for column, source in SOURCES.items()}


def _column(plan: Plan, mirrored: pd.DataFrame, source: Source) -> pd.DataFrame:
    asked = [cell for cell in cells_of(plan, source.kind) if (cell.parameters["task"] == VIEWED) == source.viewed]
    cells = asked_and_measured(plan, mirrored, source.kind)
    of_pairing = cells[cells["key"].isin({cell.key for cell in asked})]
    found = over_seeds(of_pairing, [PLACE, *telling(asked, (PLACE,))], source.value, source.standard_error)
    return found.assign(mean=source.scale * found["mean"], spread=source.scale * found["spread"])


def rows(plan: Plan, columns: Mapping[str, pd.DataFrame], mirrored: pd.DataFrame) -> pd.DataFrame:
    """One row per encoder: `encoder_tables.COLUMNS`, the measures of SimCLR views, spreads, layout and sha256."""
    parts = [_named(column, found) for column, found in columns.items()]
    joined = reduce(lambda one, other: one.merge(other, how="left"), [*parts, _files(plan, mirrored)])
    settings = dict.fromkeys(name for found in columns.values() for name in _places(found)[1:])
    joined["pool"] = [pool_of(arch) for arch in joined["arch"]]
    joined["table"] = [
        ", ".join([TABLES.get((row["dataset"], row["pool"]), "zoo"), *(f"{name}={row[name]}" for name in settings)])
        for _, row in joined.iterrows()
    ]
    told = joined.rename(columns={PLACE: "model"}).reindex(columns=list(COLUMNS))
    rest = joined.drop(columns=[PLACE, *settings, *(name for name in COLUMNS if name in joined)])
    return pd.concat([told, rest], axis=1).sort_values("table", kind="stable", ignore_index=True)


def _named(column: str, found: pd.DataFrame) -> pd.DataFrame:
    told = {"mean": column, "spread": f"{column}_spread", "spread_is": f"{column}_spread_is"}
    return found[[*_places(found), *told]].rename(columns=told)


def _places(found: pd.DataFrame) -> list[str]:
    """The encoder, and whatever else tells the rows of a table of `over_seeds` apart."""
    return list(found.columns[: found.columns.get_loc("mean")])


def _files(plan: Plan, mirrored: pd.DataFrame) -> pd.DataFrame:
    """Of each encoder its architecture, images, and the layout and sha256 of what it was read from."""
    read = asked_and_measured(plan, mirrored, "checkpoint").assign(dataset=lambda cells: cells["data"])
    places = [PLACE, *telling(cells_of(plan, "checkpoint"), (PLACE,))]
    told = {name: name for name in ("arch", "dataset", "read_layout", "read_sha256") if name not in places}
    return read.reindex(columns=[*places, *told]).groupby(places, sort=False).agg(_joined).reset_index()


def _joined(values: pd.Series) -> str:
    return " ".join(map(str, values.dropna().unique()))


def pool_of(arch: str) -> str:
    """The paper's kind of encoder that a timm name belongs to."""
    kinds = (pool for pool, starts in POOLS.items() if arch.startswith(starts))
    return next(kinds, "other encoders")
