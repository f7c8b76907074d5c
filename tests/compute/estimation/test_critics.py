"""Critics fitted together (Sec. III-C): each is the critic that it would have become alone."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch

from mi_ray.compute.estimation.averaging import CHECKS, GAIN_BITS
from mi_ray.compute.estimation.critics import BATCHES, Critics, Settings, _Kept, fit_critics
from mi_ray.compute.pairs.couples import WithinClass
from mi_ray.compute.seeding import stream
from mi_ray.compute.training.losses import nt_xent
from mi_ray.compute.training.mlp import fresh_mlp
from mi_ray.theory.information import bits, nominal_bound_bits

WIDTH, CLASSES, K = 12, 4, 32
SETTINGS = Settings(
    hidden=64, out=16, temperature=0.1, seeds=(4, 8), k=K, steps=60, learning_rate=3e-3, weight_decay=1e-2, patience=2
)
EVERY = SETTINGS.steps // CHECKS


def split(n, seed, noise=0.5):
    """h [n, WIDTH] of noisy class codes, and their couple."""
    rng, labels = np.random.default_rng(seed), np.arange(n) % CLASSES
    h = np.eye(WIDTH)[labels] + noise * rng.standard_normal((n, WIDTH))
    return torch.from_numpy(h).float(), WithinClass(labels, CLASSES)


@lru_cache
def overfitted(seeds=SETTINGS.seeds):
    """Critics of 64 rows, which soon read worse on validation, and what their fit reported."""
    history = []
    fit = fit_critics(split(64, 0), split(500, 1), replace(SETTINGS, seeds=seeds), lambda *check: history.append(check))
    return fit, history


def mlp(critics, number):
    """One of the stacked critics as a plain network."""
    found = fresh_mlp(WIDTH, hidden=SETTINGS.hidden, out=SETTINGS.out, seed=0)
    state = [getattr(critics, name)[number] for name in ("hidden_weight", "hidden_bias", "out_weight", "out_bias")]
    names = ("0.weight", "0.bias", "2.weight", "2.bias")
    found.load_state_dict({name: value.detach().T.reshape(found.get_parameter(name).shape)
                           for name, value in zip(names, state, strict=True)})  # fmt: skip
    return found


def on_validation(critics, number, seed):
    """Eq. 4 of one critic, in bits, on the pairs that a fit validates it on: drawn and scored one batch at a time."""
    h, couple = split(500, 1)
    losses = []
    for batch in range(BATCHES):
        x, y = couple(K, stream(seed, "validation pairs", batch))
        z = mlp(critics, number)(h)
        losses.append(nt_xent(z[x], z[y], temperature=critics.temperature[number].item()).item())
    return nominal_bound_bits(K) - bits(np.mean(losses))


# Oracles


def test_critics_start_as_the_projector_does_and_at_the_temperature_they_are_told():
    critics = Critics(WIDTH, SETTINGS)
    h, _ = split(10, 0)
    for number, seed in enumerate(SETTINGS.seeds):
        alone = fresh_mlp(WIDTH, hidden=SETTINGS.hidden, out=SETTINGS.out, seed=seed, purpose="critic")
        assert torch.allclose(critics(h.expand(2, -1, -1))[number], alone(h), atol=1e-6)
    assert critics.temperature.tolist() == pytest.approx([SETTINGS.temperature] * 2)


def test_a_kept_critic_reads_on_validation_what_the_fit_says():
    fit, _ = overfitted()
    for number, seed in enumerate(SETTINGS.seeds):
        assert on_validation(fit.critics, number, seed) == pytest.approx(fit.validation_bits[number], abs=1e-5)


# Company


@pytest.mark.parametrize("number", [0, 1])
def test_a_critic_is_what_it_would_be_alone(number):
    """Weights, temperature and readings, although the first to settle sees the other go on."""
    together, alone = overfitted()[0], overfitted((SETTINGS.seeds[number],))[0]
    assert together.steps[0] != together.steps[1]
    assert alone.steps[0] == together.steps[number]
    assert alone.train_bits[0] == pytest.approx(together.train_bits[number], abs=1e-3)
    assert alone.validation_bits[0] == pytest.approx(together.validation_bits[number], abs=1e-3)
    for name, value in alone.critics.state_dict().items():
        assert torch.allclose(value[0], together.critics.state_dict()[name][number], atol=1e-3), name


def test_a_settled_critic_takes_nothing_from_the_checks_that_another_prolongs():
    """The first reads 1 bit, then less for as long as its patience lasts, then 9; the second rises all along."""
    critics = Critics(WIDTH, SETTINGS)
    kept = _Kept(critics, patience=2 * EVERY)
    for check, first in enumerate((1.0, 0.5, 0.5, 9.0), start=1):
        with torch.no_grad():
            critics.log_temperature.fill_(-check)
        kept.keep_better(critics, check * EVERY, np.zeros(2), np.array([first, check]))
    fit = kept.fit(critics)
    assert fit.steps.tolist() == [EVERY, 4 * EVERY]
    assert fit.validation_bits.tolist() == [1, 4]
    assert fit.critics.log_temperature.tolist() == [-1, -4]


def test_critics_of_one_seed_are_one_critic_and_of_two_are_not():
    fit, _ = overfitted((4, 4, 8))
    weights = fit.critics.out_weight
    assert torch.allclose(weights[0], weights[1], atol=1e-4)
    assert not torch.allclose(weights[0], weights[2], atol=1e-2)


# Held out


def test_the_kept_critic_is_the_one_that_reads_best_on_validation():
    fit, history = overfitted((4,))
    steps, _, validation = zip(*history, strict=True)
    best = int(np.argmax(validation))
    assert fit.steps[0] == steps[best] < steps[-1]
    assert fit.validation_bits[0] == pytest.approx(validation[best], abs=1e-6)


def test_a_fit_ends_once_its_patience_has_brought_no_gain():
    _, history = overfitted((4,))
    reference, since = -np.inf, 0
    for step, _, validation in history:
        if validation > reference + GAIN_BITS:
            reference, since = validation, step
    assert [step for step, _, _ in history] == list(range(EVERY, since + SETTINGS.patience * EVERY + 1, EVERY))
    assert history[-1][0] < SETTINGS.steps


def test_a_fit_that_learns_nothing_ends_after_its_patience():
    history, settings = [], replace(SETTINGS, learning_rate=1e-9)
    fit_critics(split(64, 0), split(200, 1), settings, lambda *check: history.append(check))
    assert history[-1][0] == (1 + SETTINGS.patience) * EVERY


def test_company_goes_on_until_its_last_critic_has_converged():
    together, alone = overfitted()[1], [overfitted((seed,))[1] for seed in SETTINGS.seeds]
    assert together[-1][0] == max(history[-1][0] for history in alone)


def test_an_overfitted_critic_reads_far_more_on_its_own_rows_than_on_validation():
    _, history = overfitted()
    _, train, validation = history[-1]
    assert train > validation + 0.5


def test_a_fit_with_patience_to_the_end_takes_every_step():
    history = []
    settings = replace(SETTINGS, steps=30, patience=CHECKS)
    fit_critics(split(64, 0), split(200, 1), settings, lambda *check: history.append(check))
    assert [step for step, _, _ in history] == list(range(3, 31, 3))


def test_what_a_fit_reports_is_the_mean_over_critics():
    _, together = overfitted()
    alone = [overfitted((seed,))[1] for seed in SETTINGS.seeds]
    for number in range(min(map(len, alone))):
        mean = np.mean([history[number] for history in alone], axis=0)
        assert together[number] == pytest.approx(mean, abs=1e-3)


def test_bits_on_train_and_validation_stay_below_the_bound():
    _, history = overfitted()
    assert max(max(check[1:]) for check in history) < nominal_bound_bits(K)


def test_fits_repeat_whatever_the_global_generators_hold():
    torch.manual_seed(1)
    one = fit_critics(split(64, 0), split(200, 1), replace(SETTINGS, steps=20))
    torch.manual_seed(2)
    other = fit_critics(split(64, 0), split(200, 1), replace(SETTINGS, steps=20))
    assert torch.equal(one.critics.hidden_weight, other.critics.hidden_weight)


def test_the_temperature_is_learned():
    fit = fit_critics(split(500, 0), split(200, 1), replace(SETTINGS, steps=20))
    assert all(0 < t != pytest.approx(SETTINGS.temperature, rel=0.01) for t in fit.critics.temperature.tolist())


def test_decay_shrinks_weights_and_leaves_the_temperature_alone():
    """A decay that pulled log temperature to zero would warm every critic to 1."""
    light, heavy = (
        fit_critics(split(500, 0), split(200, 1), replace(SETTINGS, steps=30, weight_decay=decay, patience=CHECKS))
        for decay in (0.0, 3.0)
    )
    assert heavy.critics.hidden_weight.norm() < 0.9 * light.critics.hidden_weight.norm()
    assert max(heavy.critics.temperature.tolist()) < 3 * SETTINGS.temperature
