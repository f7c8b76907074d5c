"""The tables of Table III: accuracy and estimate by objective, and differences between objectives."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd

from analysis.tables.difference import paired
from analysis.tables.frame import certificates_over_seeds, over_seeds
from analysis.tables.places import placed
from analysis.tables.settings import settings_of
from mi_ray.experiments.declare import entropy_bits, training_of
from mi_ray.experiments.declare.measures import BALANCED_ACCURACY, CLASS_ENTROPY, NOMINAL
from mi_ray.experiments.plan.plan import Cell, Plan
from sweeps.objectives import objective_of
from sweeps.recipes import BENCHMARKS, benchmark_of

ACCURACY, ESTIMATE = "accuracy", "i_class"
QUANTITIES = {ACCURACY: ("evaluation", BALANCED_ACCURACY), ESTIMATE: ("estimation", NOMINAL)}
"""The kind of cell and the measure of each quantity."""

NAMES = {"simclr": "L_SimCLR", "augmented": "L_aug,best-known", "class": "L_class", "supcon": "L_SupCon"}
COUNTED = "counted_entropy_bits"
"""Column of H(C) as estimations report it, until it is merged with the declared one."""

COMPARISONS = {
    ("class", "simclr"): "every",
    ("supcon", "class"): "every",
    ("supcon", "augmented"): "every",
    ("augmented", "class"): "some",
}
"""The better and the worse objective in the paper, and on how many of its three data sets."""


def table(plan: Plan, mirrored: pd.DataFrame) -> pd.DataFrame:
    """One row per quantity, data set and objective: mean over seeds, spread, seeds found and planned, H(C)."""
    parts = []
    for quantity, (kind, measure) in QUANTITIES.items():
        cells, places = placed(plan, mirrored, kind, names_of_cell)
        part = over_seeds(cells, places, measure.name, measure.error)
        if quantity == ESTIMATE:
            part = part.join(certificates_over_seeds(cells, places).drop(columns=places))
            part[COUNTED] = over_seeds(cells, places, CLASS_ENTROPY.name)["mean"]
        part.insert(0, "quantity", quantity)
        parts.append(part)
    first = list(dict.fromkeys(name for part in parts for name in places_of(part)))
    tidy = pd.concat(parts, ignore_index=True)
    benchmarks = [BENCHMARKS[name] for name in tidy["data"]]
    declared = pd.Series([entropy_bits(benchmark.data, benchmark.task) for benchmark in benchmarks], dtype=float)
    tidy[CLASS_ENTROPY.name] = declared.fillna(tidy.pop(COUNTED))  # of class folders only the files tell it
    return tidy[[*first, *tidy.columns.difference(first, sort=False)]]


def places_of(rows: pd.DataFrame) -> list[str]:
    """The columns of settings that tell ``rows`` apart, without columns that are empty in all of them (settings that
    only the other quantity has)."""
    return [name for name in settings_of(rows.columns, "mean") if rows[name].notna().any()]


def names_of_cell(cell: Cell) -> dict[str, str]:
    """The names that the table gives to a cell's data set, objective and encoder."""
    training = training_of(cell.declaration)
    assert training is not None
    return {"data": benchmark_of(training.data), "objective": objective_of(training), "arch": training.arch}


def differences(plan: Plan, mirrored: pd.DataFrame) -> pd.DataFrame:
    """One row per data set and comparison: the accuracy of ``better`` minus that of ``worse``, paired by seed."""
    kind, measure = QUANTITIES[ACCURACY]
    cells, places = placed(plan, mirrored, kind, names_of_cell)
    settings = [name for name in places if name != "objective"]
    rows = []
    for place, alike in cells.groupby(settings, sort=False):
        for better, worse in COMPARISONS:
            above, below = (alike[alike["objective"] == name] for name in (better, worse))
            difference = paired(above, below, measure.name, measure.error)
            names = {**dict(zip(settings, place, strict=True)), "better": better, "worse": worse}
            rows.append({**names, **asdict(difference)})
    return pd.DataFrame(rows)
