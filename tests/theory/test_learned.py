"""Curve and spectrum recognise an encoder that learned nothing, and accept one that learned little or few classes."""

from __future__ import annotations

from math import exp, inf, nan

import numpy as np
import pytest

from mi_ray.theory.learned import LEAST_RANK, POINT_SHARE, Curve, in_words, spectrum, why_collapsed, why_untrained

RNG = np.random.default_rng(0)
NOISE = 0.01 * RNG.standard_normal(50)


def curve(values, **known):
    return Curve(reports=tuple(np.asarray(values, dtype=float)), **{"allowed": 2.0} | known)


RISING = np.minimum(np.linspace(-0.3, 4, 50), 1.9)


@pytest.mark.parametrize(
    "values",
    [np.zeros(50), NOISE, NOISE - 0.4, np.full(1, 0.0), np.full(2, -5.0), 0.05 + NOISE, np.linspace(0, 0.09, 50)],
    ids=["chance", "noise", "below", "one report", "worse than chance", "hardly", "slow"],
)
def test_a_loss_at_chance_is_no_learning(values):
    assert why_untrained(curve(values)).startswith("learned nothing: the loss ended")


@pytest.mark.parametrize("values", [RISING, RISING + NOISE, np.full(1, 1.9), np.full(2, 0.3), 0.15 + NOISE / 3])
def test_a_loss_surely_below_chance_is_learning(values):
    assert why_untrained(curve(values)) == ""


def test_the_reason_tells_the_end_its_error_and_what_is_needed():
    reason = why_untrained(curve([0.04, 0.06] * 10))
    assert reason == (
        "learned nothing: the loss ended 0.05 ± 0.01 bits below chance, log(2K-1);"
        " more than 0.10 by 2 standard errors is needed"
    )


def test_what_the_untrained_network_has_is_not_learned():
    assert "; 0.66 untrained; more than 0.76" in why_untrained(curve(0.66 + NOISE / 10, first=0.66))
    assert why_untrained(curve(0.66 + NOISE / 10, first=-0.66)) == ""
    assert why_untrained(curve(RISING + NOISE, first=0.66, steps=16)) == ""


def test_a_noisy_first_step_proves_no_gain():
    noisy = 0.8 + 0.05 * RNG.standard_normal(50)
    assert "learned nothing" in why_untrained(curve(noisy, first=0.5, steps=16))


@pytest.mark.parametrize("end", [-3.0, 0.0, 0.5])
def test_what_was_learned_and_lost_has_collapsed(end):
    reason = why_untrained(curve([*np.full(40, 1.9), *np.full(10, end)]))
    assert reason == f"collapsed in training: the loss ended {end:.2f} ± 0.00 bits below chance, log(2K-1), after 1.90"


def test_one_noisy_report_at_the_end_of_a_short_training_is_no_collapse():
    short = curve([0.05, 0.35, 0.3, 0.2, 0.11], first=0.05, allowed=0.45)
    assert short.window == 1 and short.spread == pytest.approx(((0.3**2 + 0.05**2 + 0.1**2 + 0.09**2) / 8) ** 0.5)
    assert "collapsed" not in why_untrained(short)
    assert why_untrained(curve([0.0, 0.6, 1.1, 1.5, 1.9])) == ""


def test_a_dip_in_the_middle_and_a_small_loss_at_the_end_are_no_collapse():
    assert why_untrained(curve([*np.full(20, 1.9), *np.zeros(10), *np.full(20, 1.9)])) == ""
    assert why_untrained(curve([*np.full(40, 1.9), *np.full(10, 1.2)])) == ""


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_a_loss_that_is_no_number_has_diverged(value):
    assert why_untrained(curve([1.0, 1.0, value])) == "diverged: its loss is no finite number"


def test_pairs_that_share_little_are_learned_with_little():
    assert why_untrained(curve(np.full(50, 0.02), allowed=0.02)) == ""
    assert why_untrained(curve(np.full(50, 0.02), allowed=2.0)) != ""
    assert why_untrained(curve(0.02 + NOISE / 10, allowed=None)) == ""
    assert why_untrained(curve(np.zeros(50), allowed=None)) != ""


def test_no_report_accuses_nobody():
    assert why_untrained(curve([])) == ""


# Embeddings


def classes(n_classes, noise=0.0, n=1024, width=32):
    means = RNG.standard_normal((n_classes, width))
    return means[np.arange(n) % n_classes] + noise * RNG.standard_normal((n, width))


def against(h, told_apart=4, dtype=np.float32):
    return why_collapsed(spectrum(np.asarray(h).astype(dtype)), told_apart)


@pytest.mark.parametrize("value", [0.0, 1.0, -100.0, 1e6])
@pytest.mark.parametrize("told_apart", [None, 2, 4, inf])
def test_one_point_is_a_collapse_whatever_was_to_be_told_apart(value, told_apart):
    assert against(np.full((1024, 32), value), told_apart) == "collapsed: the embeddings are one point"


def test_rounding_around_one_point_is_one_point():
    h = np.full((1024, 32), 0.3) * (1 + 1e-7 * RNG.standard_normal((1024, 32)))
    assert "collapsed" in against(h, None)


def test_all_but_one_image_at_a_point_is_one_point():
    h = np.zeros((2048, 32))
    h[7] = 1.0
    assert against(h, 2) == "collapsed: 99.95% of the embeddings are one point" and POINT_SHARE < 2047 / 2048


@pytest.mark.parametrize("n_classes", [3, 4, 10, 64])
def test_class_means_are_no_collapse(n_classes):
    assert against(classes(n_classes), n_classes) == ""
    assert against(classes(n_classes, noise=0.01), n_classes) == ""


@pytest.mark.parametrize("told_apart", [2, None])
@pytest.mark.parametrize("share", [0.5, 0.01])
def test_two_classes_may_span_one_dimension(told_apart, share):
    h = (np.arange(2000) < share * 2000)[:, None] * np.ones((1, 32))
    assert spectrum(h).effective_rank == pytest.approx(1) and against(h, told_apart) == ""


@pytest.mark.parametrize("told_apart", [3, 64, inf])
def test_one_dimension_is_a_collapse_where_three_or_more_were_to_be_told_apart(told_apart):
    line = RNG.standard_normal((1024, 1)) * RNG.standard_normal((1, 32))
    assert against(line, told_apart) == f"collapsed: embeddings have effective rank 1.00; {LEAST_RANK:g} is needed"


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("shift", [0.0, 3.0, -200.0])
def test_the_spectrum_knows_neither_scale_nor_shift(scale, shift):
    h = classes(4, noise=0.1)
    moved = spectrum(scale * (h + shift))
    assert moved.effective_rank == pytest.approx(spectrum(h).effective_rank)
    assert why_collapsed(moved, 4) == ""


def test_tight_features_of_a_large_mean_are_usable():
    h = 100 + 5e-4 * RNG.standard_normal((1024, 32))
    assert spectrum(h.astype(np.float32)).effective_rank == pytest.approx(spectrum(h).effective_rank, rel=0.01)
    assert against(h) == "" and against(100 + 5e-4 * classes(4), 4) == ""


def test_a_constant_column_however_large_hides_nothing():
    h = np.hstack([classes(4), np.full((1024, 1), 1e8)])
    assert spectrum(h.astype(np.float32)).effective_rank == pytest.approx(
        spectrum(h[:, :-1].astype(np.float32)).effective_rank
    )


@pytest.mark.parametrize("spread", [(1, 1, 1), (1, 0.5), (3, 2, 1)])
def test_effective_rank_is_exp_of_the_spectrum_s_entropy(spread):
    p = np.array(spread) / sum(spread)
    signs = np.array(np.meshgrid(*[(-1, 1)] * len(spread))).reshape(len(spread), -1).T
    expected = exp(-(p * np.log(p)).sum())
    assert spectrum(signs * np.array(spread, dtype=float)).effective_rank == pytest.approx(expected)


def test_many_reasons_are_counted():
    reasons = [(f"encoder {n}", "learned nothing") for n in range(6)]
    assert in_words(reasons[:1]) == "encoder 0 learned nothing"
    assert in_words(reasons).endswith("encoder 3 learned nothing; and 2 more")
