"""The probe's critic as a value: the density ratio of a linear probe's class probabilities, and of its predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mi_ray.compute.estimation.posterior import Posterior, PosteriorModel, confused, fit_posterior, score_posterior
from mi_ray.compute.estimation.problem import FitData, Outcome, Problem
from mi_ray.compute.estimation.readings import read_nwj
from mi_ray.compute.numerics.strata import Labels
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import bits


@dataclass(frozen=True, kw_only=True)
class ProbeCritic:
    """A linear probe whose penalty is chosen among ``penalties`` on validation; it needs a label channel."""

    penalties: Sequence[float]

    def fit(self, data: FitData) -> FittedProbe:
        """Fit the probe on train, choose and calibrate it on validation, and fit its NWJ offsets there."""
        train, validation = ((torch.from_numpy(split.h), split.labels) for split in (data.train, data.validation))
        sources = data.validation.origin.independent
        prior = data.channel.prior
        model = fit_posterior(train, validation, sources, prior, penalties=self.penalties, axes=data.axes)
        p = model(validation[0])
        hard = confused(p, validation[1], np.asarray(prior), p)
        offset, hard_offset = (score_posterior(rows, data.held, data.channel).best_offset for rows in (p, hard))
        seen = score_posterior(model(train[0]), data.seen, data.channel)
        return FittedProbe(
            model=model,
            channel=data.channel,
            held=p,
            held_labels=data.validation.labels,
            offset=offset,
            confusion_offset=hard_offset,
            train_bits=bits(seen.value(offset)),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedProbe:
    """A frozen probe with its offsets, and the ``held`` validation rows that its confusions are counted on."""

    model: PosteriorModel
    channel: LabelChannel
    held: Posterior
    held_labels: Labels
    offset: float
    confusion_offset: float
    train_bits: float

    def read(self, problem: Problem) -> Outcome:
        """Read the probe on the test pairs: ``probe`` by its probabilities, ``confusion`` by its predictions alone."""
        p = self.model(torch.from_numpy(problem.samples["test"].h))
        hard = confused(self.held, self.held_labels, np.asarray(self.channel.prior), p)
        soft, of_predictions = (score_posterior(rows, problem.pairs, self.channel) for rows in (p, hard))
        bounds = {
            "probe": read_nwj([soft], [self.offset]),
            "confusion": read_nwj([of_predictions], [self.confusion_offset]),
        }
        return Outcome(bounds=bounds, train_bits={"probe": self.train_bits})
