"""The probe's critic as a value: the density ratio of a probe's class probabilities, and of its predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from mi_ray.compute.estimation.perceptron import Perceptron, fit_perceptron
from mi_ray.compute.estimation.posterior import (
    Posterior,
    PosteriorModel,
    confusion,
    fit_posterior,
    predicted,
    score_posterior,
)
from mi_ray.compute.estimation.problem import FitData, Outcome, Problem
from mi_ray.compute.estimation.readings import Pairs, only_used, read_nwj
from mi_ray.compute.estimation.samples import Sample
from mi_ray.compute.numerics.blocks import KEPT, tensor_of
from mi_ray.compute.numerics.jackknife import Nwj
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import bits


@dataclass(frozen=True, kw_only=True)
class ProbeCritic:
    """A probe: linear under one of ``penalties``, or with one layer of ``hidden`` units (`fit_perceptron`), by their
    likelihood on validation; linear without ``hidden``. ``seed``: of the other's weights and rows.

    It needs a label channel.
    """

    penalties: Sequence[float]
    hidden: int | None = None
    seed: int = 0

    def fit(self, data: FitData) -> FittedProbe:
        """Fit the probe on train, choose and calibrate it on validation, and fit its NWJ offsets there."""
        train, validation = ((tensor_of(split.h), split.labels) for split in (data.train, data.validation))
        sources = data.validation.origin.independent
        channel, prior = data.channel, data.channel.prior
        richer = None if self.hidden is None else partial(self._perceptron, data, self.hidden)
        model = fit_posterior(
            train, validation, sources, prior, penalties=self.penalties, axes=data.axes, richer=richer
        )
        p = model(validation[0])
        predictions = predicted(p)
        table = confusion(predictions, validation[1], np.asarray(prior))
        offset = score_posterior(p, data.held, channel).best_offset
        hard_offset = score_posterior(table, data.held, channel, predictions).best_offset
        seen = _score(model, data.train, data.seen, channel)
        return FittedProbe(
            model=model,
            channel=channel,
            table=table,
            offset=offset,
            confusion_offset=hard_offset,
            train_bits=bits(seen.value(offset)),
        )

    def _perceptron(self, data: FitData, hidden: int) -> Perceptron:
        splits = {"train": data.train, "validation": data.validation}
        train, validation = ((data.softened[name], split.labels) for name, split in splits.items())
        return fit_perceptron(train, validation, data.axes, len(data.channel.prior), hidden=hidden, seed=self.seed)


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedProbe:
    """A frozen probe with its offsets, and the ``table`` of its confusions on validation."""

    model: PosteriorModel
    channel: LabelChannel
    table: Posterior
    offset: float
    confusion_offset: float
    train_bits: float

    def read(self, problem: Problem) -> Outcome:
        """Read the probe on the test pairs: ``probe`` by its probabilities, ``confusion`` by its predictions alone."""
        p = self.model(tensor_of(problem.samples["test"].h))
        soft = score_posterior(p, problem.pairs, self.channel)
        of_predictions = score_posterior(self.table, problem.pairs, self.channel, predicted(p))
        bounds = {
            "probe": read_nwj([soft], [self.offset]),
            "confusion": read_nwj([of_predictions], [self.confusion_offset]),
        }
        chosen = {"probe_hidden_units": float(self.model.hidden_units)}
        return Outcome(bounds=bounds, train_bits={"probe": self.train_bits}, chosen=chosen)


def _score(model: PosteriorModel, sample: Sample, pairs: Pairs, channel: LabelChannel) -> Nwj:
    """The NWJ bound over ``pairs`` of a split; only rows in pairs are asked for if p of all rows would not be kept."""
    h = sample.h
    if len(h) * len(channel.prior) * 8 > KEPT:
        h, pairs = only_used(h, pairs)
    return score_posterior(model(tensor_of(h)), pairs, channel)
