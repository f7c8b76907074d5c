"""The verdict of Fig. 5: is accuracy a reverse U over strength for every task, with one peak for all (Sec. IV-C)?

Curves are judged over the strength, which sets the MI: the encoders do not depend on the estimate. Two parts for each
augmentation and encoder, with margins that are set here, before any run:

- The curve of every task is a reverse U: at some strength between the ends accuracy is above that at both ends by more
  than `RISE`, by one-sided tests at a level that is divided by the number of such strengths. One point is a third of
  the 3 by which the other studies call accuracies the same; a smaller rise, such as that of a task that every encoder
  solves, is no peak.
- All tasks peak together: at some one strength every task's accuracy is within `TOGETHER` of that at any other.
  A peak need not be the highest point of each curve, since noise alone moves that: 3 points are the margin of
  `small_batch`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis.rules.claim import POINTS, Claim, Every, Part, Some
from analysis.rules.reading import Reading, of_place
from analysis.rules.sentence import judged
from analysis.tables.per_encoder import panel_title
from analysis.tables.settings import settings_of
from analysis.verdict import Verdict, lacking, undecided
from sweeps.infomin_strength import AUGMENTATIONS, STUDY, TASKS

CLAIM = (
    "Over the strength of an augmentation, accuracy is a reverse U for every task and all peak together, though what "
    "one task needs is irrelevant to the others: a peak does not bear out the InfoMin principle (Sec. IV-C, Fig. 5)."
)
RISE = 0.01
"""How far, at least, the peak of a reverse U is above both ends, as a share of right answers."""

TOGETHER = 0.03
"""How far, at most, a task's accuracy at a common peak is below its best."""

FEWEST = 3
"""The least number of strengths with a peak between two ends."""


@dataclass(frozen=True)
class Curves:
    """Accuracy by strength of each task, for one augmentation in one panel."""

    name: str
    tasks: Mapping[str, Mapping[float, Reading]] = field(default_factory=dict)

    @property
    def claims(self) -> list[Claim]:
        """That every curve is a reverse U, and that they peak together."""
        return [reverse_u(self.name, self.tasks), together(self.name, self.tasks)]

    @property
    def peaks(self) -> dict[str, float]:
        """The strength with the highest accuracy of each task."""
        return {task: max(curve, key=lambda at: curve[at].value) for task, curve in self.tasks.items()}

    @property
    def sentence(self) -> str:
        """The strength at which each task peaks, as read."""
        where = _tasks_by(list(self.peaks), lambda task: self.peaks[task])
        if len(where) == 1:
            return f"{self.name}: every task peaks at {next(iter(where)):g}"
        strengths = [f"{at:g} ({', '.join(tasks)})" for at, tasks in where.items()]
        return f"{self.name}: peaks at {_listed(strengths)}"


def reverse_u(name: str, tasks: Mapping[str, Mapping[float, Reading]]) -> Claim:
    """The claim that some strength between the ends is above both, for every task."""
    return Every([
        Some([
            Every([
                Part(
                    name=f"{name}, {task} at {at:g} less that at {end:g}", reading=curve[at].less(curve[end]), low=RISE,
                    unit=POINTS,
                )
                for end in _ends(curve)
            ])
            for at in sorted(curve)[1:-1]
        ])
        for task, curve in tasks.items()
    ])  # fmt: skip


def together(name: str, tasks: Mapping[str, Mapping[float, Reading]]) -> Claim:
    """The claim that at some strength no task is far below its accuracy at any other."""
    strengths = sorted(set.intersection(*(set(curve) for curve in tasks.values())))
    return Some([
        Every([
            Part(
                name=f"{name}, {task} at {at:g} less that at {other:g}", reading=curve[at].less(curve[other]),
                low=-TOGETHER, unit=POINTS,
            )
            for task, curve in tasks.items() for other in curve if other != at
        ])
        for at in strengths
    ])  # fmt: skip


def _ends(curve: Mapping[float, Reading]) -> tuple[float, float]:
    return min(curve), max(curve)


def _tasks_by(names: Sequence[str], group: Callable[[str], Any]) -> dict[Any, list[str]]:
    """Names of the tasks that ``group`` maps to one value, by that value."""
    tasks: dict[Any, list[str]] = {}
    for name in names:
        tasks.setdefault(group(name), []).append(f"task {name}" if name == "all" else name)
    return tasks


def _listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def verdict(tidy: pd.DataFrame) -> Verdict:
    """The verdict from the table: undecided if cells or a part of the figure are missing, or if noise decides."""
    n_strengths = tidy.groupby("augmentation")["strength"].nunique()
    if {*tidy["task"]} != {*TASKS} or {*n_strengths.index} != {*AUGMENTATIONS} or n_strengths.min() < FEWEST:
        return undecided(STUDY.name, CLAIM, f"it takes all four tasks at {FEWEST} strengths of each augmentation")
    curves = list(curves_of(tidy.dropna(subset="accuracy")))
    numbers: dict[str, float | str] = {}
    for panel in curves:
        numbers |= {f"{panel.name}, {task} peaks at": at for task, at in panel.peaks.items()}
        best = {task: curve[panel.peaks[task]].value for task, curve in panel.tasks.items()}
        numbers |= {f"{panel.name}, {task}, accuracy at its peak": value for task, value in best.items()}
    estimates = tidy.drop_duplicates(settings_of(tidy.columns, "task")).assign(n_seeds=lambda rows: rows["n_estimates"])
    absent = lacking(tidy, estimates)
    if absent:
        return undecided(STUDY.name, CLAIM, absent, numbers)
    groups = [claim for panel in curves for claim in panel.claims]
    return judged(STUDY.name, CLAIM, groups, numbers, f"As read, {'; '.join(panel.sentence for panel in curves)}.")


def curves_of(tidy: pd.DataFrame) -> Iterator[Curves]:
    """The curves of every panel and augmentation with any accuracy."""
    names = settings_of(tidy.columns, "augmentation")
    for (*panel, kind), rows in tidy.groupby([*names, "augmentation"], sort=False):
        curves = {
            str(task): {float(row["strength"]): of_place(row, "accuracy") for _, row in of_task.iterrows()}
            for task, of_task in rows.groupby("task", sort=False)
        }
        yield Curves(f"{kind} ({panel_title(names, panel)})", curves)
