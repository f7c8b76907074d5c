"""Agreement over encoders (Sec. IV-B): closed cases, scipy as referee, leave-one-out and bootstrap by brute force."""

import numpy as np
import pytest
from scipy import stats

from mi_ray.theory.agreement import (
    Correlation,
    Interval,
    LeaveOneOut,
    bootstrap,
    bootstrap_lead,
    correlation,
    leave_one_out,
    most_influential,
    top_k,
)

ACCURACY = np.array([94.4, 93.0, 92.5, 92.5, 90.8, 76.9, 66.9, 56.7])
MEASURE = np.array([6.1, 5.8, 5.6, 5.5, 5.5, 4.9, 2.9, 2.5])
FUNCTIONS = (
    correlation,
    leave_one_out,
    lambda m, a: bootstrap(m, a, np.random.default_rng(0)),
    lambda m, a: top_k(m, a, 2),
)


def drawn(n=9, *, tied, seed):
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(2, n)) + rng.normal(size=n)
    return np.round(columns) if tied else columns


def by_scipy(m, a):
    return stats.pearsonr(m, a).statistic, stats.kendalltau(m, a, variant="b").statistic


def normal_pairs(r, n, seed):
    return np.random.default_rng(seed).multivariate_normal([0, 0], [[1, r], [r, 1]], size=n).T


def test_a_line_agrees_fully_up_or_down():
    assert correlation([1, 2, 3], [10, 20, 30]) == Correlation(1, 1)
    assert correlation([3, 2, 1], [10, 20, 30]) == Correlation(-1, -1)


def test_a_curve_agrees_fully_in_rank_only():
    result = correlation([0, 1, 100], [0, 1, 2])
    assert result.kendall == 1 and 0.8 < result.pearson < 1


def test_one_swap_of_three_leaves_a_third_of_tau_and_half_of_r():
    result = correlation([1, 3, 2], [1, 2, 3])
    assert result.kendall == pytest.approx(1 / 3) and result.pearson == pytest.approx(1 / 2)


def test_a_tie_counts_as_tau_b_counts_it():
    assert correlation([1, 1, 2], [1, 2, 3]).kendall == pytest.approx(2 / np.sqrt(2 * 3))


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_correlations_are_scipys(tied, seed):
    m, a = drawn(tied=tied, seed=seed)
    result = correlation(m, a)
    assert (result.pearson, result.kendall) == pytest.approx(by_scipy(m, a), abs=1e-12)


def test_correlation_knows_neither_unit_nor_order_and_turns_with_the_sign():
    full, order = correlation(MEASURE, ACCURACY), np.random.default_rng(0).permutation(len(MEASURE))
    for other in (correlation(1e6 + 3 * MEASURE, ACCURACY / 100), correlation(MEASURE[order], ACCURACY[order])):
        assert (other.pearson, other.kendall) == pytest.approx((full.pearson, full.kendall), abs=1e-8)
    turned = correlation(-MEASURE, ACCURACY)
    assert (turned.pearson, turned.kendall) == pytest.approx((-full.pearson, -full.kendall))


@pytest.mark.parametrize("tied", [False, True])
def test_leave_one_out_is_the_correlation_of_what_is_left(tied):
    m, a = drawn(tied=tied, seed=7)
    brute = [by_scipy(np.delete(m, i), np.delete(a, i)) for i in range(len(m))]
    result = leave_one_out(m, a)
    assert result.pearson == pytest.approx([r for r, _ in brute], abs=1e-12)
    assert result.kendall == pytest.approx([tau for _, tau in brute], abs=1e-12)
    assert result.pearson_range == Interval(min(result.pearson), max(result.pearson))
    assert result.kendall_range == Interval(min(result.kendall), max(result.kendall))


def test_an_outlier_is_the_most_influential_encoder():
    measure, accuracy = [1, 2, 1, 2, 50], [1, 1, 2, 2, 50]
    without = leave_one_out(measure, accuracy)
    assert most_influential(correlation(measure, accuracy), without) == 4
    assert without.pearson[4] == pytest.approx(0)


def test_where_nothing_is_left_to_correlate_the_rest_still_has_a_range():
    without = leave_one_out([1, 1, 1, 2], [1, 2, 3, 4])
    assert np.isnan(without.pearson[3]) and np.isnan(without.kendall[3])
    assert without.pearson_range.high == max(without.pearson[:3])
    assert most_influential(Correlation(0.5, 0.5), LeaveOneOut((np.nan, 0.4, 0.9), (0.0, 0.0, 0.0))) == 2


@pytest.mark.parametrize("tied", [False, True])
def test_the_bootstrap_is_percentiles_of_scipys_correlation_over_the_resamples_drawn(tied):
    m, a = drawn(tied=tied, seed=3)
    result = bootstrap(m, a, np.random.default_rng(5), resamples=200, level=0.9)
    counts = np.random.default_rng(5).multinomial(len(m), np.full(len(m), 1 / len(m)), size=200)
    brute = [by_scipy(np.repeat(m, count), np.repeat(a, count)) for count in counts]
    for interval, values in zip((result.pearson, result.kendall), np.transpose(brute), strict=True):
        assert (interval.low, interval.high) == pytest.approx(np.quantile(values, [0.05, 0.95]), abs=1e-12)


def test_a_lead_is_the_difference_of_both_correlations_on_the_same_resamples():
    (m, a), (o, _) = drawn(tied=True, seed=3), drawn(tied=False, seed=4)
    result = bootstrap_lead(m, o, a, np.random.default_rng(5), resamples=200, level=0.9)
    counts = np.random.default_rng(5).multinomial(len(m), np.full(len(m), 1 / len(m)), size=200)
    pairs = [[by_scipy(np.repeat(of, count), np.repeat(a, count)) for of in (m, o)] for count in counts]
    leads = np.transpose([np.subtract(*pair) for pair in pairs])
    for interval, values in zip((result.pearson, result.kendall), leads, strict=True):
        assert (interval.low, interval.high) == pytest.approx(np.quantile(values, [0.05, 0.95]), abs=1e-12)


def test_no_measure_leads_itself():
    result = bootstrap_lead(MEASURE, 2 * MEASURE, ACCURACY, np.random.default_rng(0), resamples=50)
    assert (result.pearson.low, result.kendall.high) == pytest.approx((0, 0), abs=1e-12)


def test_the_bootstrap_follows_its_generator_alone():
    first, again, other = (bootstrap(MEASURE, ACCURACY, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first == again != other


def test_the_bootstrap_covers_the_truth_about_as_often_as_it_says():
    r, tau = 0.6, 2 / np.pi * np.arcsin(0.6)
    result = [
        bootstrap(*normal_pairs(r, 40, seed), np.random.default_rng(seed), resamples=400, level=0.9)
        for seed in range(200)
    ]
    for value, intervals in ((r, [f.pearson for f in result]), (tau, [f.kendall for f in result])):
        assert 0.82 < np.mean([i.low <= value <= i.high for i in intervals]) < 0.95


def test_constant_resamples_are_left_out_and_counted():
    result = bootstrap([1, 2, 3], [1, 2, 3], np.random.default_rng(0), resamples=2000)
    assert 1 - result.resamples / 2000 == pytest.approx(1 / 9, abs=0.02)
    assert result.pearson == result.kendall == Interval(1, 1)


def test_no_resample_with_a_correlation_is_an_error():
    seed = next(s for s in range(99) if np.random.default_rng(s).multinomial(3, [1 / 3] * 3).max() == 3)
    with pytest.raises(ValueError, match="none of 1 resamples"):
        bootstrap([1, 2, 3], [1, 2, 3], np.random.default_rng(seed), resamples=1)


def test_top_k_counts_the_common_best():
    accuracy = [5, 4, 3, 2, 1]
    assert [top_k(accuracy, accuracy, k) for k in (1, 3, 5)] == [1, 3, 5]
    assert [top_k([1, 2, 3, 4, 5], accuracy, k) for k in (1, 2, 3, 4, 5)] == [0, 0, 1, 3, 5]


def test_top_k_shares_a_tie_at_the_last_place_whatever_the_order():
    assert top_k([3, 2, 2, 1], [4, 3, 2, 1], 2) == top_k([1, 2, 2, 3], [1, 2, 3, 4], 2) == 1.5
    assert top_k([2, 2, 2, 1], [4, 3, 2, 1], 1) == pytest.approx(1 / 3)


@pytest.mark.parametrize("k", [0, 4])
def test_top_k_refuses_more_than_there_are(k):
    with pytest.raises(ValueError, match=r"must lie in 1\.\.3"):
        top_k([1, 2, 3], [1, 2, 3], k)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("measure", "accuracy", "words"),
    [
        ([1, 2], [1, 2], "2 encoders"),
        ([], [], "0 encoders"),
        ([1, 2, 3], [1, 2, 3, 4], "equal"),
        ([[1, 2, 3]], [[1, 2, 3]], "equal"),
        ([1, np.nan, 3], [1, 2, 3], "measure: .* finite"),
        ([1, 2, 3], [1, 2, np.inf], "accuracy: .* finite"),
        ([2, 2, 2], [1, 2, 3], "measure: 2.0 for all 3 encoders"),
        ([1, 2, 3], [0.9, 0.9, 0.9], "accuracy: 0.9 for all 3 encoders"),
    ],
)
def test_what_has_no_correlation_is_refused(function, measure, accuracy, words):
    with pytest.raises(ValueError, match=words):
        function(measure, accuracy)


@pytest.mark.parametrize("how", [{"level": 0.0}, {"level": 1.0}, {"resamples": 0}])
def test_the_bootstrap_refuses_an_empty_ask(how):
    with pytest.raises(ValueError, match=r"bootstrap: (level|resamples)"):
        bootstrap(MEASURE, ACCURACY, np.random.default_rng(0), **how)
