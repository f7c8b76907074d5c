"""The verdict of Table III: does an objective need more than the task's information, and does more help?

The paper claims an order, so each of its comparisons is a test of superiority with zero as its margin: one objective is
above another if the 95 % interval of the difference in accuracy, paired by seed, lies above zero. What the paper says
of every data set must be so on each; what it says of some, on one, at a level divided by their number.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from analysis.objectives.table import COMPARISONS, NAMES
from analysis.rules.claim import POINTS, Claim, Every, Some, superior
from analysis.rules.reading import Reading, of_difference
from analysis.rules.sentence import judged
from analysis.tables.difference import points
from analysis.tables.settings import settings_of
from analysis.verdict import Verdict, lacking, undecided
from mi_ray.experiments.plan.sheets import place_title
from sweeps.objectives import STUDY
from sweeps.recipes import BENCHMARKS

CLAIM = (
    "Information about the downstream task alone is not sufficient as an objective: L_class is above L_SimCLR, but "
    "L_SupCon is above L_class and L_aug,best-known on every data set, and L_aug,best-known above L_class on some "
    "(Sec. V-A, Table III)."
)


def verdict(tidy: pd.DataFrame, differences: pd.DataFrame) -> Verdict:
    """The verdict from the table and its `COMPARISONS`: undecided if cells are missing."""
    numbers = {}
    for _, row in differences.iterrows():
        name = f"{_where(row, row['arch'])}, {NAMES[row['better']]} less {NAMES[row['worse']]}, points"
        numbers[name] = _points(row)
    absent = lacking(tidy)
    if absent or differences["mean"].isna().any():
        return undecided(STUDY.name, CLAIM, absent or "these axes leave out objectives", numbers)
    groups = []
    for (better, worse), quantifier in COMPARISONS.items():
        rows = differences[(differences["better"] == better) & (differences["worse"] == worse)]
        named = {f"{NAMES[better]} less {NAMES[worse]} on {_where(row)}": row for _, row in rows.iterrows()}
        groups.append(claimed(quantifier, {name: of_difference(row) for name, row in named.items()}))
    return judged(STUDY.name, CLAIM, groups, numbers)


def claimed(quantifier: str, readings: Mapping[str, Reading]) -> Claim:
    """The claim that one objective is above another on every or on some data set, by their differences."""
    parts = [superior(name, reading, POINTS) for name, reading in readings.items()]
    return Every(parts) if quantifier == "every" else Some(parts)


def _where(row: pd.Series, *named: str) -> str:
    """The data set, and all other settings that tell comparisons apart."""
    settings = [name for name in settings_of(row.index, "better") if name not in ("data", "arch")]
    return ", ".join(filter(None, [BENCHMARKS[row["data"]].title, *named, place_title(settings, row[settings])]))


def _points(row: pd.Series) -> str:
    return points(row["mean"], row["low"], row["high"])
