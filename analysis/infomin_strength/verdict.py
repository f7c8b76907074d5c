"""The verdict of Fig. 5: is accuracy a reverse U over strength for every task, with one peak for all (Sec. IV-C)?

Curves are judged over the strength, which sets the MI: whatever the estimate, encoders are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analysis.tables.per_encoder import panel_title
from analysis.verdict import Verdict, all_hold, lacking, undecided
from sweeps.infomin_strength import AUGMENTATIONS, STUDY, TASKS

CLAIM = (
    "Over the strength of an augmentation, accuracy is a reverse U for every task and all peak together, though what "
    "one task needs is irrelevant to the others: a peak does not bear out the InfoMin principle (Sec. IV-C, Fig. 5)."
)
SURE = 2.0
"""Accuracies this many spreads apart, or more, surely differ."""

FEWEST = 3
"""Strengths that it takes to see a peak between two ends."""


SHAPES = {True: "a reverse U", False: "highest at an end", None: "as high at an end as at the peak, within noise"}


@dataclass(frozen=True)
class Peak:
    """Where a task's curve peaks: the best strength, and all that cannot be told from it by `SURE` spreads."""

    task: str
    at: float
    accuracy: float
    near: frozenset[float]
    ends: tuple[float, float]

    @property
    def reverse_u(self) -> bool | None:
        """Is it surely lower at both ends; or False, surely highest at one?"""
        if self.near.isdisjoint(self.ends):
            return True
        return False if len(self.near) == 1 or self.near <= set(self.ends) else None


@dataclass(frozen=True)
class Curves:
    """The four tasks' peaks of one augmentation in one panel."""

    name: str
    peaks: tuple[Peak, ...] = field(default_factory=tuple)

    @property
    def together(self) -> bool | None:
        """One best strength for all; or False, no strength that could be it; None where noise decides."""
        if len({peak.at for peak in self.peaks}) == 1:
            return True
        return None if frozenset.intersection(*(peak.near for peak in self.peaks)) else False

    @property
    def holds(self) -> bool | None:
        return all_hold([self.together, *(peak.reverse_u for peak in self.peaks)])

    @property
    def sentence(self) -> str:
        """Where each task peaks, whether together, and which curves are a reverse U."""
        return f"{self.name}: {self._where}; {self._shapes}"

    @property
    def _where(self) -> str:
        if self.together:
            return f"every task peaks at {self.peaks[0].at:g}"
        told = _listed([f"{at:g} ({', '.join(tasks)})" for at, tasks in self._by(lambda peak: peak.at).items()])
        apart = "surely not all together" if self.together is False else "which noise may set apart"
        return f"peaks at {told}, {apart}"

    @property
    def _shapes(self) -> str:
        by_shape = self._by(lambda peak: SHAPES[peak.reverse_u])
        return ", ".join(
            f"{'every task' if len(by_shape) == 1 else _listed(tasks)} {shape}" for shape, tasks in by_shape.items()
        )

    def _by(self, what: Callable[[Peak], Any]) -> dict[Any, list[str]]:
        """Tasks by what is said of their peaks."""
        tasks: dict[Any, list[str]] = {}
        for peak in self.peaks:
            tasks.setdefault(what(peak), []).append(f"task {peak.task}" if peak.task == "all" else peak.task)
        return tasks


def _listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def verdict(tidy: pd.DataFrame) -> Verdict:
    """The verdict from the table: not given where cells or a part of the figure are missing, or where noise decides."""
    if not _whole(tidy):
        return undecided(STUDY.name, CLAIM, f"it takes all four tasks at {FEWEST} strengths of each augmentation")
    found = curves_of(tidy.dropna(subset="accuracy"))
    numbers = {name: value for curves in found for name, value in _numbers(curves).items()}
    absent = lacking(tidy, _estimates(tidy))
    if absent:
        return undecided(STUDY.name, CLAIM, absent, numbers)
    holds = all_hold(curves.holds for curves in found)
    told = ". ".join(curves.sentence for curves in found)
    return Verdict(STUDY.name, CLAIM, holds, f"{told}. {_noise(tidy)}", numbers)


def _whole(tidy: pd.DataFrame) -> bool:
    strengths = tidy.groupby("augmentation")["strength"].nunique()
    return set(tidy["task"]) == set(TASKS) and set(strengths.index) == set(AUGMENTATIONS) and strengths.min() >= FEWEST


def _estimates(tidy: pd.DataFrame) -> pd.DataFrame:
    """How many estimates there are, and how many are asked for: one row per augmentation."""
    places = list(tidy.columns[: tidy.columns.get_loc("task")])
    estimates = tidy.drop_duplicates(places)[["n_estimates", "n_seeds_asked"]]
    return estimates.rename(columns={"n_estimates": "n_seeds"})


def curves_of(tidy: pd.DataFrame) -> list[Curves]:
    """The curves of every panel and augmentation that has any accuracy."""
    names = list(tidy.columns[: tidy.columns.get_loc("augmentation")])
    return [
        Curves(
            f"{kind} ({panel_title(names, panel)})",
            tuple(_peak(task, r) for task, r in rows.groupby("task", sort=False)),
        )
        for (*panel, kind), rows in tidy.groupby([*names, "augmentation"], sort=False)
    ]


def _peak(task: str, rows: pd.DataFrame) -> Peak:
    rows = rows.fillna({"spread": 0.0})
    best = rows.loc[rows["accuracy"].idxmax()]
    apart = best["accuracy"] - rows["accuracy"] > SURE * np.hypot(rows["spread"], best["spread"])
    near = rows.loc[~apart, "strength"]
    ends = rows["strength"].min(), rows["strength"].max()
    return Peak(task, best["strength"], best["accuracy"], frozenset(near), ends)


def _numbers(curves: Curves) -> dict[str, float]:
    at = {f"{curves.name}, {peak.task} peaks at": peak.at for peak in curves.peaks}
    return at | {f"{curves.name}, {peak.task}, accuracy at its peak": peak.accuracy for peak in curves.peaks}


def _noise(tidy: pd.DataFrame) -> str:
    """What a spread is here."""
    if tidy["n_seeds_asked"].max() > 1:
        return "Spreads are standard deviations over seeds."
    return "Spreads are standard errors over test images: with one seed the noise of training is not known."
