"""Stacked logistic probes (Sec. IV) against scikit-learn's, one at a time, then their laws."""

from functools import lru_cache

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import cross_entropy

from mi_ray.compute.probes import logistic as probes
from mi_ray.compute.probes.logistic import fit_probes

N, WIDTH = 600, 12
CLASSES = (3, 5)
PENALTIES = (1e-4, 1e-2, 1e-1)


def classes(n_classes, *, spread=1.5, n=N, seed=0):
    """Correlated, unevenly scaled Gaussian features around class means: h [n, WIDTH] and labels [n]."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(n_classes, size=n)
    h = rng.standard_normal((n_classes, WIDTH))[labels] + spread * rng.standard_normal((n, WIDTH))
    h = h @ rng.standard_normal((WIDTH, WIDTH)) * np.geomspace(0.01, 100, WIDTH) + 5
    return torch.from_numpy(h.astype(np.float32)), torch.from_numpy(labels)


@lru_cache
def tasks():
    """One h with two labellings of it: its own classes, and noisy quintiles of its first feature."""
    h, labels = classes(CLASSES[0])
    noisy = h[:, 0] + h[:, 0].std() * torch.randn(N, generator=torch.Generator().manual_seed(1))
    quintiles = (noisy.argsort().argsort() * CLASSES[1]) // N
    return h, (labels, quintiles)


@lru_cache
def together():
    h, labels = tasks()
    return fit_probes(h, labels, CLASSES, PENALTIES)


def objectives(fitted, h, labels, penalties):
    """Mean cross-entropy + penalty/2 |W|^2 of every (task, penalty), in float64 from the public logits."""
    return np.array([
        [cross_entropy(fitted.logits(h, task)[:, p].double(), y).item()
         + penalty / 2 * fitted.weights[task][:-1, p].double().square().sum().item()
         for p, penalty in enumerate(penalties)]
        for task, y in enumerate(labels)
    ])  # fmt: skip


def scikit_learn(h, labels, penalty, rows=None):
    """Class probabilities of ``rows`` (of h itself by default) and the objective of scikit-learn's converged fit."""
    x, seen = (((part - h.mean(0)) / h.std(0)).double().numpy() for part in (h, h if rows is None else rows))
    fit = LogisticRegression(C=1 / (len(x) * penalty), tol=1e-10, max_iter=20_000).fit(x, labels.numpy())
    loss = -np.log(fit.predict_proba(x)[np.arange(len(x)), labels.numpy()]).mean()
    return fit.predict_proba(seen), loss + penalty / 2 * (fit.coef_**2).sum()


# scikit-learn


@pytest.mark.parametrize("p", range(len(PENALTIES)), ids=lambda p: f"penalty {PENALTIES[p]:g}")
@pytest.mark.parametrize("task", range(len(CLASSES)))
def test_stacked_probes_are_scikit_learns_one_by_one(task, p):
    h, labels = tasks()
    expected, optimum = scikit_learn(h, labels[task], PENALTIES[p])
    found = together().logits(h, task)[:, p].softmax(1).numpy()
    loss = objectives(together(), h, labels, PENALTIES)[task, p]
    assert optimum - 1e-6 < loss < optimum * 1.01
    assert np.abs(found - expected).mean() < 0.02
    assert (found.argmax(1) == expected.argmax(1)).mean() > 0.95


def test_they_predict_untouched_rows_as_scikit_learn_does():
    h, labels = classes(4, n=2 * N)
    expected, _ = scikit_learn(h[:N], labels[:N], 1e-2, rows=h[N:])
    found = fit_probes(h[:N], [labels[:N]], [4], [1e-2]).logits(h[N:], 0)[:, 0].softmax(1).numpy()
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_they_come_as_close_to_scikit_learns_as_their_tolerance_is_small(monkeypatch):
    h, labels = tasks()
    monkeypatch.setattr(probes, "FEW", probes.Stop(iterations=200, tolerance=1e-6))
    close = fit_probes(h, labels, CLASSES, PENALTIES)
    for task, y in enumerate(labels):
        for p, penalty in enumerate(PENALTIES):
            expected, optimum = scikit_learn(h, y, penalty)
            assert objectives(close, h, labels, PENALTIES)[task, p] == pytest.approx(optimum, rel=1e-4)
            np.testing.assert_allclose(close.logits(h, task)[:, p].softmax(1), expected, atol=0.01)


# Laws


@pytest.mark.parametrize("task", range(len(CLASSES)))
def test_a_probe_does_not_depend_on_its_company(task):
    h, labels = tasks()
    for p, penalty in enumerate(PENALTIES):
        alone = fit_probes(h, [labels[task]], [CLASSES[task]], [penalty]).logits(h, 0)[:, 0]
        torch.testing.assert_close(together().logits(h, task)[:, p], alone, atol=5e-3, rtol=5e-3)


def test_the_order_of_tasks_and_penalties_does_not_matter():
    h, labels = tasks()
    reverse = fit_probes(h, labels[::-1], CLASSES[::-1], PENALTIES[::-1])
    for task in range(2):
        expected = together().logits(h, task).flip(1)
        torch.testing.assert_close(reverse.logits(h, 1 - task), expected, atol=5e-3, rtol=5e-3)


def test_no_iteration_raises_the_loss_of_any_problem():
    h, labels = tasks()
    losses = [
        objectives(fit_probes(h, labels, CLASSES, PENALTIES, iterations=i), h, labels, PENALTIES) for i in range(16)
    ]
    np.testing.assert_allclose(losses[0], np.log(CLASSES)[:, None].repeat(3, 1), rtol=1e-6)
    assert (np.diff(losses, axis=0) <= 2e-6 * losses[0]).all()
    assert (losses[-1] < 0.95 * losses[0]).all()


def test_a_larger_penalty_makes_smaller_weights_and_a_larger_loss():
    h, labels = tasks()
    for task, y in enumerate(labels):
        norms = together().weights[task][:-1].norm(dim=(0, 2))
        losses = torch.stack([cross_entropy(z, y) for z in together().logits(h, task).unbind(1)])
        assert (norms.diff() < 0).all()
        assert (losses.diff() > 0).all()


@pytest.mark.parametrize("penalty", [1.0, 100.0])
def test_the_intercept_is_free_and_carries_class_frequencies(penalty):
    h, _ = tasks()
    labels = torch.arange(N) % 10 % 3
    p = fit_probes(h, [labels], [3], [penalty]).logits(h, 0)[:, 0].softmax(1)
    torch.testing.assert_close(p.mean(0), labels.bincount() / N, atol=0.005, rtol=0)


def test_features_may_be_scaled_and_shifted():
    h, labels = tasks()
    moved = h * torch.logspace(-2, 2, WIDTH) + torch.arange(WIDTH)
    fitted = fit_probes(moved, labels, CLASSES, PENALTIES)
    for task in range(2):
        p, expected = fitted.logits(moved, task).softmax(2), together().logits(h, task).softmax(2)
        assert (p - expected).abs().mean() < 0.005


# Hard cases


@pytest.mark.parametrize("penalty", [1e-8, 1e-5, 1e-1])
def test_separable_classes_are_separated_without_overflow(penalty):
    labels = torch.arange(200) % 4
    h = 1000 * torch.eye(4)[labels] + torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    logits = fit_probes(h, [labels], [4], [penalty], iterations=200).logits(h, 0)[:, 0]
    assert torch.isfinite(logits).all()
    assert (logits.argmax(1) == labels).all()


@pytest.mark.parametrize("constant", [0.0, 1.0, 100.1])
def test_constant_features_neither_break_nor_change_a_probe(constant):
    h, labels = tasks()
    wider = torch.cat([h, torch.full((N, 3), constant)], dim=1)
    fitted = fit_probes(wider, labels, CLASSES, PENALTIES)
    for task in range(2):
        logits = fitted.logits(wider, task)
        assert torch.isfinite(logits).all()
        assert (logits.softmax(2) - together().logits(h, task).softmax(2)).abs().mean() < 0.01


def test_a_feature_that_was_constant_in_the_fit_is_ignored_when_it_comes_alive():
    h, labels = tasks()
    dead, alive = (torch.cat([h, value * torch.rand(N, 3)], dim=1) for value in (0.0, 0.3))
    fitted = fit_probes(dead, labels, CLASSES, PENALTIES)
    for task in range(2):
        torch.testing.assert_close(fitted.logits(alive, task), fitted.logits(dead, task), atol=0.01, rtol=0)


def test_more_features_than_rows_and_repeated_features_are_no_problem():
    h, labels = classes(3, n=30)
    wide = torch.cat([h] * 4, dim=1)
    logits = fit_probes(wide, [labels], [3], PENALTIES).logits(wide, 0)
    assert torch.isfinite(logits).all()
    assert (logits[:, 0].argmax(1) == labels).float().mean() > 0.9


def test_a_class_without_rows_gets_no_probability():
    h, labels = tasks()
    logits = fit_probes(h, [labels[0]], [CLASSES[0] + 1], [1e-4]).logits(h, 0)[:, 0]
    assert torch.isfinite(logits).all()
    assert logits.softmax(1)[:, -1].mean() < 0.05
