"""Standard errors over reused source images against the spread that simulation shows."""

import numpy as np
import pytest

from mi_ray.compute.numerics.uncertainty import clustered_standard_error, paired_standard_error

DRAWS = 400


def naive(values):
    return values.std() / len(values) ** 0.5


def simulate(draw, estimate):
    """Over DRAWS draws of (values, *sources): the true spread of the mean, and the root mean square of two errors."""
    means, known, unknown = [], [], []
    for seed in range(DRAWS):
        values, *sources = draw(np.random.default_rng(seed))
        means.append(values.mean())
        known.append(estimate(values, *sources) ** 2)
        unknown.append(naive(values) ** 2)
    return np.std(means), np.mean(known) ** 0.5, np.mean(unknown) ** 0.5


def clustered(rng, *, n=600, sources=60):
    """Values with an effect of their source; sources are reused unevenly."""
    of = np.minimum(rng.geometric(0.05, size=n), sources) - 1
    return rng.standard_normal(sources)[of] + rng.standard_normal(n), of


def couples_that_share(rng, *, n=1000, images=100):
    """Pairs of distinct images; a pair's value has an effect of either image."""
    x = rng.integers(images, size=n)
    y = (x + rng.integers(1, images, size=n)) % images
    effect = rng.standard_normal(images)
    return effect[x] + effect[y] + rng.standard_normal(n), x, y


def couples_with_themselves(rng):
    values, of = clustered(rng)
    return values, of, of


# Independent observations


def test_independent_values_have_the_textbook_error():
    values = np.random.default_rng(0).standard_normal(50)
    own = np.arange(50)
    assert clustered_standard_error(values, own) == pytest.approx(naive(values))
    assert paired_standard_error(values, own, own) == pytest.approx(naive(values))
    assert paired_standard_error(values, own, own + 50) == pytest.approx(naive(values))


def test_equal_values_have_no_error():
    values, of = np.full(20, 3.0), np.arange(20) % 4
    assert clustered_standard_error(values, of) == 0
    assert paired_standard_error(values, of, (of + 1) % 4) == 0


# Against simulation


def test_the_clustered_error_is_the_true_spread_and_the_naive_one_is_too_small():
    spread, known, unknown = simulate(clustered, clustered_standard_error)
    assert known == pytest.approx(spread, rel=0.15)
    assert unknown < 0.5 * spread


def test_the_paired_error_is_the_true_spread_and_the_naive_one_is_too_small():
    spread, known, unknown = simulate(couples_that_share, paired_standard_error)
    assert known == pytest.approx(spread, rel=0.2)
    assert unknown < 0.5 * spread


def test_the_paired_error_of_images_coupled_with_themselves_is_the_true_spread():
    spread, known, unknown = simulate(couples_with_themselves, paired_standard_error)
    assert known == pytest.approx(spread, rel=0.15)
    assert unknown < 0.5 * spread


def test_the_paired_error_of_pairs_without_image_effects_is_the_true_spread():
    def draw(rng):
        _, x, y = couples_that_share(rng, images=1000)
        return rng.standard_normal(1000), x, y

    spread, known, unknown = simulate(draw, paired_standard_error)
    assert known == pytest.approx(spread, rel=0.15)
    assert known == pytest.approx(unknown, rel=0.1)


def test_a_pair_drawn_again_and_again_is_never_taken_for_new_evidence():
    """A pair's own effect is counted for both of its images: at most sqrt(2) too much, and never too little."""

    def draw(rng, images=12, n=1200):
        x = rng.integers(images, size=n)
        y = (x + rng.integers(1, images, size=n)) % images
        effect = rng.standard_normal((images, images))
        return effect[np.minimum(x, y), np.maximum(x, y)], x, y

    spread, known, unknown = simulate(draw, paired_standard_error)
    assert 0.9 * spread < known < 1.1 * 2**0.5 * spread
    assert unknown < 0.5 * spread


# Laws


def test_pairs_of_images_with_themselves_have_the_clustered_error():
    values, of = clustered(np.random.default_rng(0))
    assert paired_standard_error(values, of, of) == pytest.approx(clustered_standard_error(values, of))


def test_names_of_sources_and_sides_of_a_pair_do_not_matter():
    values, x, y = couples_that_share(np.random.default_rng(0))
    error = paired_standard_error(values, x, y)
    assert paired_standard_error(values, y, x) == pytest.approx(error)
    renamed = np.random.default_rng(1).permutation(10_000)[:100]
    assert paired_standard_error(values, renamed[x], renamed[y]) == pytest.approx(error)
    assert clustered_standard_error(values, renamed[x]) == pytest.approx(clustered_standard_error(values, x))


def test_a_copy_of_every_observation_adds_no_certainty():
    values, of = clustered(np.random.default_rng(0))
    error = clustered_standard_error(values, of)
    assert clustered_standard_error(np.tile(values, 4), np.tile(of, 4)) == pytest.approx(error)
    assert naive(np.tile(values, 4)) == pytest.approx(naive(values) / 2)


def test_the_paired_error_is_never_below_the_naive_one():
    """Effects that cancel within a source must not promise more than independent pairs would."""
    values, of = np.tile([1.0, -1.0], 50), np.arange(50).repeat(2)
    assert clustered_standard_error(values, of) == 0
    assert paired_standard_error(values, of, of) == pytest.approx(naive(values))
