"""The outcome of a search for augmentation strengths: its encoders, its candidates, its fresh seeds.

The stages of a search follow from its plan: every candidate is trained on the short budget of views with the search's
own seed, promoted candidates also on the full budget, and the best candidates and the default on the full budget with
fresh seeds. The objectives are those that the questions on the short budget measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import pandas as pd

from analysis.cells import cells_of
from analysis.tables.frame import asked_and_measured
from mi_ray.experiments.declare.measures import BALANCED_ACCURACY, BALANCED_VALIDATION_ACCURACY, NOMINAL, VALIDATION
from mi_ray.experiments.plan.plan import Plan
from mi_ray.theory.selection import Difference, best_of_each, margin, paired
from sweeps.augmentation_search import SPACE

T = TypeVar("T", pd.DataFrame, pd.Series)

STRENGTHS = list(SPACE)
ENCODER = [*STRENGTHS, "views", "seed"]
"""Columns that tell the encoders of a search apart."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A value that a search can maximise: the kind of cell that measures it, and its names on validation and on test
    images."""

    name: str
    kind: str
    validation: str
    test: str
    unit: str
    scale: float

    def text(self, value: float, sign: str = "") -> str:
        """A value in the unit, to three digits."""
        return f"{self.scale * value:{sign}.3g} {self.unit}"


ACCURACY = Target(
    name="accuracy", kind="evaluation", validation=BALANCED_VALIDATION_ACCURACY.name, test=BALANCED_ACCURACY.name,
    unit="%", scale=100,
)  # fmt: skip
ESTIMATE = Target(
    name="estimate", kind="estimation", validation=VALIDATION.name, test=NOMINAL.name, unit="bits", scale=1
)
TARGETS = (ACCURACY, ESTIMATE)


@dataclass(frozen=True)
class SearchOutcome:
    """The outcome of one search. ``encoders``: one row per encoder in the plan's order, with the number of its
    ``candidate`` (0 is the default), its strengths, ``views`` and ``seed``, and the value of each target on validation
    and on test images (NaN while missing). ``task``: the downstream task of the questions."""

    encoders: pd.DataFrame
    objectives: tuple[Target, ...]
    task: str

    @property
    def default(self) -> dict[str, float]:
        """Strengths of candidate 0."""
        return self.encoders.iloc[0][STRENGTHS].to_dict()

    @property
    def seed(self) -> int:
        """The search's own seed."""
        return int(self.encoders["seed"].iloc[0])

    @property
    def short_views(self) -> int:
        """The short budget: the views that every candidate is trained on."""
        return int(self.encoders["views"].min())

    @property
    def views(self) -> int:
        """The full budget: the views that promoted candidates are trained on."""
        return int(self.encoders["views"].max())

    @cached_property
    def candidates(self) -> pd.DataFrame:
        """One row per candidate: its strengths, the validation value of each objective on the short budget and of each
        target on the full one, whether it was promoted, and the objectives that it is best for."""
        own = self.encoders[self.encoders["seed"] == self.seed]
        short = own[own["views"] == self.short_views].set_index("candidate")
        full = own[(own["views"] == self.views) & (self.views > self.short_views)].set_index("candidate")
        values = {f"short_{m.validation}": short[m.validation] for m in self.objectives}
        values |= {m.validation: full[m.validation] for m in TARGETS}
        table = short[STRENGTHS].assign(**values, promoted=short.index.isin(full.index))
        winners = self._best(table).items()
        best_for = [" and ".join(name for name, winner in winners if winner == number) for number in table.index]
        return table.assign(best_for=best_for).reset_index()

    def _best(self, table: pd.DataFrame) -> dict[str, int]:
        known = self._decided(table[table["promoted"]][[m.validation for m in self.objectives]])
        if known.empty or known.isna().any(axis=None):
            return {}
        places = best_of_each(list(known.itertuples(index=False, name=None)))
        return {m.name: int(known.index[place]) for m, place in zip(self.objectives, places, strict=True)}

    def _decided(self, values: T) -> T:
        """Values without those that are missing, once fresh seeds are asked: the search went on without them, since
        they failed. Before, they may still come."""
        is_fresh = (self.encoders["views"] == self.views) & (self.encoders["seed"] != self.seed)
        return values.dropna() if self.views > self.short_views and is_fresh.any() else values

    @property
    def best(self) -> dict[str, int]:
        """Objective -> the candidate that is best on validation images; empty until all promoted are measured."""
        return self._best(self.candidates.set_index("candidate"))

    def margin(self, target: Target) -> float:
        """The largest difference on the short budget that seed noise explains, from the default's seeds; NaN while one
        of these is missing."""
        noise = self.encoders[(self.encoders["candidate"] == 0) & (self.encoders["views"] == self.short_views)]
        values = self._decided(noise[target.validation])
        return float("nan") if values.isna().any() or len(values) < 2 else margin(list(values))

    @cached_property
    def fresh(self) -> pd.DataFrame:
        """The encoders of fresh seeds, each with its test values minus those of the default of the same seed."""
        fresh = self.encoders[(self.encoders["views"] == self.views) & (self.encoders["seed"] != self.seed)]
        fresh = fresh if self.views > self.short_views else fresh.head(0)
        default = fresh[fresh["candidate"] == 0].set_index("seed")
        minus = {f"{m.test}_minus_default": fresh[m.test] - fresh["seed"].map(default[m.test]) for m in TARGETS}
        return fresh.assign(**minus).reset_index(drop=True)

    @property
    def challengers(self) -> list[int]:
        """Candidates other than the default that were trained with fresh seeds."""
        return [int(number) for number in dict.fromkeys(self.fresh["candidate"]) if number != 0]

    def difference(self, candidate: int, target: Target) -> Difference:
        """Test value of a candidate minus that of the default, paired over fresh seeds; its interval is shared by all
        objectives that are compared."""
        differences = self.fresh[self.fresh["candidate"] == candidate][f"{target.test}_minus_default"]
        return paired(list(differences.dropna()), comparisons=len(self.objectives))


def outcome(plan: Plan, mirrored: pd.DataFrame) -> SearchOutcome:
    """The outcome of the search that made ``plan``, from the metrics in ``mirrored``."""
    encoders = pd.DataFrame([cell.parameters for cell in cells_of(plan, "training")])[ENCODER]
    for target in TARGETS:
        values = asked_and_measured(plan, mirrored, target.kind)
        encoders = encoders.merge(values.reindex(columns=[*ENCODER, target.validation, target.test]), how="left")
    encoders = encoders.astype(float).astype({"views": int, "seed": int})
    numbers, _ = pd.factorize(pd.MultiIndex.from_frame(encoders[STRENGTHS]), sort=False)
    encoders.insert(0, "candidate", numbers)
    few = str(encoders["views"].min())
    quick = {cell.kind for cell in plan.cells.values() if cell.parameters["views"] == few}
    task = next(cell.parameters["task"] for cell in plan.cells.values() if "task" in cell.parameters)
    return SearchOutcome(encoders, tuple(target for target in TARGETS if target.kind in quick), task)
