"""Post-training estimates (Sec. III-C, Def. II.2) on class codes, whose mutual information is known in closed form."""

from dataclasses import asdict
from functools import lru_cache
from math import log2

import numpy as np
import pytest
import torch

from mi_ray.compute.estimation import Critic, estimate
from mi_ray.compute.images import SPLITS
from mi_ray.compute.pairings import WithinClass
from mi_ray.theory.information import label_channel_bits, nominal_bound_bits, nominal_ceiling_bits

WIDTH, K_EST, STEPS, CHECK = 32, 128, 400, 20
FIT = {
    "k_est": K_EST, "hidden": 64, "out": 32, "temperature": 0.1, "steps": STEPS, "learning_rate": 3e-3,
    "weight_decay": 1e-2, "patience": 4, "batches": 48, "seed": 0,
}  # fmt: skip


def codes(labels, noise, seed):
    """h [n, WIDTH]: a one-hot mean for each class and Gaussian noise of deviation ``noise`` around it."""
    rng = np.random.default_rng(seed)
    return (np.eye(WIDTH)[labels] + noise * rng.standard_normal((len(labels), WIDTH))).astype(np.float32)


def question(n_classes, *, noise=0.05, redraw=0.0, sizes=(2000, 2000, 4000)):
    """h, couples and test sources of freshly drawn class codes; every image has its own source."""
    labels = {split: np.arange(n) % n_classes for split, n in zip(SPLITS, sizes, strict=True)}
    h = {split: codes(labels[split], noise, seed) for seed, split in enumerate(SPLITS)}
    couples = {split: WithinClass(labels[split], n_classes, redraw=redraw) for split in SPLITS}
    return h, couples, np.arange(sizes[-1])


def reused(draw, *, images=1000, sources=96):
    """Sources [images], 24 to each of four classes, and noisy codes [images, WIDTH] that share their source's noise."""
    rng = np.random.default_rng(100 + draw)
    of = np.concatenate([np.arange(sources), np.arange(sources), rng.integers(sources, size=images - 2 * sources)])
    offset = 0.45 * rng.standard_normal((sources, WIDTH))
    return of, offset[of].astype(np.float32) + codes(of % 4, 0.2, 200 + draw)


def shuffled(h):
    """The same embeddings in another order: independent of the classes that couples are drawn by."""
    return {split: np.random.default_rng(9).permutation(rows) for split, rows in h.items()}


@lru_cache
def reading(n_classes, redraw):
    return estimate(*question(n_classes, redraw=redraw), **FIT)


@lru_cache
def overfitted():
    """A critic fitted to 64 noisy rows, and what its fit reported."""
    history = []
    asked = question(4, noise=0.5, sizes=(64, 2000, 2000))
    found = estimate(*asked, **FIT | {"hidden": 256}, report=lambda *check: history.append(check))
    return found, history


# Truth


@pytest.mark.parametrize("n_classes", [4, 16])
def test_class_codes_read_their_class_entropy(n_classes):
    found = reading(n_classes, 0.0)
    assert found.nominal_bits == pytest.approx(log2(n_classes), abs=0.05)
    assert found.nominal_bits < nominal_ceiling_bits(n_classes, K_EST) + 3 * found.nominal_standard_error_bits


@pytest.mark.parametrize("n_classes", [4, 16])
def test_a_noisy_label_channel_reads_the_information_it_lets_through(n_classes):
    found = reading(n_classes, 0.3)
    truth = label_channel_bits(n_classes, 0.3)
    assert found.nominal_bits == pytest.approx(truth, abs=0.06)
    assert found.nominal_bits < truth + 3 * found.nominal_standard_error_bits


def test_partners_of_any_class_read_zero():
    found = reading(4, 1.0)
    assert abs(found.nominal_bits) < max(0.05, 3 * found.nominal_standard_error_bits)


@pytest.mark.parametrize("n_classes", [4, 16])
def test_shuffled_embeddings_read_zero(n_classes):
    h, couples, sources = question(n_classes)
    found = estimate(shuffled(h), couples, sources, **FIT)
    assert abs(found.nominal_bits) < max(0.05, 3 * found.nominal_standard_error_bits)


def test_embeddings_without_any_class_never_read_clearly_above_zero():
    for seed in range(3):
        h, couples, sources = question(4, sizes=(300, 2000, 2000))
        noise = {split: codes(np.zeros(len(rows), int), 1.0, seed) for split, rows in h.items()}
        found = estimate(noise, couples, sources, **FIT | {"seed": seed, "steps": 60})
        assert -0.3 < found.nominal_bits < max(0.05, 3 * found.nominal_standard_error_bits)


@pytest.mark.parametrize("k_est", [4, 8])
def test_small_k_est_caps_the_estimate_at_its_ceiling_below_its_bound(k_est):
    found = estimate(*question(16), **FIT | {"k_est": k_est, "batches": 128})
    ceiling = nominal_ceiling_bits(16, k_est)
    assert found.nominal_bits < nominal_bound_bits(k_est)
    assert found.nominal_bits < ceiling + 3 * found.nominal_standard_error_bits
    assert found.nominal_bits == pytest.approx(ceiling, abs=0.1)


# Held out


def test_an_overfitted_critic_reads_far_too_much_on_its_own_rows_and_not_on_held_out_ones():
    found, _ = overfitted()
    assert found.train_bits > found.nominal_bits + 0.5
    assert found.nominal_bits < 2 + 3 * found.nominal_standard_error_bits
    assert found.nominal_bits == pytest.approx(found.validation_bits, abs=0.1)


def test_the_kept_critic_is_the_one_that_reads_best_on_validation():
    found, history = overfitted()
    steps, _, validation = zip(*history, strict=True)
    best = int(np.argmax(validation))
    assert found.critic_steps == steps[best] < steps[-1]
    assert found.validation_bits == pytest.approx(validation[best], abs=1e-6)


def test_the_fit_stops_after_as_many_worse_checks_as_it_has_patience():
    found, history = overfitted()
    steps = [step for step, _, _ in history]
    assert steps == list(range(CHECK, found.critic_steps + FIT["patience"] * CHECK + 1, CHECK))
    assert steps[-1] < STEPS


def test_the_train_bits_reported_are_those_of_the_steps_since_the_last_check():
    _, history = overfitted()
    train = [train_bits for _, train_bits, _ in history]
    assert train[-1] > 1.8 > train[0]
    assert all(train_bits < nominal_bound_bits(K_EST) for train_bits in train)


def test_the_fit_never_sees_the_test_rows():
    h, couples, sources = question(4, redraw=0.3)
    fit = FIT | {"steps": 60}
    one = estimate(h, couples, sources, **fit)
    other = estimate(h | {"test": shuffled(h)["test"]}, couples, sources, **fit)
    assert other.nominal_bits < one.nominal_bits - 0.5
    scores = [f"{r}{what}_bits" for r in ("nominal", "strict", "nwj") for what in ("", "_standard_error")]
    fits = [{name: value for name, value in asdict(e).items() if name not in scores} for e in (one, other)]
    assert fits[0] == fits[1]


def test_reused_sources_widen_the_standard_error_and_nothing_else():
    h, couples, sources = question(4, redraw=0.3)
    few = np.random.default_rng(0).integers(40, size=len(sources))
    fit = FIT | {"steps": 60}
    own, shared = estimate(h, couples, sources, **fit), estimate(h, couples, few, **fit)
    assert shared.nominal_standard_error_bits != own.nominal_standard_error_bits
    values = [name for name in asdict(own) if "standard_error" not in name]
    assert [getattr(shared, name) for name in values] == pytest.approx([getattr(own, name) for name in values])


def test_the_standard_error_is_the_spread_over_fresh_test_images_of_reused_sources():
    """Forty test splits of 96 sources; the images of one source share most of their noise."""
    h, couples, _ = question(4, noise=0.5, sizes=(500, 500, 500))
    found = []
    for draw in range(40):
        sources, fresh = reused(draw)
        asked = (h | {"test": fresh}, couples | {"test": WithinClass(sources % 4, 4)}, sources)
        found.append(estimate(*asked, **FIT | {"steps": 20, "batches": 8}))
    spread = np.std([e.nominal_bits for e in found], ddof=1)
    error = np.mean([e.nominal_standard_error_bits**2 for e in found]) ** 0.5
    assert error == pytest.approx(spread, rel=0.3)


# Repeatable


def test_the_same_seed_reads_the_same_bits_whatever_the_global_generators_hold():
    asked = question(4, redraw=0.3)
    fit = FIT | {"steps": 40}
    torch.manual_seed(1)
    one = estimate(*asked, **fit)
    torch.manual_seed(2)
    assert estimate(*asked, **fit) == one
    assert estimate(*asked, **fit | {"seed": 1}) != one


def test_watching_the_fit_does_not_change_it():
    asked = question(4, redraw=0.3)
    fit = FIT | {"steps": 40}
    assert estimate(*asked, **fit, report=lambda *check: torch.rand(1)) == estimate(*asked, **fit)


# The critic


@pytest.mark.parametrize("temperature", [0.05, 0.1])
def test_the_temperature_starts_where_it_is_told_and_is_learned(temperature):
    fresh = Critic(WIDTH, hidden=64, out=32, temperature=temperature, seed=0)
    assert fresh.temperature.item() == pytest.approx(temperature)
    assert "log_temperature" in dict(fresh.named_parameters())
    found = estimate(*question(4, redraw=0.3), **FIT | {"steps": 40, "temperature": temperature})
    assert 0 < found.critic_temperature != pytest.approx(temperature, rel=0.01)


def test_the_critic_does_not_care_how_embeddings_are_scaled_or_shifted():
    h, couples, sources = question(4, redraw=0.3)
    scale = np.float32(2) ** np.random.default_rng(0).integers(-8, 8, size=WIDTH).astype(np.float32)
    fit = FIT | {"steps": 60}
    one = estimate(h, couples, sources, **fit)
    other = estimate({split: rows * scale + scale for split, rows in h.items()}, couples, sources, **fit)
    assert other.nominal_bits == pytest.approx(one.nominal_bits, abs=0.02)


@pytest.mark.parametrize("constant", [0.0, 100.1])
def test_constant_features_do_no_harm(constant):
    h, couples, sources = question(4)
    wider = {split: np.pad(rows, ((0, 0), (0, 4)), constant_values=constant) for split, rows in h.items()}
    assert estimate(wider, couples, sources, **FIT).nominal_bits == pytest.approx(2, abs=0.05)


def test_a_feature_that_comes_alive_on_one_held_out_row_in_a_hundred_does_no_harm():
    h, couples, sources = question(4)
    wider = {split: np.pad(rows, ((0, 0), (0, 1))) for split, rows in h.items()}
    for split in ("validation", "test"):
        wider[split][::97, -1] = 0.3
    assert estimate(wider, couples, sources, **FIT).nominal_bits == pytest.approx(2, abs=0.05)
