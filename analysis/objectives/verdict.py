"""The verdict of Table III: is more than the task's information needed, and does more than it help?"""

from __future__ import annotations

import pandas as pd

from analysis.tables.difference import points, weighed
from analysis.verdict import Verdict, lacking, undecided
from mi_ray.experiments.plan.sheets import place_title
from sweeps.objectives import STUDY
from sweeps.recipes import BENCHMARKS

NAMES = {"simclr": "L_SimCLR", "augmented": "L_aug,best-known", "class": "L_class", "supcon": "L_SupCon"}
COMPARISONS = {
    ("class", "simclr"): "every",
    ("supcon", "class"): "every",
    ("supcon", "augmented"): "every",
    ("augmented", "class"): "some",
}
"""Which objective the paper finds above which, and on how many of its three data sets."""

CLAIM = (
    "Information about the downstream task alone is not sufficient as an objective: L_class is above L_SimCLR, but "
    "L_SupCon is above L_class and L_aug,best-known on every data set, and L_aug,best-known above L_class on some "
    "(Sec. V-A, Table III)."
)


def verdict(tidy: pd.DataFrame, differences: pd.DataFrame) -> Verdict:
    """The verdict from the table and its `COMPARISONS`: not given where a comparison's intervals hold zero."""
    numbers = {f"{_title(row)}, points": _points(row) for _, row in differences.iterrows()}
    absent = lacking(tidy)
    if absent or differences["mean"].isna().any():
        return undecided(STUDY.name, CLAIM, absent or "these axes leave out objectives", numbers)
    found = [_found(_of(differences, names), many) for names, many in COMPARISONS.items()]
    return Verdict(STUDY.name, CLAIM, *weighed(found), numbers)


def _of(differences: pd.DataFrame, names: tuple[str, str]) -> pd.DataFrame:
    return differences[(differences["better"] == names[0]) & (differences["worse"] == names[1])]


def _judged(rows: pd.DataFrame, many: str) -> bool | None:
    """Whether one objective is surely above another on every or on some data set, or surely is not."""
    above, below = rows["low"] > 0, rows["high"] < 0
    if many == "every":
        return False if below.any() else True if above.all() else None
    return True if above.any() else False if below.all() else None


def _found(rows: pd.DataFrame, many: str) -> tuple[bool | None, str]:
    first = rows.iloc[0]
    where = " and ".join(f"{_points(row)} points on {_where(row)}" for _, row in rows.iterrows())
    return _judged(rows, many), f"{NAMES[first['better']]} less {NAMES[first['worse']]} is {where}"


def _title(row: pd.Series) -> str:
    return f"{_where(row, row['arch'])}, {NAMES[row['better']]} less {NAMES[row['worse']]}"


def _where(row: pd.Series, *named: str) -> str:
    """The data set, and all else that tells comparisons apart."""
    settings = [name for name in row.index[: row.index.get_loc("better")] if name not in ("data", "arch")]
    return ", ".join(filter(None, [BENCHMARKS[row["data"]].title, *named, place_title(settings, row[settings])]))


def _points(row: pd.Series) -> str:
    return points(row["mean"], row["low"], row["high"])
