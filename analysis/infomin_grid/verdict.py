"""The verdict of Figs. 6 and 7: is every entry high that Sec. IV-C calls high, against the InfoMin principle?"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from analysis.infomin_grid.table import ACCURACY, COLUMN, ESTIMATE, ROW, Heatmap
from analysis.tables.settings import settings_of
from analysis.verdict import Verdict, lacking, undecided
from mi_ray.experiments.declare.measures import CERTIFIED, CLASS_ENTROPY
from mi_ray.theory.tasks import Task
from sweeps.infomin_grid import STUDY

CLAIM = (
    "Sharing information irrelevant to a task does not harm it, against the InfoMin principle: accuracy and estimate "
    "are high on the diagonal, for pairing all, and for task position (Sec. IV-C, Figs. 6 and 7)."
)
HIGH = 0.8
"""The least share of the task's information that counts as high; the paper says 'high' and gives no number."""

SURE = 2.0
"""A share this many spreads or more from `HIGH` is surely above or below it."""

PLACES = {
    "the diagonal": lambda tidy: tidy[ROW] == tidy[COLUMN],
    "pairing all": lambda tidy: tidy[COLUMN] == "all",
    "task position": lambda tidy: tidy[ROW] == "position",
}
NAMES = {ACCURACY: "accuracy", ESTIMATE: "estimate"}


def verdict(tables: Mapping[Heatmap, pd.DataFrame]) -> Verdict:
    """The verdict from the table of each heatmap; undecided if cells are missing or lie too close to `HIGH`.

    Leaves out questions with redrawn pairs, whose information is less than H(C).
    """
    plain = {heatmap: tidy[~tidy[ROW].str.contains("~")].reset_index(drop=True) for heatmap, tidy in tables.items()}
    scored = {heatmap: shares(heatmap, tidy) for heatmap, tidy in plain.items()}
    lowest = [lowest_share(heatmap, place, tidy) for heatmap, tidy in scored.items() for place in PLACES]
    if set(tables) != set(NAMES) or any(rows.empty for rows in lowest):
        return undecided(STUDY.name, CLAIM, "these axes leave out a part of the matrices")
    worst = pd.concat(lowest, ignore_index=True)
    numbers: dict[str, float | str] = {
        f"lowest share, {row.matrix}, {row.place}": row.share for row in worst.itertuples()
    }
    numbers |= {f"most lost to pairing all, {NAMES[heatmap]}": harm(tidy) for heatmap, tidy in scored.items()}
    certified = scored[ESTIMATE][CERTIFIED]
    numbers |= {"high is a share of": HIGH, "estimates certified": f"{int(certified.sum())} of {len(certified)}"}
    absent = lacking(*plain.values())
    if absent:
        return undecided(STUDY.name, CLAIM, absent, numbers)
    return Verdict(STUDY.name, CLAIM, *_judgement(worst), numbers)


def shares(heatmap: Heatmap, tidy: pd.DataFrame) -> pd.DataFrame:
    """Values as shares of the task's information: accuracy from chance to perfect, estimate from 0 to H(C)."""
    zero = [1 / Task(task).n_classes if heatmap is ACCURACY else 0.0 for task in tidy[ROW]]
    full = pd.Series([1.0] * len(tidy)) if heatmap is ACCURACY else tidy[CLASS_ENTROPY.name]
    width = full - zero
    return tidy.assign(share=(tidy["value"] - zero) / width, doubt=tidy["spread"].fillna(0) / width)


def lowest_share(heatmap: Heatmap, place: str, tidy: pd.DataFrame) -> pd.DataFrame:
    """The row with the lowest share at a place of the matrix, over all panels; empty if the matrix lacks the place."""
    there = tidy[PLACES[place](tidy)].assign(matrix=NAMES[heatmap], place=place)
    return there.nsmallest(1, "share") if there["share"].notna().any() else there.head(1)


def harm(tidy: pd.DataFrame) -> float:
    """The largest loss of a task's share from its own pairing to pairing ``all``."""
    panels = settings_of(tidy.columns, "value")[2:]
    own, shared = (tidy[PLACES[place](tidy)].set_index([ROW, *panels])["share"] for place in list(PLACES)[:2])
    return float((own - shared).max())


def _judgement(worst: pd.DataFrame) -> tuple[bool | None, str]:
    """Whether the claim holds, and why, from the row with the lowest share at each place."""
    low = worst[worst["share"] + SURE * worst["doubt"] < HIGH]
    if len(low):
        return False, f"Not high everywhere: {_listed(low)}; high is {_percent(HIGH)} or more."
    near = worst[worst["share"] - SURE * worst["doubt"] < HIGH]
    if len(near):
        return None, f"Cannot be judged: {_listed(near)}, within {SURE:g} spreads of {_percent(HIGH)}, which is high."
    clauses = [
        f"{name} at least " + ", ".join(f"{_percent(row.share)} for {row.place}" for row in rows.itertuples())
        for name, rows in worst.groupby("matrix", sort=False)
    ]
    return True, f"High wherever the paper says so, by these shares of what there is to know: {'; '.join(clauses)}."


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _listed(rows: pd.DataFrame) -> str:
    entries = [
        f"{row.matrix} of {getattr(row, ROW)} after pairing {getattr(row, COLUMN)} is {_percent(row.share)}"
        for row in rows.drop_duplicates([ROW, COLUMN, "matrix"]).itertuples()
    ]
    return ", ".join(entries) + " of what there is to know"
