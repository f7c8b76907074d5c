"""A probe with a hidden layer, on classes of which a linear probe sees nothing (XOR and its like)."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch

from mi_ray.compute.estimation.perceptron import Perceptron, fit_perceptron
from mi_ray.compute.estimation.posterior import fit_posterior
from mi_ray.compute.estimation.probe import ProbeCritic
from mi_ray.compute.estimation.problem import Problem as Asked
from mi_ray.compute.numerics.axes import PrincipalAxes
from mi_ray.compute.numerics.blocks import Rows
from mi_ray.compute.numerics.finite import NotFinite
from mi_ray.compute.probes.logistic import Probes
from tests.compute.estimation.class_codes import Problem, truth_bits

PROBLEM = Problem(classes=4, width=8, noise=0.3, folded=True)
HIDDEN = 64


def problem(seed=0, of=PROBLEM):
    return Asked(samples=of.samples(seed), labels=of.channel, k_est=256, batches=4, seed=seed)


@lru_cache
def read(hidden, seed=0):
    asked = problem(seed)
    fitted = ProbeCritic(penalties=(3e-4,), hidden=hidden).fit(asked.fit_data)
    return fitted, fitted.read(asked)


def fitted(samples, hidden=HIDDEN, seed=0):
    axes = PrincipalAxes(torch.from_numpy(samples["train"].h))
    splits = ((Rows(torch.from_numpy(s.h), axes.softened), s.labels) for s in (samples["train"], samples["validation"]))
    return fit_perceptron(*splits, axes, 4, hidden=hidden, seed=seed)


def accuracy(probe, sample):
    scores = torch.cat([scores for _, scores in probe.blocks(torch.from_numpy(sample.h))])
    return (scores[:, 0].argmax(1).numpy() == sample.labels).mean()


def test_it_reads_what_a_linear_probe_leaves_behind_and_no_more_than_there_is():
    truth, (_, linear_read), (model, richer_read) = truth_bits(PROBLEM), read(None), read(HIDDEN)
    linear, richer = linear_read.bounds, richer_read.bounds
    assert isinstance(model.model.probes, Perceptron)
    assert (linear_read.chosen, richer_read.chosen) == ({"probe_hidden_units": 0}, {"probe_hidden_units": HIDDEN})
    assert abs(linear["probe"].bits) < 0.05
    assert 0.9 * truth < richer["probe"].bits < truth + 3 * richer["probe"].standard_error_bits
    assert list(richer) == ["probe", "confusion"], "as many bounds as before: Bonferroni's correction must not grow"


def test_it_is_not_asked_where_the_linear_probe_leaves_nothing():
    asked = problem(of=replace(PROBLEM, noise=0.1, folded=False))
    data = asked.fit_data

    def richer():
        raise AssertionError("asked")

    train, validation = ((torch.from_numpy(s.h), s.labels) for s in (data.train, data.validation))
    sources = data.validation.origin.independent
    model = fit_posterior(train, validation, sources, data.channel.prior, penalties=(3e-4,), richer=richer)
    assert isinstance(model.probes, Probes)


def test_validation_chooses_the_linear_probe_where_that_is_likelier():
    """64 rows of 4 Gaussian classes in many directions, whose posterior is linear."""
    asked = problem(of=Problem(classes=4, width=64, noise=0.3, sizes=(64, 1024, 256)))
    model = ProbeCritic(penalties=(1e-2, 1e-1), hidden=HIDDEN).fit(asked.fit_data).model
    assert isinstance(model.probes, Probes)


def test_the_kept_state_is_the_best_on_validation_not_the_last():
    """Of 64 noisy rows, which it soon knows by heart."""
    samples = replace(PROBLEM, noise=0.6, sizes=(64, 1024, 1024)).samples(0)
    probe = fitted(samples)
    scores = torch.cat([scores for _, scores in probe.blocks(torch.from_numpy(samples["validation"].h))])[:, 0]
    held = torch.nn.functional.cross_entropy(scores, torch.from_numpy(samples["validation"].labels))
    assert held < 1.1 * np.log(4)


def test_it_repeats_whatever_the_global_generators_hold_and_another_seed_is_another():
    samples, fits = replace(PROBLEM, sizes=(256, 128, 128)).samples(0), []
    for seed, state in ((0, 1), (0, 2), (1, 2)):
        torch.manual_seed(state)
        fits.append(fitted(samples, seed=seed).mlp[0].weight)
    assert torch.equal(fits[0], fits[1])
    assert not torch.allclose(fits[0], fits[2], atol=1e-3)


def test_fewer_rows_than_a_step_takes_are_enough():
    samples = replace(PROBLEM, noise=0.1, sizes=(100, 100, 400)).samples(0)
    assert accuracy(fitted(samples), samples["test"]) > 0.9


def test_it_refuses_rows_that_are_not_finite():
    probe, lost = fitted(PROBLEM.samples(0)), torch.full((2, 8), torch.nan)
    with pytest.raises(NotFinite):
        next(probe.blocks(lost))
