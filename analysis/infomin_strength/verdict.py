"""The verdict of Fig. 5: is accuracy a reverse U over strength for every task, with one peak for all (Sec. IV-C)?

Curves are judged over the strength, which sets the MI: the encoders do not depend on the estimate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analysis.tables.per_encoder import panel_title
from analysis.tables.settings import settings_of
from analysis.verdict import Verdict, all_hold, lacking, undecided
from sweeps.infomin_strength import AUGMENTATIONS, STUDY, TASKS

CLAIM = (
    "Over the strength of an augmentation, accuracy is a reverse U for every task and all peak together, though what "
    "one task needs is irrelevant to the others: a peak does not bear out the InfoMin principle (Sec. IV-C, Fig. 5)."
)
SURE = 2.0
"""Accuracies this many spreads apart, or more, surely differ."""

FEWEST = 3
"""The least number of strengths with a peak between two ends."""

SHAPES = {True: "a reverse U", False: "highest at an end", None: "as high at an end as at the peak, within noise"}


@dataclass(frozen=True)
class Peak:
    """The peak of a task's curve: the best strength ``at``, and strengths within `SURE` spreads of it, ``near``."""

    task: str
    at: float
    accuracy: float
    near: frozenset[float]
    ends: tuple[float, float]

    @property
    def reverse_u(self) -> bool | None:
        """True if surely lower at both ends, False if surely highest at an end, None if noise decides."""
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
        """True if all tasks peak at one strength, False if no strength can be every task's peak, else None."""
        if len({peak.at for peak in self.peaks}) == 1:
            return True
        return None if frozenset.intersection(*(peak.near for peak in self.peaks)) else False

    @property
    def holds(self) -> bool | None:
        """Whether all curves are a reverse U and peak together."""
        return all_hold([self.together, *(peak.reverse_u for peak in self.peaks)])

    @property
    def sentence(self) -> str:
        """The strength at which each task peaks, whether all peak together, and the shape of each curve."""
        peaks = _tasks_by(self.peaks, lambda peak: peak.at)
        shapes = _tasks_by(self.peaks, lambda peak: SHAPES[peak.reverse_u])
        where = f"every task peaks at {self.peaks[0].at:g}"
        if not self.together:
            strengths = _listed([f"{strength:g} ({', '.join(tasks)})" for strength, tasks in peaks.items()])
            apart = "surely not all together" if self.together is False else "which noise may set apart"
            where = f"peaks at {strengths}, {apart}"
        subjects = [f"{'every task' if len(shapes) == 1 else _listed(tasks)} {name}" for name, tasks in shapes.items()]
        return f"{self.name}: {where}; {', '.join(subjects)}"


def _tasks_by(peaks: Sequence[Peak], group: Callable[[Peak], Any]) -> dict[Any, list[str]]:
    """Names of the tasks whose peaks ``group`` maps to one value, by that value."""
    tasks: dict[Any, list[str]] = {}
    for peak in peaks:
        tasks.setdefault(group(peak), []).append(f"task {peak.task}" if peak.task == "all" else peak.task)
    return tasks


def _listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def verdict(tidy: pd.DataFrame) -> Verdict:
    """The verdict from the table: undecided if cells or a part of the figure are missing, or if noise decides."""
    n_strengths = tidy.groupby("augmentation")["strength"].nunique()
    if {*tidy["task"]} != {*TASKS} or {*n_strengths.index} != {*AUGMENTATIONS} or n_strengths.min() < FEWEST:
        return undecided(STUDY.name, CLAIM, f"it takes all four tasks at {FEWEST} strengths of each augmentation")
    curves = curves_of(tidy.dropna(subset="accuracy"))
    numbers: dict[str, float | str] = {}
    for panel in curves:
        numbers |= {f"{panel.name}, {peak.task} peaks at": peak.at for peak in panel.peaks}
        numbers |= {f"{panel.name}, {peak.task}, accuracy at its peak": peak.accuracy for peak in panel.peaks}
    estimates = tidy.drop_duplicates(settings_of(tidy.columns, "task")).assign(n_seeds=lambda rows: rows["n_estimates"])
    absent = lacking(tidy, estimates)
    if absent:
        return undecided(STUDY.name, CLAIM, absent, numbers)
    noise = "Spreads are standard errors over test images: with one seed the noise of training is not known."
    if tidy["n_seeds_asked"].max() > 1:
        noise = "Spreads are standard deviations over seeds."
    sentence = ". ".join(panel.sentence for panel in curves)
    return Verdict(STUDY.name, CLAIM, all_hold(panel.holds for panel in curves), f"{sentence}. {noise}", numbers)


def curves_of(tidy: pd.DataFrame) -> list[Curves]:
    """The curves of every panel and augmentation with any accuracy."""
    names = settings_of(tidy.columns, "augmentation")
    return [
        Curves(
            f"{kind} ({panel_title(names, panel)})",
            tuple(peak_of(task, of_task) for task, of_task in rows.groupby("task", sort=False)),
        )
        for (*panel, kind), rows in tidy.groupby([*names, "augmentation"], sort=False)
    ]


def peak_of(task: str, rows: pd.DataFrame) -> Peak:
    """The peak of a task's curve, from one row per strength."""
    rows = rows.fillna({"spread": 0.0})
    best = rows.loc[rows["accuracy"].idxmax()]
    apart = best["accuracy"] - rows["accuracy"] > SURE * np.hypot(rows["spread"], best["spread"])
    near = rows.loc[~apart, "strength"]
    ends = rows["strength"].min(), rows["strength"].max()
    return Peak(task, best["strength"], best["accuracy"], frozenset(near), ends)
