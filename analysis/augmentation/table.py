"""What a search for augmentation strengths found, from the record: its encoders, its candidates, its fresh seeds.

A search's stages are told by its plan: candidates see the fewest views with the search's own seed, those promoted the
most, and the best and the default see the most with other seeds too. The objectives are what candidates are asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from analysis.cells import cells_of
from analysis.tables.frame import asked_and_measured
from mi_ray.experiments.plan.plan import Plan
from mi_ray.theory.selection import PairedDifference, best_of_each, margin, paired
from sweeps.augmentation_search import SPACE

STRENGTHS = list(SPACE)
ENCODER = [*STRENGTHS, "views", "seed"]
"""What tells the encoders of a search apart."""


@dataclass(frozen=True)
class Measure:
    """A value that can be raised: the kind of cell that says it, and its name on validation and on test images."""

    name: str
    kind: str
    validation: str
    test: str
    unit: str
    scale: float

    def told(self, value: float, sign: str = "") -> str:
        """A value in its unit, to three digits."""
        return f"{self.scale * value:{sign}.3g} {self.unit}"


ACCURACY = Measure(
    "accuracy", "evaluation", "linear_balanced_validation_accuracy", "linear_balanced_accuracy", "%", 100
)
ESTIMATE = Measure("estimate", "estimation", "validation_bits", "nominal_bits", "bits", 1)
MEASURES = (ACCURACY, ESTIMATE)


@dataclass(frozen=True)
class Record:
    """One row per encoder of a search in the plan's order: ``candidate`` by number, 0 the default; its strengths,
    ``views`` and ``seed``; and per measure its value on validation and on test images, NaN where it is missing."""

    encoders: pd.DataFrame
    objectives: tuple[Measure, ...]
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
    def short(self) -> int:
        """Views of every candidate."""
        return int(self.encoders["views"].min())

    @property
    def views(self) -> int:
        """Views of those promoted."""
        return int(self.encoders["views"].max())

    @cached_property
    def candidates(self) -> pd.DataFrame:
        """One row per candidate: strengths, validation value of each objective on few views and of each measure on
        many, whether it was promoted, and which objectives it is best for."""
        own = self.encoders[self.encoders["seed"] == self.seed]
        short = own[own["views"] == self.short].set_index("candidate")
        full = own[(own["views"] == self.views) & (self.views > self.short)].set_index("candidate")
        told = {f"short_{m.validation}": short[m.validation] for m in self.objectives}
        told |= {m.validation: full[m.validation] for m in MEASURES}
        table = short[STRENGTHS].assign(**told, promoted=short.index.isin(full.index))
        best = {number: [name for name, of in self._best(table).items() if of == number] for number in table.index}
        return table.assign(best_for=[" and ".join(best[number]) for number in table.index]).reset_index()

    def _best(self, table: pd.DataFrame) -> dict[str, int]:
        known = table[table["promoted"]][[m.validation for m in self.objectives]]
        if known.empty or known.isna().any(axis=None):
            return {}
        places = best_of_each(list(known.itertuples(index=False, name=None)))
        return {m.name: int(known.index[place]) for m, place in zip(self.objectives, places, strict=True)}

    @property
    def best(self) -> dict[str, int]:
        """Objective -> the candidate that is best on validation images; empty until all promoted are measured."""
        return self._best(self.candidates.set_index("candidate"))

    def margin(self, measure: Measure) -> float:
        """What seed noise explains on few views, from the seeds of the default; NaN while one is missing."""
        noise = self.encoders[(self.encoders["candidate"] == 0) & (self.encoders["views"] == self.short)]
        values = noise[measure.validation]
        return float("nan") if values.isna().any() or len(values) < 2 else margin(list(values))

    @cached_property
    def fresh(self) -> pd.DataFrame:
        """The encoders of fresh seeds, each with the difference of its test values from the default of its seed."""
        fresh = self.encoders[(self.encoders["views"] == self.views) & (self.encoders["seed"] != self.seed)]
        fresh = fresh if self.views > self.short else fresh.head(0)
        default = fresh[fresh["candidate"] == 0].set_index("seed")
        minus = {f"{m.test}_minus_default": fresh[m.test] - fresh["seed"].map(default[m.test]) for m in MEASURES}
        return fresh.assign(**minus).reset_index(drop=True)

    @property
    def challengers(self) -> list[int]:
        """Candidates other than the default that were trained with fresh seeds."""
        return [int(number) for number in dict.fromkeys(self.fresh["candidate"]) if number != 0]

    def difference(self, candidate: int, measure: Measure) -> PairedDifference:
        """Test value of a candidate minus that of the default, paired over fresh seeds; its interval is shared by all
        objectives that are compared."""
        of = self.fresh[self.fresh["candidate"] == candidate][f"{measure.test}_minus_default"]
        return paired(list(of.dropna()), comparisons=len(self.objectives))


def record(plan: Plan, mirrored: pd.DataFrame) -> Record:
    """The record of the search whose plan this is."""
    asked = pd.DataFrame([cell.parameters for cell in cells_of(plan, "training")])
    encoders = asked[ENCODER]
    for measure in MEASURES:
        found = asked_and_measured(plan, mirrored, measure.kind)
        encoders = encoders.merge(found.reindex(columns=[*ENCODER, measure.validation, measure.test]), how="left")
    encoders = encoders.astype(float).astype({"views": int, "seed": int})
    numbers, _ = pd.factorize(pd.MultiIndex.from_frame(encoders[STRENGTHS]), sort=False)
    encoders.insert(0, "candidate", numbers)
    few = str(encoders["views"].min())
    quick = {cell.kind for cell in plan.cells.values() if cell.parameters["views"] == few}
    task = next(cell.parameters["task"] for cell in plan.cells.values() if "task" in cell.parameters)
    return Record(encoders, tuple(m for m in MEASURES if m.kind in quick), task)
