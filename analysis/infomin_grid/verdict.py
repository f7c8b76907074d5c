"""The verdict of Figs. 6 and 7: is every entry high that Sec. IV-C calls high, against the InfoMin principle?

Two parts of each matrix, with margins that are set here, before any run:

- Entries are high on the diagonal, for pairing ``all``, and for task ``position``: each has at least `HIGH` of what
  there is to know of its task, accuracy from chance to perfect, estimate from 0 to H(C). The paper says 'high' and
  gives no number. At .8 an accuracy of four classes is 85 %, and no more than a fifth of H(C) is lost; an entry that
  the pairing does not serve is far below it. A perfect encoder has 1.
- Sharing what is irrelevant does no harm: pairing ``all`` is not below a task's own pairing by more than .25 bits of
  the estimate, or 3 points of accuracy, the margins by which `small_batch` calls numbers the same. More is no harm, so
  this is a test of non-inferiority: one-sided.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from analysis.infomin_grid.table import ACCURACY, COLUMN, ESTIMATE, ROW, Heatmap
from analysis.rules.claim import BITS, PERCENT, POINTS, Claim, Every, Part
from analysis.rules.reading import Reading, of_place
from analysis.rules.sentence import judged
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
"""The least share of the task's information that counts as high."""

HARM = {ACCURACY: -0.03, ESTIMATE: -0.25}
"""What pairing all may lose of a task, at most, and still do no harm."""

PLACES = {
    "the diagonal": lambda tidy: tidy[ROW] == tidy[COLUMN],
    "pairing all": lambda tidy: tidy[COLUMN] == "all",
    "task position": lambda tidy: tidy[ROW] == "position",
}
NAMES = {ACCURACY: "accuracy", ESTIMATE: "estimate"}
UNITS = {ACCURACY: POINTS, ESTIMATE: BITS}


def verdict(tables: Mapping[Heatmap, pd.DataFrame]) -> Verdict:
    """The verdict from the table of each heatmap; undecided if cells are missing.

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
    groups = [claim for heatmap, tidy in scored.items() for claim in claims_of(heatmap, tidy)]
    return judged(STUDY.name, CLAIM, groups, numbers)


def shares(heatmap: Heatmap, tidy: pd.DataFrame) -> pd.DataFrame:
    """Values as shares of the task's information: accuracy from chance to perfect, estimate from 0 to H(C)."""
    zero = [1 / Task(task).n_classes if heatmap is ACCURACY else 0.0 for task in tidy[ROW]]
    full = pd.Series([1.0] * len(tidy)) if heatmap is ACCURACY else tidy[CLASS_ENTROPY.name]
    width = full - zero
    return tidy.assign(share=(tidy["value"] - zero) / width, zero=zero, width=width)


def lowest_share(heatmap: Heatmap, place: str, tidy: pd.DataFrame) -> pd.DataFrame:
    """The row with the lowest share at a place of the matrix, over all panels; empty if the matrix lacks the place."""
    there = tidy[PLACES[place](tidy)].assign(matrix=NAMES[heatmap], place=place)
    return there.nsmallest(1, "share") if there["share"].notna().any() else there.head(1)


def harm(tidy: pd.DataFrame) -> float:
    """The largest loss of a task's share from its own pairing to pairing ``all``."""
    panels = settings_of(tidy.columns, "value")[2:]
    own, shared = (tidy[PLACES[place](tidy)].set_index([ROW, *panels])["share"] for place in list(PLACES)[:2])
    return float((own - shared).max())


def claims_of(heatmap: Heatmap, tidy: pd.DataFrame) -> list[Claim]:
    """The claims about a matrix with `shares`: each place is high, and pairing ``all`` harms no task."""
    read = {index: of_place(row, "value") for index, row in tidy.iterrows()}
    claims = [high(heatmap, tidy[PLACES[place](tidy)], read) for place in PLACES]
    panels = settings_of(tidy.columns, "value")[2:]
    shared, pairs = tidy[PLACES["pairing all"](tidy)], {}
    for index, row in tidy[PLACES["the diagonal"](tidy) & ~PLACES["pairing all"](tidy)].iterrows():
        alike = (shared[[ROW, *panels]] == row[[ROW, *panels]]).all(axis=1)
        for other in shared.index[alike]:
            pairs[f"{NAMES[heatmap]} of {row[ROW]} after pairing all less after {row[COLUMN]}"] = (
                read[other],
                read[index],
            )
    return [*claims, harmless(heatmap, pairs)] if pairs else claims


def high(heatmap: Heatmap, rows: pd.DataFrame, read: Mapping[object, Reading]) -> Claim:
    """The claim that the entries of some rows are at least `HIGH` of what there is to know."""
    return Every([
        Part(
            name=f"{NAMES[heatmap]} of {row[ROW]} after pairing {row[COLUMN]}",
            reading=read[index].less_constant(row["zero"], row["width"]), low=HIGH, unit=PERCENT,
        )
        for index, row in rows.iterrows()
    ])  # fmt: skip


def harmless(heatmap: Heatmap, pairs: Mapping[str, tuple[Reading, Reading]]) -> Claim:
    """The claim that the first of each pair is not below the second by more than `HARM`."""
    return Every([
        Part(name=name, reading=one.less(other), low=HARM[heatmap], unit=UNITS[heatmap])
        for name, (one, other) in pairs.items()
    ])  # fmt: skip
