"""Estimators of mutual information against double loops, a discrete truth, and correlated Gaussians."""

from math import exp, inf, log

import numpy as np
import pytest
import torch

from mi_ray.compute.estimation.baselines import club, donsker_varadhan, info_nce, jensen_shannon, ksg, mine, nwj, smile

OF_SCORES = [info_nce, nwj, donsker_varadhan, jensen_shannon, smile, club, mine]


def scores(k=6, scale=1.0, seed=0):
    return scale * torch.randn(k, k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gradient(estimator, f):
    f = f.clone().requires_grad_()
    (found,) = torch.autograd.grad(estimator(f), f)
    return found


# Double loops, from the formulas


def joint_and_cross(f):
    k = len(f)
    return [f[i][i] for i in range(k)], [f[i][j] for i in range(k) for j in range(k) if i != j]


def mean(values):
    return sum(values) / len(values)


def softplus(value):
    return log(1 + exp(value))


def info_nce_by_hand(f):
    return mean([log(exp(row[i]) / mean([exp(value) for value in row])) for i, row in enumerate(f)])


def nwj_by_hand(f):
    joint, cross = joint_and_cross(f)
    return mean(joint) - mean([exp(value - 1) for value in cross])


def smile_by_hand(f, clip=5.0):
    joint, cross = joint_and_cross(f)
    return mean(joint) - log(mean([exp(min(max(value, -clip), clip)) for value in cross]))


def donsker_varadhan_by_hand(f):
    return smile_by_hand(f, clip=inf)


def jensen_shannon_by_hand(f):
    joint, cross = joint_and_cross(f)
    return -mean([softplus(-value) for value in joint]) - mean([softplus(value) for value in cross])


def club_by_hand(f):
    joint, cross = joint_and_cross(f)
    return mean(joint) - mean(cross)


BY_HAND = {
    info_nce: info_nce_by_hand,
    nwj: nwj_by_hand,
    donsker_varadhan: donsker_varadhan_by_hand,
    smile: smile_by_hand,
    jensen_shannon: jensen_shannon_by_hand,
    club: club_by_hand,
}


@pytest.mark.parametrize("k", [2, 7])
@pytest.mark.parametrize("scale", [1.0, 4.0])
@pytest.mark.parametrize("estimator", BY_HAND)
def test_an_estimator_is_the_double_loop_of_its_formula(estimator, scale, k):
    f = scores(k, scale)
    assert estimator(f).item() == pytest.approx(BY_HAND[estimator](f.tolist()), abs=1e-9)


@pytest.mark.parametrize("estimator", [info_nce, nwj, donsker_varadhan, jensen_shannon, club])
def test_a_gradient_is_that_of_the_value(estimator):
    assert torch.autograd.gradcheck(estimator, scores().requires_grad_())


# A discrete joint distribution

COUNTS = np.array([[4, 1, 1], [1, 2, 3]])
"""p(x, y) in twelfths."""

P = COUNTS / COUNTS.sum()
PRODUCT = P.sum(1, keepdims=True) * P.sum(0)
LOG_RATIO = np.log(P / PRODUCT)
TRUTH = float((P * LOG_RATIO).sum())


def population(of_cell):
    """A score matrix whose diagonal is distributed exactly as p(x, y) and whose other entries are as p(x) p(y)."""
    twelve = COUNTS.sum()
    k = twelve**2
    f = np.empty((k, k))
    np.fill_diagonal(f, np.repeat(of_cell.ravel(), twelve * COUNTS.ravel()))
    times = np.rint(PRODUCT * k * (k - 1)).astype(int)
    f[~np.eye(k, dtype=bool)] = np.repeat(of_cell.ravel(), times.ravel())
    return torch.from_numpy(f)


def test_the_exact_critic_reads_the_truth():
    assert nwj(population(1 + LOG_RATIO)).item() == pytest.approx(TRUTH, abs=1e-12)
    for constant in (0, 1, -7):
        f = population(LOG_RATIO + constant)
        assert donsker_varadhan(f).item() == pytest.approx(TRUTH, abs=1e-12)
        assert mine(f)[0].item() == pytest.approx(TRUTH, abs=1e-12)
    assert smile(population(LOG_RATIO)).item() == pytest.approx(TRUTH, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_any_other_critic_reads_less_in_the_lower_bounds(seed):
    other = LOG_RATIO + 0.5 * np.random.default_rng(seed).standard_normal(LOG_RATIO.shape)
    assert nwj(population(1 + other)) < donsker_varadhan(population(other)) < TRUTH


def test_the_exact_critic_is_stationary_for_the_jensen_shannon_objective_and_smile():
    """d/df of a cell is p (1 - sigmoid f) - p(x) p(y) sigmoid f, which vanishes at the log ratio."""
    f = population(LOG_RATIO)
    for estimator in (jensen_shannon, smile):
        slopes = gradient(estimator, f)
        for value in LOG_RATIO.ravel():
            assert slopes[f == value].sum().abs() < 1e-12


def test_the_jensen_shannon_objective_at_its_maximum_is_twice_the_divergence_less_log_4():
    middle = (P + PRODUCT) / 2
    divergence = ((P * np.log(P / middle)).sum() + (PRODUCT * np.log(PRODUCT / middle)).sum()) / 2
    assert jensen_shannon(population(LOG_RATIO)).item() == pytest.approx(2 * divergence - log(4), abs=1e-12)


@pytest.mark.parametrize("k", [2, 3])
def test_info_nce_expects_less_than_the_truth_and_less_than_log_k(k):
    """Over all batches of k pairs, each with its probability."""
    expected = 0.0
    for batch in np.stack(np.meshgrid(*[range(6)] * k), -1).reshape(-1, k):
        x, y = np.unravel_index(batch, P.shape)
        reading = info_nce(torch.from_numpy(LOG_RATIO[np.ix_(x, y)])).item()
        assert reading < log(k)
        expected += P[x, y].prod() * reading
    assert 0 < expected < TRUTH


def test_info_nce_of_a_perfect_critic_is_log_k():
    assert info_nce(100 * torch.eye(8)).item() == pytest.approx(log(8), abs=1e-6)


def test_club_with_the_true_conditional_is_no_less_than_the_truth():
    """It is I(X; Y) plus the same divergence the other way round."""
    conditional = np.log(P / P.sum(1, keepdims=True))
    reverse = -(PRODUCT * LOG_RATIO).sum()
    assert club(population(conditional)).item() == pytest.approx(TRUTH + reverse, abs=1e-12)
    assert reverse > 0


def test_clubs_printed_double_sum_is_smaller_by_one_part_in_k():
    f = scores(5)
    assert (f.diagonal().mean() - f.mean()).item() == pytest.approx(club(f).item() * (1 - 1 / 5))


# SMILE and MINE


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_smile_without_a_clip_is_donsker_varadhan(scale):
    f = scores(scale=scale)
    assert smile(f, clip=inf).item() == pytest.approx(donsker_varadhan(f).item(), abs=1e-12)


def test_smile_has_the_gradient_of_the_jensen_shannon_objective():
    f = scores(scale=10)
    torch.testing.assert_close(gradient(smile, f), gradient(jensen_shannon, f))


def test_mine_on_its_first_batch_is_donsker_varadhan_with_its_gradient():
    f = scores()
    assert mine(f)[0].item() == pytest.approx(donsker_varadhan(f).item(), abs=1e-12)
    torch.testing.assert_close(gradient(lambda f: mine(f)[0], f), gradient(donsker_varadhan, f))


def test_mine_divides_its_gradient_by_the_moving_average_and_keeps_its_value():
    first, second = scores(seed=0), scores(seed=1)
    _, log_average = mine(first)
    value, moved = mine(second, log_average, rate=0.1)
    batch = [mean([exp(score) for score in joint_and_cross(f.tolist())[1]]) for f in (first, second)]
    average = 0.9 * batch[0] + 0.1 * batch[1]
    assert moved.exp().item() == pytest.approx(average)
    assert value.item() == pytest.approx(donsker_varadhan(second).item())
    k = len(second)
    slopes = torch.eye(k) / k - (1 - torch.eye(k)) * second.exp() / (k * (k - 1)) / average
    torch.testing.assert_close(gradient(lambda f: mine(f, log_average, rate=0.1)[0], second), slopes)


# KSG


def gaussians(rho, n=2000, width=1, seed=0):
    x, noise = np.random.default_rng(seed).standard_normal((2, n, width))
    return x, rho * x + (1 - rho**2) ** 0.5 * noise


def ksg_by_hand(x, y, k):
    """I^(1) of Kraskov et al. with the whole distance matrices."""
    from scipy.special import digamma

    d_x, d_y = (np.abs(side[:, None] - side).max(-1) for side in (x, y))
    total, n = 0.0, len(x)
    for i in range(n):
        radius = np.sort(np.maximum(d_x[i], d_y[i]))[k]
        n_x, n_y = ((d[i] < radius).sum() - 1 for d in (d_x, d_y))
        total += digamma(n_x + 1) + digamma(n_y + 1)
    return digamma(k) + digamma(n) - total / n


@pytest.mark.parametrize("k", [1, 3])
def test_ksg_is_the_double_loop_of_its_formula(k):
    x, y = gaussians(0.7, n=100)
    unit = [(side - side.mean(0)) / side.std(0) for side in (x, y)]
    assert ksg(x, y, k) == pytest.approx(ksg_by_hand(*unit, k), abs=1e-12)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9, -0.9])
def test_ksg_reads_the_information_of_correlated_gaussians(rho):
    readings = [ksg(*gaussians(rho, seed=seed)) for seed in range(4)]
    assert np.mean(readings) == pytest.approx(-0.5 * log(1 - rho**2), abs=0.02)


def test_ksg_of_independent_wide_rows_is_near_zero():
    assert ksg(*gaussians(0.0, width=16)) == pytest.approx(0, abs=0.05)


def test_ksg_finds_what_two_loud_axes_share_among_faint_noise():
    x, y = gaussians(0.8, width=2)
    faint = 0.01 * np.random.default_rng(9).standard_normal((2, 2000, 2))
    mixed = [np.hstack([side, side[:, :1] + side[:, 1:] + more]) for side, more in zip((x, y), faint, strict=True)]
    assert ksg(*mixed, components=2) == pytest.approx(-log(1 - 0.8**2), abs=0.1)


def test_ksg_is_deterministic_and_survives_ties_and_silent_features():
    x, y = gaussians(0.9, n=500)
    x, y = np.hstack([x.round(), np.ones_like(x)]), y.round()
    assert ksg(x, y) == ksg(x, y)
    assert np.isfinite(ksg(x, y))


# Refusals


@pytest.mark.parametrize("estimator", OF_SCORES)
@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (0, 0)])
def test_scores_that_are_no_square_of_pairs_are_refused(estimator, shape):
    name = "log_likelihoods" if estimator is club else "scores"
    with pytest.raises(ValueError, match=f"{name}: shape"):
        estimator(torch.zeros(shape))


@pytest.mark.parametrize("clip", [0.0, -1.0])
def test_smile_refuses_a_clip_that_is_not_positive(clip):
    with pytest.raises(ValueError, match="clip"):
        smile(scores(), clip=clip)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_mine_refuses_a_rate_that_is_no_share(rate):
    with pytest.raises(ValueError, match="rate"):
        mine(scores(), rate=rate)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"k": 0}, "k: 0"),
        ({"k": 20}, "k: 20"),
        ({"components": 0}, "components: 0"),
        ({"y": np.zeros((19, 1))}, "y: 19 rows"),
        ({"x": np.ones((20, 3))}, "x: every row is the same"),
    ],
)
def test_ksg_names_what_it_refuses(changed, named):
    x, y = gaussians(0.5, n=20)
    with pytest.raises(ValueError, match=named):
        ksg(**{"x": x, "y": y, **changed})
