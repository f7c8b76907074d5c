"""The verdict of Table III: does an objective need more than the task's information, and does more help?"""

from __future__ import annotations

import pandas as pd

from analysis.objectives.table import COMPARISONS, NAMES
from analysis.tables.difference import points, weighed
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
    """The verdict from the table and its `COMPARISONS`: undecided if an interval holds zero or cells are missing."""
    numbers = {}
    for _, row in differences.iterrows():
        name = f"{_where(row, row['arch'])}, {NAMES[row['better']]} less {NAMES[row['worse']]}, points"
        numbers[name] = _points(row)
    absent = lacking(tidy)
    if absent or differences["mean"].isna().any():
        return undecided(STUDY.name, CLAIM, absent or "these axes leave out objectives", numbers)
    parts = []
    for (better, worse), quantifier in COMPARISONS.items():
        rows = differences[(differences["better"] == better) & (differences["worse"] == worse)]
        where = " and ".join(f"{_points(row)} points on {_where(row)}" for _, row in rows.iterrows())
        parts.append((as_claimed(rows, quantifier), f"{NAMES[better]} less {NAMES[worse]} is {where}"))
    return Verdict(STUDY.name, CLAIM, *weighed(parts), numbers)


def as_claimed(rows: pd.DataFrame, quantifier: str) -> bool | None:
    """Whether one objective is surely above another on every or on some data set; False if surely not, else None."""
    above, below = rows["low"] > 0, rows["high"] < 0
    if quantifier == "every":
        return False if below.any() else True if above.all() else None
    return True if above.any() else False if below.all() else None


def _where(row: pd.Series, *named: str) -> str:
    """The data set, and all other settings that tell comparisons apart."""
    settings = [name for name in settings_of(row.index, "better") if name not in ("data", "arch")]
    return ", ".join(filter(None, [BENCHMARKS[row["data"]].title, *named, place_title(settings, row[settings])]))


def _points(row: pd.Series) -> str:
    return points(row["mean"], row["low"], row["high"])
