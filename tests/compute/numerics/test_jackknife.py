"""How many independent images some pairs are worth."""

import numpy as np
import pytest

from mi_ray.compute.numerics.jackknife import units

IMAGES, PER_SOURCE = 800, 8


def worth(values_of_image, *, pairs=4000):
    """Units of pairs whose values are the mean of their two images'; images of a source stand together."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(IMAGES, size=(2, pairs))
    x[:IMAGES], y[:IMAGES] = np.arange(IMAGES), rng.permutation(IMAGES)
    return units((values_of_image[x] + values_of_image[y]) / 2, x, y, np.arange(IMAGES) // PER_SOURCE)


def test_images_that_are_all_different_count_each():
    assert worth(np.random.default_rng(1).standard_normal(IMAGES)) > 0.8 * IMAGES


def test_images_that_are_like_their_source_count_as_one():
    of_source = np.random.default_rng(2).standard_normal(IMAGES // PER_SOURCE)
    assert worth(np.repeat(of_source, PER_SOURCE)) == pytest.approx(IMAGES / PER_SOURCE, rel=0.2)


def test_between_the_two_counts_what_sources_share():
    rng = np.random.default_rng(3)
    shared = np.repeat(rng.standard_normal(IMAGES // PER_SOURCE), PER_SOURCE)
    assert IMAGES / PER_SOURCE < worth(shared + rng.standard_normal(IMAGES)) < IMAGES / 2


def test_values_that_never_vary_prove_nothing_beyond_their_sources():
    assert worth(np.ones(IMAGES)) == IMAGES / PER_SOURCE
