"""`estimate`: a lower bound of the mutual information of any pairs."""

from __future__ import annotations

from math import inf, log2

import numpy as np
import pytest

import mi_ray

FAST = {"critics": 2, "k_fit": 64, "steps": 150, "hidden": 64, "out": 16}


def gaussian(n: int, correlation: float, width: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Pairs whose coordinates correlate one by one, and their mutual information in bits."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, width))
    y = correlation * x + np.sqrt(1 - correlation**2) * rng.normal(size=x.shape)
    return x, y, -width / 2 * log2(1 - correlation**2)


@pytest.mark.parametrize(("correlation", "width"), [(0.9, 1), (0.9, 2)])
def test_the_lower_end_is_below_the_truth_and_near_it(correlation, width):
    x, y, truth = gaussian(4000, correlation, width)
    found = mi_ray.estimate(x, y, **FAST)
    assert 0.75 * truth < found.lower_bits <= truth and found.upper_bits == inf
    assert not found.certified and found.reasons == ("the truth has no known upper bound without classes",)
    assert "nominal" not in found.readings and "nominal_bits" not in found.to_dict()
    assert repr(found).startswith(f"MIEstimate: at least {found.lower_bits:.2f} bits with 95% confidence")
    assert found.to_dict()["upper_bits"] is None


def test_sides_of_other_widths_and_scales_and_of_numbers_alone_are_paired():
    x, y, truth = gaussian(3000, 0.95, 1)
    wide = np.concatenate([1e3 * y, np.random.default_rng(1).normal(size=(3000, 3))], axis=1)
    assert mi_ray.estimate(x[:, 0].tolist(), wide, **FAST).lower_bits > 0.6 * truth


def test_independent_sides_share_nothing():
    x, _, _ = gaussian(3000, 0.9, 2)
    y = np.random.default_rng(5).normal(size=(3000, 2))
    assert mi_ray.estimate(x, y, **FAST).lower_bits < 0.05


def test_few_pairs_cannot_show_much():
    """A copy shares infinitely much; 40 test pairs show log2(40) bits at most."""
    x, _, _ = gaussian(200, 0.9, 4)
    found = mi_ray.estimate(x, x, **FAST)
    assert 2 < found.lower_bits < log2(40) and found.k_est == found.rows["test"] == 40


def test_pairs_of_a_group_stay_together_and_count_once():
    """Five copies of each pair, told as groups, are no more certain than the pairs alone."""
    x, y, truth = gaussian(800, 0.9, 1)
    groups = np.tile(np.arange(800), 5)
    found = mi_ray.estimate(np.tile(x, (5, 1)), np.tile(y, (5, 1)), groups=groups, **FAST)
    assert all(len(set(found.split[groups == group])) == 1 for group in range(0, 800, 50))
    alone = mi_ray.estimate(x, y, **FAST)
    errors = [each.readings["nwj"].standard_error_bits for each in (found, alone)]
    assert found.lower_bits <= truth and errors[0] > 0.6 * errors[1]


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.ones((9, 2)), np.ones((8, 2)), "y: 8 rows are not allowed; allowed: 9, one for each row of x"),
        (np.ones((5, 2)), np.ones((5, 2)), "groups: 5 independent pairs or groups are too few"),
        (np.ones((9, 2)), [np.nan] * 9, "y: 9 of 9 rows hold NaN or infinity"),
    ],
)
def test_what_makes_no_pairs_is_refused(x, y, message):
    with pytest.raises(ValueError) as refused:
        mi_ray.estimate(x, y)
    assert message in str(refused.value)


def test_a_split_with_one_pair_is_refused():
    x, y, _ = gaussian(30, 0.9, 1)
    split = ["train"] * 20 + ["validation"] * 9 + ["test"]
    with pytest.raises(ValueError, match="split: 1 independent pair in test is not allowed; allowed: 2 in each split"):
        mi_ray.estimate(x, y, split=split)
