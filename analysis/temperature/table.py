"""Encoders of Tables IV and V as rows: what cells of all kinds say of each, in the columns of `encoder_tables`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import pandas as pd

from analysis.agreement.csv_table import ACCURACY
from analysis.tables.frame import over_seeds
from analysis.tables.places import placed
from mi_ray.experiments.declare import SameClass, data_of
from mi_ray.experiments.plan.plan import Cell, Plan
from mi_ray.experiments.plan.sheets import place_title
from sweeps.recipes import BENCHMARKS, benchmark_of

KINDS = ("evaluation", "geometry", "training", "estimation")
"""Kinds of cells that a row is made from."""

PAPER = {"cifar-10": "IV", "imagenet-100": "V"}
"""The paper's table of a benchmark; any other is one like them, named by its images."""

LABEL = "model"
PLACES = ["benchmark", "arch", "temperature"]
HEADS = {
    ACCURACY: "bal. acc., %",
    "alignment": "alignment ↓",
    "uniformity": "uniformity ↓",
    "tolerance": "tolerance ↑",
    "contrastive_loss_nats": "loss, nats ↓",
    "i_simclr_bits": "Î_SimCLR, bits",
    "i_class_bits": "Î_class, bits",
}
"""Columns in the paper's order."""


@dataclass(frozen=True)
class Source:
    """Where a column stands: the kind of cell, the value of its result, and of an estimation whose pairs it is of."""

    kind: str
    value: str
    standard_error: str | None
    of: str = ""
    scale: float = 1.0


NOMINAL = ("nominal_bits", "nominal_standard_error_bits")
SOURCES = {
    ACCURACY: Source("evaluation", "linear_balanced_accuracy", "linear_balanced_standard_error", scale=100),
    "alignment": Source("geometry", "alignment", "alignment_standard_error"),
    "uniformity": Source("geometry", "uniformity", "uniformity_standard_error"),
    "tolerance": Source("geometry", "tolerance", "tolerance_standard_error"),
    "contrastive_loss_nats": Source("training", "loss_nats", None),
    "i_simclr_bits": Source("estimation", *NOMINAL, of="views"),
    "i_class_bits": Source("estimation", *NOMINAL, of="classes"),
}


def rows(plan: Plan, mirrored: pd.DataFrame) -> pd.DataFrame:
    """One row per encoder and temperature: `encoder_tables.COLUMNS`, spreads, seeds found and asked for over all."""
    columns = {name: _column(plan, mirrored, source) for name, source in SOURCES.items()}
    joined = reduce(lambda one, other: one.merge(other, how="left"), map(_named, columns, columns.values()))
    settings = [name for name in joined.columns[: joined.columns.get_loc(ACCURACY)] if name not in PLACES]
    counts = joined.filter(regex="_n_seeds")
    return joined.drop(columns=counts.columns).assign(
        n_seeds=counts.filter(regex="_n_seeds$").min(axis=1),
        n_seeds_asked=counts.filter(regex="_asked$").max(axis=1),
        table=[
            ", ".join(filter(None, [_table(row), place_title(settings, row[settings])])) for _, row in joined.iterrows()
        ],
        dataset=[BENCHMARKS[name].title for name in joined["benchmark"]],
        pool="trained",
        model=[f"{row['arch']}, τ {row['temperature']}" for _, row in joined.iterrows()],
    )


def _table(row: pd.Series) -> str:
    return PAPER.get(row["benchmark"], f"IV/V, {BENCHMARKS[row['benchmark']].title}")


def _column(plan: Plan, mirrored: pd.DataFrame, source: Source) -> pd.DataFrame:
    cells, places = placed(plan, mirrored, source.kind, _names)
    wanted = cells[cells["of"] == source.of] if source.of else cells
    places = [name for name in places if name != "of"]
    found = over_seeds(wanted, places, source.value, source.standard_error)
    return found.assign(mean=source.scale * found["mean"], spread=source.scale * found["spread"])


def _names(cell: Cell) -> dict[str, str]:
    """An encoder's place, and whose pairs a question is about."""
    pairing = getattr(cell.declaration, "pairing", None)
    told = {name: cell.parameters[name] for name in PLACES[1:]}
    return {PLACES[0]: benchmark_of(data_of(cell.declaration)), **told, "of": _of(pairing)}


def _of(pairing: object) -> str:
    return "classes" if isinstance(pairing, SameClass) else "views"


def _named(name: str, found: pd.DataFrame) -> pd.DataFrame:
    told = {"mean": name, **{part: f"{name}_{part}" for part in ("spread", "n_seeds", "n_seeds_asked")}}
    return found.drop(columns="spread_is").rename(columns=told)
