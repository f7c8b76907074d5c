"""The verdict of Figs. 6 and 7: is everything high that Sec. IV-C says is high, against the InfoMin principle?"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from analysis.infomin_grid.table import ACCURACY, COLUMN, ESTIMATE, ROW, Matrix
from analysis.verdict import Verdict, lacking, undecided
from mi_ray.theory.tasks import Task
from sweeps.infomin_grid import STUDY

CLAIM = (
    "Sharing information irrelevant to a task does not harm it, against the InfoMin principle: accuracy and estimate "
    "are high on the diagonal, for pairing all, and for task position (Sec. IV-C, Figs. 6 and 7)."
)
HIGH = 0.8
"""What counts as high, as a share of what there is to know: the paper says 'high' and gives no number."""

SURE = 2.0
"""A share this many spreads from `HIGH`, or more, is surely on its side."""

PLACES = {
    "the diagonal": lambda tidy: tidy[ROW] == tidy[COLUMN],
    "pairing all": lambda tidy: tidy[COLUMN] == "all",
    "task position": lambda tidy: tidy[ROW] == "position",
}
NAMES = {ACCURACY: "accuracy", ESTIMATE: "estimate"}


def verdict(tables: Mapping[Matrix, pd.DataFrame]) -> Verdict:
    """The verdict from the table of each matrix: not given where cells are missing or lie too close to `HIGH`.

    Questions whose pairs are redrawn are left out: less than H(C) is there to know.
    """
    plain = {matrix: tidy[~tidy[ROW].str.contains("~")].reset_index(drop=True) for matrix, tidy in tables.items()}
    known = {matrix: _shares(matrix, tidy) for matrix, tidy in plain.items()}
    lowest = [_lowest(matrix, place, tidy) for matrix, tidy in known.items() for place in PLACES]
    if set(tables) != set(NAMES) or any(lowest_of.empty for lowest_of in lowest):
        return undecided(STUDY.name, CLAIM, "these axes leave out a part of the matrices")
    worst = pd.concat(lowest, ignore_index=True)
    absent = lacking(*plain.values())
    if absent:
        return undecided(STUDY.name, CLAIM, absent, _numbers(worst, known))
    holds, sentence = _judged(worst)
    return Verdict(STUDY.name, CLAIM, holds, sentence, _numbers(worst, known))


def _shares(matrix: Matrix, tidy: pd.DataFrame) -> pd.DataFrame:
    """Each value as a share of what there is to know: accuracy from chance to perfect, estimate from 0 to H(C)."""
    none = [1 / Task(task).n_classes if matrix is ACCURACY else 0.0 for task in tidy[ROW]]
    all_there_is = pd.Series([1.0] * len(tidy)) if matrix is ACCURACY else tidy["class_entropy_bits"]
    wide = all_there_is - none
    return tidy.assign(share=(tidy["value"] - none) / wide, doubt=tidy["spread"].fillna(0) / wide)


def _lowest(matrix: Matrix, place: str, tidy: pd.DataFrame) -> pd.DataFrame:
    """The lowest share at a place of the matrix, over all panels; no row where the matrix lacks the place."""
    there = tidy[PLACES[place](tidy)].assign(matrix=NAMES[matrix], place=place)
    return there.nsmallest(1, "share") if there["share"].notna().any() else there.head(1)


def _judged(worst: pd.DataFrame) -> tuple[bool | None, str]:
    low = worst[worst["share"] + SURE * worst["doubt"] < HIGH]
    if len(low):
        return False, f"Not high everywhere: {_listed(low)}; high is {_percent(HIGH)} or more."
    near = worst[worst["share"] - SURE * worst["doubt"] < HIGH]
    if len(near):
        return None, f"Cannot be judged: {_listed(near)}, within {SURE:g} spreads of {_percent(HIGH)}, which is high."
    return True, f"High wherever the paper says so, by these shares of what there is to know: {_ranges(worst)}."


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _listed(rows: pd.DataFrame) -> str:
    told = [
        f"{row.matrix} of {getattr(row, ROW)} after pairing {getattr(row, COLUMN)} is {_percent(row.share)}"
        for row in rows.drop_duplicates([ROW, COLUMN, "matrix"]).itertuples()
    ]
    return ", ".join(told) + " of what there is to know"


def _ranges(worst: pd.DataFrame) -> str:
    """The lowest share at each place, one clause for each matrix."""
    clauses = [
        f"{matrix} at least " + ", ".join(f"{_percent(row.share)} for {row.place}" for row in rows.itertuples())
        for matrix, rows in worst.groupby("matrix", sort=False)
    ]
    return "; ".join(clauses)


def _numbers(worst: pd.DataFrame, known: Mapping[Matrix, pd.DataFrame]) -> dict[str, float | str]:
    lowest = {f"lowest share, {row.matrix}, {row.place}": row.share for row in worst.itertuples()}
    harm = {f"most lost to pairing all, {NAMES[matrix]}": _harm(tidy) for matrix, tidy in known.items()}
    return lowest | harm | {"high is a share of": HIGH} | _certified(known[ESTIMATE])


def _harm(tidy: pd.DataFrame) -> float:
    """The largest share by which a task is better known after its own pairing than after ``all``."""
    panels = tidy.columns[2 : tidy.columns.get_loc("value")]
    own, shared = (tidy[PLACES[place](tidy)].set_index([ROW, *panels])["share"] for place in list(PLACES)[:2])
    return float((own - shared).max())


def _certified(estimates: pd.DataFrame) -> dict[str, float | str]:
    return {"estimates certified": f"{int(estimates['certified'].sum())} of {len(estimates)}"}
