"""Fitting p(c | h): calibrated and chosen on validation, put right for another prior."""

import numpy as np
import pytest
import torch

from mi_ray.compute.estimation.posterior import SOFTNESS, fit_posterior, score_posterior
from mi_ray.compute.estimation.readings import read_nwj
from mi_ray.theory.channel import LabelChannel
from tests.compute.estimation.test_posterior import pairs_of, read_posterior

UNIFORM, SKEWED = (0.25,) * 4, (0.5, 0.3, 0.15, 0.05)


def blobs(frequencies, n, seed, distance=3.0, width=6):
    """Gaussian classes at the corners of a simplex, in noise of unit deviation: h [n, width] and labels [n]."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(len(frequencies), size=n, p=frequencies)
    h = distance * np.eye(len(frequencies), width)[labels] + rng.standard_normal((n, width))
    return torch.from_numpy(h).float(), labels


def exact(h, prior, distance=3.0):
    """p(c | h) of blobs whose classes follow ``prior``."""
    score = distance * h[:, : len(prior)].double().numpy() + np.log(prior)
    p = np.exp(score - score.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


def fitted(train, validation, prior, penalties=(1e-3,)):
    return fit_posterior(train, validation, np.arange(len(validation[1])), prior, penalties=penalties)


def test_a_probe_fitted_on_other_class_frequencies_is_put_right():
    train, validation = blobs(SKEWED, 4000, 0, distance=1.5), blobs(UNIFORM, 2000, 1, distance=1.5)
    h, _ = blobs(UNIFORM, 2000, 2, distance=1.5)
    p, right = fitted(train, validation, UNIFORM)(h), exact(h, UNIFORM, distance=1.5)
    assert np.abs(p - right).mean() < 0.02
    assert np.abs(exact(h, SKEWED, distance=1.5) - right).mean() > 0.1
    np.testing.assert_allclose(p.mean(0), UNIFORM, atol=0.03)


def test_classes_that_cannot_be_drawn_or_were_never_seen_leave_the_others_alone():
    train, validation = blobs((0.5, 0.5), 1000, 0), blobs((0.5, 0.5), 500, 1)
    plain = fitted(train, validation, (0.5, 0.5))(validation[0])
    absent = fitted(train, validation, (0.5, 0.5, 0.0))(validation[0])
    np.testing.assert_allclose(absent[:, :2], plain, atol=0.01)
    assert (absent[:, 2] == 0).all()
    model = fitted(train, validation, (0.45, 0.45, 0.1))
    np.testing.assert_allclose(model(validation[0])[:, 2], 0.1 * model.doubt)


def test_seen_classes_that_cannot_be_drawn_have_no_share():
    prior = (0.5, 0.5, 0.0)
    model = fitted(blobs((0.4, 0.4, 0.2), 2000, 0), blobs((0.5, 0.5), 1000, 1), prior)
    h, _ = blobs((0.5, 0.5), 1000, 2)
    assert (model(h)[:, 2] == 0).all()
    assert np.abs(model(h)[:, :2] - exact(h, (0.5, 0.5))).mean() < 0.02


def test_doubt_is_laplace_s_rule_over_sources_not_rows():
    train, validation = blobs(UNIFORM, 500, 0, distance=30), blobs(UNIFORM, 300, 1, distance=30)
    for copies, sources in ((1, 300), (3, 100)):
        model = fit_posterior(train, validation, np.arange(300) // copies, UNIFORM, penalties=(1e-4,))
        assert model.doubt == pytest.approx(1 / (sources + 2))
        p = model(validation[0])
        np.testing.assert_allclose(p.sum(1), 1)
        assert p.min() >= model.doubt / 4
        assert p.max() <= 1 - 0.75 * model.doubt + 1e-12


def test_doubt_bounds_what_one_sure_error_costs():
    train, validation = blobs(UNIFORM, 500, 0, distance=30), blobs(UNIFORM, 300, 1, distance=30)
    model = fitted(train, validation, UNIFORM)
    h, labels = blobs(UNIFORM, 512, 2, distance=30)
    h[0] = 30 * torch.eye(4, 6)[(labels[0] + 1) % 4]
    channel = LabelChannel(prior=UNIFORM)
    assert read_posterior(model(h), model(h), labels, channel).bits > 1.9


def test_the_penalty_is_that_of_the_best_likelihood_on_validation():
    """Of few rows in many noisy directions, where neither the least nor the greatest is good."""
    train, validation = blobs(UNIFORM, 120, 0, width=60), blobs(UNIFORM, 2000, 1, width=60)
    penalties = (1e-6, 0.1, 100.0)
    model = fitted(train, validation, UNIFORM, penalties)
    rows = np.arange(2000)

    def loss(model):
        return -np.log(model(validation[0])[rows, validation[1]]).mean()

    alone = [loss(fitted(train, validation, UNIFORM, (penalty,))) for penalty in penalties]
    assert model.penalty == int(np.argmin(alone)) == 1
    assert loss(model) == pytest.approx(min(alone), abs=1e-3)


def test_logits_of_an_overfitted_probe_are_softened():
    train, validation = blobs(UNIFORM, 120, 0, width=60), blobs(UNIFORM, 2000, 1, width=60)
    assert fitted(train, validation, UNIFORM, (1e-6,)).softness > 1
    assert fitted(train, validation, UNIFORM, (1e-6,)).softness in SOFTNESS


def test_a_fitted_posterior_reads_almost_what_the_exact_one_does():
    channel = LabelChannel(prior=SKEWED, redraw=0.1)
    model = fitted(blobs(SKEWED, 4000, 0), blobs(SKEWED, 1000, 1), SKEWED, (1e-4, 1e-2))
    h, labels = blobs(SKEWED, 4096, 2)
    pairs = pairs_of(labels, channel)
    found, best = (read_nwj([score_posterior(p, pairs, channel)], [1.0]) for p in (model(h), exact(h, SKEWED)))
    assert found.bits == pytest.approx(best.bits, abs=0.05)
