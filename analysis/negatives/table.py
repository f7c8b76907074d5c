"""The table of Table X: one row per D and D-, with accuracy and its differences to the references."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd

from analysis.tables.difference import paired
from analysis.tables.frame import over_seeds
from analysis.tables.places import placed
from mi_ray.experiments.declare import Labelled, data_of
from mi_ray.experiments.declare.measures import ACCURACY
from mi_ray.experiments.plan.plan import Cell, Plan
from sweeps.negatives import names_of

KIND = "evaluation"
OWN, APART, SIBLING = "own", "apart", "sibling"
REFERENCES = (OWN, APART)
"""D- that accuracies are compared with: in columns ``less_own_mean``, ``less_own_low`` and so on."""


def table(plan: Plan, mirrored: pd.DataFrame) -> pd.DataFrame:
    """One row per D and D-: accuracy over seeds and its differences to own and to apart, with their intervals."""
    cells, places = placed(plan, mirrored, KIND, names_of_cell)
    settings = [name for name in places if name != "negatives"]
    tidy = over_seeds(cells, places, ACCURACY.name, ACCURACY.error)
    for reference in REFERENCES:
        differences = []
        for _, row in tidy.iterrows():
            alike = cells[(cells[settings] == row[settings]).all(axis=1)]
            compared = alike[alike["negatives"] == row["negatives"]]
            baseline = alike[alike["negatives"] == reference]
            differences.append(asdict(paired(compared, baseline, ACCURACY.name, ACCURACY.error)))
        tidy = tidy.join(pd.DataFrame(differences).add_prefix(f"less_{reference}_"))
    return tidy


def names_of_cell(cell: Cell) -> dict[str, str]:
    """D, D- and the encoder of a cell, as the table names them."""
    data = data_of(cell.declaration)
    assert isinstance(data, Labelled)
    return dict(zip(("data", "negatives", "arch"), (*names_of(data), cell.parameters["arch"]), strict=True))


def difference(row: pd.Series, reference: str) -> tuple[float, float, float]:
    """The difference of a row's accuracy to that of ``reference``: mean and the ends of its interval."""
    mean, low, high = (float(row[f"less_{reference}_{name}"]) for name in ("mean", "low", "high"))
    return mean, low, high
