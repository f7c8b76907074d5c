"""A lead that is not there is found at its level, also over six encoders; one that is there is found."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from scipy.stats import kendalltau, pearsonr, t

from mi_ray.theory.agreement import bootstrap_lead
from mi_ray.theory.lead import kendall_lead, pearson_lead, williams_error

DRAWS = 1500


def columns(r: tuple[float, float, float], n: int, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """Accuracy and two measures of n encoders, with correlations (one, two, between) in the population: [3, b, n]."""
    one, two, between = r
    root = np.linalg.cholesky(np.array([[1, one, two], [one, 1, between], [two, between, 1]]))
    return np.moveaxis(np.random.default_rng(seed).standard_normal((draws, n, 3)) @ root.T, 2, 0)


def found(r: tuple[float, float, float], n: int, *, level: float = 0.05, draws: int = DRAWS) -> float:
    """The share of draws in which the first measure leads in r, by Williams' test."""
    a, x, y = columns(r, n, draws)
    correlations = (
        (u * v).sum(1) for u, v in ((centred(a), centred(x)), (centred(a), centred(y)), (centred(x), centred(y)))
    )
    errors = np.array([(one - two) / williams_error(one, two, b, n) for one, two, b in zip(*correlations, strict=True)])
    return float((errors > t.ppf(1 - level, n - 3)).mean())


def centred(values: np.ndarray) -> np.ndarray:
    values = values - values.mean(1, keepdims=True)
    return values / np.sqrt((values**2).sum(1, keepdims=True))


@pytest.mark.parametrize("n", [6, 11, 16])
@pytest.mark.parametrize("r", [(0.9, 0.9, 0.8), (0.97, 0.97, 0.95), (0.5, 0.5, 0.0)])
def test_no_lead_is_found_at_its_level(r: tuple[float, float, float], n: int) -> None:
    assert found(r, n) <= 0.056 + 2 * (0.05 * 0.95 / DRAWS) ** 0.5


def test_a_percentile_bootstrap_would_find_it_more_often() -> None:
    r, draws, rng = (0.8, 0.8, 0.3), 300, np.random.default_rng(3)
    drawn = zip(*columns(r, 12, draws), strict=True)
    leads = [bootstrap_lead(x, y, a, rng, resamples=200, level=0.9) for a, x, y in drawn]
    assert np.mean([lead.pearson.low > 0 for lead in leads]) > found(r, 12, draws=draws)


def test_a_lead_is_found_by_more_encoders() -> None:
    few, many = (found((0.95, 0.6, 0.5), n, draws=500) for n in (6, 12))
    assert few < 0.6 < 0.8 < many


def test_the_lead_in_r_is_the_difference_of_correlations_and_its_error_follows_from_three() -> None:
    a, x, y = columns((0.9, 0.5, 0.4), 9, 1)[:, 0]
    lead = pearson_lead(x, y, a)
    one, two, between = (pearsonr(u, v).statistic for u, v in ((x, a), (y, a), (x, y)))
    assert lead.difference == pytest.approx(one - two) and lead.degrees == 6
    assert lead.error == pytest.approx(williams_error(one, two, between, 9))


def test_the_error_of_the_lead_in_tau_is_the_jackknifes() -> None:
    a, x, y = columns((0.9, 0.5, 0.4), 9, 1)[:, 0]
    lead = kendall_lead(x, y, a)
    kept = [np.arange(9) != i for i in range(9)]
    without = np.array([kendalltau(x[k], a[k]).statistic - kendalltau(y[k], a[k]).statistic for k in kept])
    assert lead.difference == pytest.approx(kendalltau(x, a).statistic - kendalltau(y, a).statistic)
    assert lead.error**2 == pytest.approx(8 / 9 * ((without - without.mean()) ** 2).sum()) and lead.degrees == 8


def test_three_encoders_have_no_error_and_equal_measures_differ_by_none() -> None:
    assert isnan(williams_error(0.9, 0.5, 0.4, 3))
    assert williams_error(0.9, 0.9, 1.0, 9) == pytest.approx(0, abs=1e-7)


def test_mirrored_measures_have_the_limit_of_the_error() -> None:
    assert williams_error(0.9, -0.9, -1.0, 9) == pytest.approx(williams_error(0.9, -0.9, -1 + 1e-6, 9), rel=1e-4)
    assert williams_error(1.0, -1.0, -1.0, 9) == 0
