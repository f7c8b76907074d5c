"""RankMe is the published formula, and differs from the effective rank by its centring and its epsilon alone."""

import numpy as np
import pytest

from mi_ray.compute.probes.rank_me import EPSILON, rank_me
from mi_ray.theory.learned import spectrum

RNG = np.random.default_rng(0)


def by_the_formula(h):
    """Garrido et al. (2023), Eq. 1-2, from a singular value decomposition."""
    sigma = np.linalg.svd(h, compute_uv=False)
    p = sigma / np.abs(sigma).sum() + 1e-7
    return np.exp(-(p * np.log(p)).sum())


@pytest.mark.parametrize(
    "h",
    [
        RNG.standard_normal((200, 16)),
        RNG.standard_normal((12, 40)),
        RNG.standard_normal((300, 5)) @ RNG.standard_normal((5, 64)),
        3 + RNG.standard_normal((100, 8)) * np.logspace(0, -6, 8),
    ],
    ids=["full", "fewer rows than columns", "five of 64 dimensions", "shifted and decaying"],
)
def test_it_is_the_formula(h):
    assert rank_me(h) == pytest.approx(by_the_formula(h), rel=2e-3)
    assert rank_me(h.astype(np.float32)) == pytest.approx(by_the_formula(h), rel=2e-3)


def test_orthogonal_rows_of_one_length_span_all_dimensions():
    assert rank_me(np.eye(16)) == pytest.approx(16, rel=1e-4)
    assert rank_me(np.eye(16)[:4]) == pytest.approx(4, rel=1e-4)


def test_the_epsilon_counts_where_dimensions_are_unused():
    line = RNG.standard_normal((64, 1)) * RNG.standard_normal((1, 1000))
    unused = np.exp(-63 * EPSILON * np.log(EPSILON))
    assert rank_me(line) == pytest.approx(unused, rel=1e-4) and rank_me(line) > 1 + 5e-5


def test_without_a_mean_it_is_the_effective_rank():
    h = RNG.standard_normal((500, 12)) * np.linspace(1, 4, 12)
    centred = h - h.mean(0)
    assert rank_me(centred) == pytest.approx(spectrum(centred).effective_rank, rel=1e-4)


def test_a_shift_lowers_it_and_leaves_the_effective_rank_as_it_is():
    h = RNG.standard_normal((500, 12))
    assert rank_me(h + 20) < rank_me(h) / 2
    assert spectrum(h + 20).effective_rank == pytest.approx(spectrum(h).effective_rank)


def test_it_knows_no_scale_and_nothing_has_no_rank():
    h = RNG.standard_normal((50, 6))
    assert rank_me(1e-6 * h) == pytest.approx(rank_me(h)) and rank_me(np.zeros((5, 3))) == 0
