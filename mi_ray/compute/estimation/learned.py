"""Learned critics as a value: cosine critics of the projector's shape, fitted together and read in three ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from mi_ray.compute.estimation.critics import Fit, Report, Settings, fit_critics, ignore
from mi_ray.compute.estimation.problem import FitData, Problem, softened
from mi_ray.compute.estimation.readings import Pairs, Readings, Scores, read, score
from mi_ray.compute.numerics.axes import PrincipalAxes
from mi_ray.compute.numerics.blocks import Rows
from mi_ray.theory.certificate import Reading

OFFSET_PAIRS = 1024
"""Validation pairs that the NWJ offset of a cosine critic is fitted on."""


@dataclass(frozen=True, kw_only=True)
class Learned:
    """Readings of the critics on test pairs, the scores of each critic, and the fit. Labels played no part."""

    readings: Readings
    scores: Sequence[Scores]
    fit: Fit

    @property
    def train_mean_bits(self) -> float:
        """Eq. 4 on the rows that the critics were fitted on, mean over critics."""
        return float(self.fit.train_bits.mean())

    @property
    def bounds(self) -> Mapping[str, Reading]:
        """The readings that are lower bounds; the nominal one is not."""
        return {"strict": self.readings.strict, "nwj": self.readings.nwj}

    @property
    def train_bits(self) -> Mapping[str, float]:
        """The train reading that the audit holds against each bound."""
        return dict.fromkeys(self.bounds, self.train_mean_bits)


@dataclass(frozen=True, kw_only=True)
class LearnedCritics:
    """A critic for each of ``settings.seeds``; ``report`` hears of every check of the fit."""

    settings: Settings
    report: Report = ignore

    def fit(self, data: FitData) -> FittedCritics:
        """Fit the critics on train, stop each on validation, and fit the NWJ offsets there."""
        train, validation = data.softened["train"], data.softened["validation"]
        pairs = (train, data.train.couple), (validation, data.validation.couple)
        fit = fit_critics(*pairs, self.settings, self.report, data.device)
        scores = _scores(fit, validation, data.pairs("validation", OFFSET_PAIRS))
        return FittedCritics(fit=fit, axes=data.axes, offsets=[critic.nwj.best_offset for critic in scores])


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedCritics:
    """Frozen critics with the NWJ ``offsets`` of validation, one each."""

    fit: Fit
    axes: PrincipalAxes
    offsets: Sequence[float]

    def read(self, problem: Problem) -> Learned:
        """Read the critics once on the test pairs."""
        scores = _scores(self.fit, softened(self.axes, problem.samples["test"]), problem.pairs)
        return Learned(readings=read(scores, problem.pairs, self.offsets), scores=scores, fit=self.fit)


@torch.inference_mode()
def _scores(fit: Fit, rows: Rows, pairs: Pairs) -> list[Scores]:
    """The scores of each critic on ``pairs`` of ``rows`` [n, width]."""
    critics = fit.critics
    z = critics.projections(rows)
    temperatures = critics.temperature.tolist()
    return [score(critic_z, pairs, temperature=t) for critic_z, t in zip(z, temperatures, strict=True)]
