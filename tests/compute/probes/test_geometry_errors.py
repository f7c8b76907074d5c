"""Standard errors of geometry: the jackknife over sources and the spread over fresh ones; geometry of views."""

import numpy as np
import pytest

from mi_ray.compute.probes.geometry import Sampling, alignment, of_views, tolerance, uniformity
from tests.compute.probes.test_geometry import (
    PRIORS,
    REDRAWS,
    alignment_by_hand,
    embeddings,
    same_class,
    tolerance_by_hand,
    uniformity_by_hand,
)

# Standard errors


def by_leaving_one_out(measure, h, labels, sources):
    """The jackknife, with everything computed anew without each source."""
    kept = [sources != source for source in np.unique(sources)]
    without = np.array([measure(h[rows], labels[rows]) for rows in kept])
    return (((without - without.mean()) ** 2).sum() * (len(kept) - 1) / len(kept)) ** 0.5


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
def test_standard_errors_leave_out_one_source_at_a_time(prior, seed):
    """Of rows whose sources span classes; a class that is left with one row has no pair and is left out."""
    h, labels, sources = embeddings(seed=seed)
    for redraw in REDRAWS:
        sampling = Sampling(labels=labels, prior=prior, redraw=redraw)
        expected = by_leaving_one_out(
            lambda h, of, redraw=redraw: tolerance_by_hand(h, of, prior, redraw), h, labels, sources
        )
        assert tolerance(h, sampling, sources).standard_error == pytest.approx(expected, rel=1e-9)
    expected = by_leaving_one_out(lambda h, of: uniformity_by_hand(h, of, prior), h, labels, sources)
    assert uniformity(h, sources, sampling).standard_error == pytest.approx(expected, rel=1e-9)


def test_a_class_of_one_source_is_left_out_with_it():
    h, _, _ = embeddings(n=12)
    labels, sources = np.array([0] * 5 + [1] * 5 + [2] * 2), np.array([*range(10), 10, 10])
    sampling = Sampling(labels=labels, prior=PRIORS["declared"], redraw=0.4)
    for measure, by_hand in (
        (tolerance(h, sampling, sources), lambda h, of: tolerance_by_hand(h, of, PRIORS["declared"], 0.4)),
        (uniformity(h, sources, sampling), lambda h, of: uniformity_by_hand(h, of, PRIORS["declared"])),
    ):
        expected = by_leaving_one_out(by_hand, h, labels, sources)
        assert measure.standard_error == pytest.approx(expected, rel=1e-9)


def test_the_error_of_alignment_leaves_out_one_source_at_a_time():
    """Of pairs within equally large sources, where the first-order jackknife is exact up to g / (g - 1)."""
    sources = np.arange(32) // 4
    rng = np.random.default_rng(0)
    h = (1 + sources[:, None] * rng.standard_normal((32, 5)) / 8).astype(np.float32)
    pairs = np.arange(32).reshape(-1, 2)

    def of_rows(h, chosen):
        return alignment_by_hand(h, *np.arange(len(h)).reshape(-1, 2).T)

    expected = by_leaving_one_out(of_rows, h, sources, sources) * (7 / 8) ** 0.5
    assert alignment(h, *pairs.T, sources).standard_error == pytest.approx(expected, rel=1e-4)


def fresh(seed, *, stratified=False):
    """Rows of 120 sources, two near each other, of three unlike classes, unevenly many: h, labels, sources."""
    rng = np.random.default_rng(seed)
    of_source = np.repeat(range(3), (60, 40, 20)) if stratified else rng.choice(3, size=120, p=[0.5, 0.33, 0.17])
    spread = np.array([0.3, 0.7, 1.2])[of_source, None]
    centre = np.array([[1.0, 0, 0], [0.6, 0.8, 0], [0, 0.6, 0.8]])[of_source] + spread * rng.standard_normal((120, 3))
    sources = np.arange(240) // 2
    return centre[sources] + 0.2 * rng.standard_normal((240, 3)), of_source[sources], sources


@pytest.mark.parametrize(
    ("prior", "stratified"), [("uniform", False), ("uniform", True), ("empirical", False), ("declared", False)]
)
def test_the_standard_error_of_same_class_measures_is_the_spread_over_fresh_sources(prior, stratified):
    found = []
    for seed in range(200):
        h, labels, sources = fresh(seed, stratified=stratified)
        samplings = [Sampling(labels=labels, prior=PRIORS[prior], redraw=redraw) for redraw in REDRAWS]
        found.append([uniformity(h, sources, samplings[0]), *(tolerance(h, of, sources) for of in samplings)])
    for which, name in enumerate(("uniformity", *REDRAWS)):
        values, errors = ([getattr(of[which], part) for of in found] for part in ("value", "standard_error"))
        assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.2), name


def test_the_standard_error_over_given_pairs_is_the_spread_over_fresh_sources():
    found = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        sources, labels = np.arange(160) // 4, np.arange(160) // 4 % 2
        h = rng.standard_normal((40, 3))[sources] + 0.3 * rng.standard_normal((160, 3)) + 1.0
        found.append(alignment(h, *same_class(labels), sources))
    spread = np.std([measure.value for measure in found], ddof=1)
    assert np.mean([measure.standard_error for measure in found]) == pytest.approx(spread, rel=0.2)


# Views


def viewed(n=20, m=4, width=5):
    """h of m views of each of n images, and sources of several images."""
    rng = np.random.default_rng(3)
    h = rng.standard_normal((n, 1, width)) + 0.5 * rng.standard_normal((n, m, width)) * rng.uniform(0.1, 10, (n, m, 1))
    return h.astype(np.float32), np.sort(rng.integers(n // 2, size=n))


@pytest.mark.parametrize("m", [2, 3, 5])
def test_views_are_aligned_as_all_pairs_of_an_images_views_are(m):
    h, sources = viewed(m=m)
    v, w = np.triu_indices(m, 1)
    x, y = ((np.arange(len(h))[:, None] * m + of).ravel() for of in (v, w))
    flat = h.reshape(-1, 5)
    found = of_views(h, sources).alignment
    assert found.value == pytest.approx(alignment_by_hand(flat, x, y), abs=1e-6)
    assert found.value == pytest.approx(alignment(flat, x, y, np.repeat(sources, m)).value, abs=1e-6)


def test_the_error_of_alignment_of_views_leaves_out_one_source_at_a_time():
    """Of equally large sources, where the first-order jackknife is exact up to g / (g - 1)."""
    h, _ = viewed(n=32)
    sources = np.arange(32) // 4

    def of_images(h, _):
        return of_views(h, np.arange(len(h))).alignment.value

    expected = by_leaving_one_out(of_images, h, sources, sources) * (7 / 8) ** 0.5
    assert of_views(h, sources).alignment.standard_error == pytest.approx(expected, rel=1e-5)


def test_uniformity_of_views_is_that_of_one_view_of_each_image():
    h, sources = viewed()
    assert of_views(h, sources).uniformity == uniformity(h[:, 0], sources)


def test_equal_views_are_perfectly_aligned_and_opposite_ones_as_far_apart_as_can_be():
    h, sources = viewed(m=1)
    assert of_views(np.concatenate([h, 3 * h], axis=1), sources).alignment.value == pytest.approx(0, abs=1e-6)
    assert of_views(np.concatenate([h, -h], axis=1), sources).alignment.value == pytest.approx(4, abs=1e-6)
    with pytest.raises(ValueError, match="h: 1 view of each image forms no pair"):
        of_views(h, sources)
