"""Analytic bounds hold for every encoder, by exact sums over small populations, and not without their terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations_with_replacement, product
from math import cosh, exp, inf, log

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multinomial

from mi_ray.theory.surrogate import Surrogate, log_cosh

RNG = np.random.default_rng(0)
Bound = Callable[[Surrogate, float], float]
UPPER: dict[str, Bound] = {
    "bao": Surrogate.bao_upper,
    "arora": Surrogate.arora,
    "nozawa_sato": Surrogate.nozawa_sato,
    "ash": Surrogate.ash,
}


def losses(h: np.ndarray, prior: np.ndarray, k: int) -> tuple[float, float]:
    """R_cont and R_mean of h [C, m, width], m equally likely embeddings a class, summed over all negatives."""
    c, m, _ = h.shape
    rows, chance, label = h.reshape(c * m, -1), np.repeat(prior / m, m), np.repeat(np.arange(c), m)
    similar = rows @ rows.T
    counts = np.array([np.bincount(drawn, minlength=c * m) for drawn in combinations_with_replacement(range(c * m), k)])
    weights, contrastive = multinomial.pmf(counts, k, chance), 0.0
    for x, y in product(range(c * m), repeat=2):
        if label[x] == label[y]:
            loss = np.log1p(counts @ np.exp(similar[x] - similar[x, y]))
            contrastive += chance[x] / m * float(weights @ loss)
    logits = rows @ h.mean(1).T
    return contrastive, float(chance @ (logsumexp(logits, axis=1) - logits[np.arange(c * m), label]))


def encoders(c: int) -> Iterator[np.ndarray]:
    """Random ones, from vague to clear classes, long and short, and extreme ones: one point, two poles, one class
    against all others."""
    for clear, norm in product((0.0, 0.5, 1.0, 3.0), (0.3, 1.0)):
        h = clear * RNG.standard_normal((c, 1, c)) + RNG.standard_normal((c, 2, c))
        yield norm * h / np.linalg.norm(h, axis=2, keepdims=True)
    pole = np.zeros((c, 2, c))
    pole[..., 0] = 1
    yield pole
    yield pole * np.array([1, -1])[:, None]
    yield pole * np.where(np.arange(c) == 0, 1, -1)[:, None, None]
    yield pole * np.where(np.arange(c) % 2, 1, -1)[:, None, None]


def cases(priors: tuple[tuple[float, ...], ...]) -> Iterator[tuple[Surrogate, float, float]]:
    for prior, k, largest in product(priors, (1, 2, 3, 8), (0.2, 1.0, 4.0)):
        for h in encoders(len(prior)):
            found = losses(np.sqrt(largest) * h, np.array(prior), k)
            yield Surrogate(prior=prior, negatives=k, largest=largest), *found


BALANCED = list(cases(((0.5, 0.5), (1 / 3,) * 3)))
UNBALANCED = list(cases(((0.9, 0.1), (0.05, 0.15, 0.8))))


@pytest.mark.parametrize("name", UPPER)
def test_no_encoder_s_mean_classifier_loses_more_than_an_upper_bound(name):
    assert min(UPPER[name](setting, loss) - mean for setting, loss, mean in BALANCED) > -1e-9


def test_the_bounds_of_bao_et_al_hold_for_unequal_classes_too():
    for setting, loss, mean in BALANCED + UNBALANCED:
        assert setting.bao_lower(loss) - 1e-9 <= mean <= setting.bao_upper(loss) + 1e-9


def test_the_lower_bound_of_bao_et_al_needs_the_largest_similarity():
    assert any(mean < setting.bao_lower(loss) + 2 * log_cosh(setting.largest) for setting, loss, mean in BALANCED)


@pytest.mark.parametrize(("c", "k"), [(2, 1), (10, 9), (64, 255)])
def test_of_an_encoder_without_similarities_both_bounds_of_bao_et_al_are_log_1_plus_1_over_k_off(c, k):
    silent = Surrogate(prior=(1 / c,) * c, negatives=k, largest=1e-6)
    loss, mean = log(1 + k), log(c)
    assert silent.bao_upper(loss) - mean == pytest.approx(log(1 + 1 / k))
    assert mean - silent.bao_lower(loss) == pytest.approx(log(1 + 1 / k))


@pytest.mark.parametrize("name", ["arora", "nozawa_sato", "ash"])
def test_a_contrastive_loss_that_cannot_see_every_class_does_not_bound_as_one_that_can(name):
    one_point = Surrogate(prior=(0.1,) * 10, negatives=1, largest=1.0)
    loss, mean = log(2), log(10)
    bare = {
        "arora": (loss - one_point.collision_nats) / one_point.no_collision,
        "nozawa_sato": 2 * loss - one_point.collision_nats,
        "ash": 2 * (loss - one_point.collision_nats) / one_point.no_collision,
    }
    assert bare[name] < mean <= UPPER[name](one_point, loss)


def test_the_lemma_s_worst_terms_stay_below_its_limit_and_come_near_it_where_similarities_are_large():
    for largest, closest in ((1.0, 0.3), (20.0, 0.01)):
        for prior in ((0.5, 0.5), (0.99, 0.01), (0.2, 0.3, 0.5)):
            limit = log(max(prior) * len(prior) ** 2) + 2 * log_cosh(largest)
            corners = np.array(list(product((-largest, largest), repeat=len(prior))))
            worst = (logsumexp(corners, axis=1) - corners @ prior).max() / limit
            assert worst <= 1 + 1e-12 and (prior != (0.99, 0.01) or worst > 1 - closest)


@pytest.mark.parametrize(("c", "k"), [(2, 1), (3, 4), (10, 9), (10, 63)])
def test_coverage_is_that_of_the_coupon_collector(c, k):
    draws = np.random.default_rng(1).integers(0, c, (200_000, k + 1))
    met = (np.sort(draws, axis=1)[:, 1:] != np.sort(draws, axis=1)[:, :-1]).sum(1) + 1
    assert Surrogate(prior=(1 / c,) * c, negatives=k, largest=1).coverage == pytest.approx(np.mean(met == c), abs=4e-3)


def test_fewer_draws_than_classes_bound_nothing():
    few = Surrogate(prior=(0.25,) * 4, negatives=2, largest=1.0)
    assert few.coverage == 0 and few.arora(1.0) == few.nozawa_sato(1.0) == inf and few.ash(1.0) < inf


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_so_many_negatives_that_one_is_surely_of_the_class_bound_nothing(classes):
    many = Surrogate(prior=(1 / classes,) * classes, negatives=8191, largest=1.0)
    assert many.no_collision == 0 and many.arora(9.0) == many.ash(9.0) == inf
    assert many.nozawa_sato(9.0) < inf and many.bao_upper(9.0) < inf


def test_constants_are_those_of_the_authors_code():
    even = Surrogate(prior=(0.1,) * 10, negatives=63, largest=1.0)
    assert even.bao_upper(0) == pytest.approx(log(10 * cosh(1) ** 2 / 63))
    assert even.bao_lower(0) == pytest.approx(log(10) + log(63 / 64**2) - 2 * log(cosh(1)))
    uneven = Surrogate(prior=(0.7, 0.2, 0.1), negatives=5, largest=2.0)
    assert uneven.bao_upper(1.5) == pytest.approx(1.5 + log(0.7 * 9 * cosh(2) ** 2 / 5))
    collision = sum(p * log(1 + n) for n, p in enumerate((0.729, 0.243, 0.027, 0.001)))
    assert Surrogate(prior=(0.1,) * 10, negatives=3, largest=1).collision_nats == pytest.approx(collision)


def test_equal_settings_order_encoders_alike_by_every_bound():
    setting, increasing = Surrogate(prior=(0.1,) * 10, negatives=63, largest=1.0), np.linspace(2, 4, 5)
    for bound in UPPER.values():
        assert np.corrcoef([bound(setting, loss) for loss in increasing], increasing)[0, 1] == pytest.approx(1)


@pytest.mark.parametrize("largest", [0.1, 1.0, 30.0])
def test_log_cosh_does_not_overflow(largest):
    assert log_cosh(largest) == pytest.approx(log((exp(largest) + exp(-largest)) / 2)) and log_cosh(5000) < 5000


@pytest.mark.parametrize(
    ("field", "given"),
    [("prior", (1.0,)), ("prior", (0.5, 0.5, 0.0)), ("negatives", 0), ("largest", 0.0), ("largest", inf)],
)
def test_a_setting_without_two_classes_negatives_or_a_limit_is_refused(field, given):
    settings = {"prior": (0.5, 0.5), "negatives": 3, "largest": 1.0} | {field: given}
    with pytest.raises(ValueError, match=f"^{field}: "):
        Surrogate(**settings)


def test_the_bounds_before_2022_refuse_unequal_classes():
    for bound in (Surrogate.arora, Surrogate.nozawa_sato, Surrogate.ash):
        with pytest.raises(ValueError, match="must be uniform"):
            bound(Surrogate(prior=(0.6, 0.4), negatives=3, largest=1.0), 1.0)
