"""Couples of images (Sec. III-A, Fig. 1): their classes, their independence and their dial of true information."""

import numpy as np
import pytest
from scipy.stats import chisquare

from mi_ray.compute.pairs.couples import WithinClass, WithItself

CLASSES = 4
LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(CLASSES), [2, 5, 20, 73]))


def rng(seed=0):
    return np.random.default_rng(seed)


def test_a_couple_is_two_distinct_images_of_one_class():
    x, y = WithinClass(LABELS, CLASSES)(20_000, rng())
    assert (x != y).all()
    np.testing.assert_array_equal(LABELS[x], LABELS[y])


def test_every_ordered_couple_of_a_class_is_equally_likely():
    x, y = WithinClass(np.zeros(4, dtype=np.int64), 1)(24_000, rng())
    counts = np.bincount(4 * x + y, minlength=16).reshape(4, 4)
    assert (counts.diagonal() == 0).all()
    assert chisquare(counts[~np.eye(4, dtype=bool)]).pvalue > 0.001


def test_classes_are_uniform_however_many_images_they_have():
    x, _ = WithinClass(LABELS, CLASSES)(20_000, rng())
    assert chisquare(np.bincount(LABELS[x], minlength=CLASSES)).pvalue > 0.001


def test_classes_within_a_batch_are_iid_and_not_balanced():
    couple, batches, k = WithinClass(LABELS, CLASSES), 4000, 16
    counts = np.array([(LABELS[couple(k, rng(batch))[0]] == 0).sum() for batch in range(batches)])
    binomial = k / CLASSES * (1 - 1 / CLASSES)
    assert counts.mean() == pytest.approx(k / CLASSES, abs=4 * np.sqrt(binomial / batches))
    assert counts.var() == pytest.approx(binomial, rel=4 * np.sqrt(2 / batches))


def test_classes_of_successive_pairs_are_independent():
    x, _ = WithinClass(LABELS, CLASSES)(40_000, rng())
    successive = LABELS[x].reshape(-1, 2) @ [CLASSES, 1]
    assert chisquare(np.bincount(successive, minlength=CLASSES**2)).pvalue > 0.001


@pytest.mark.parametrize("redraw", [0.0, 0.3, 1.0])
def test_redraw_sets_how_often_the_classes_agree(redraw):
    n = 40_000
    x, y = WithinClass(LABELS, CLASSES, redraw=redraw)(n, rng())
    expected = 1 - redraw + redraw / CLASSES
    agreement = (LABELS[x] == LABELS[y]).mean()
    assert agreement == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / n))
    assert (x != y).all()


def test_redrawn_couples_follow_the_joint_table_of_the_label_channel():
    n, redraw = 40_000, 0.5
    x, y = WithinClass(LABELS, CLASSES, redraw=redraw)(n, rng())
    joint = (np.eye(CLASSES) * (1 - redraw) + redraw / CLASSES) / CLASSES
    assert chisquare(np.bincount(CLASSES * LABELS[x] + LABELS[y]), n * joint.ravel()).pvalue > 0.001


PRIOR = np.array([0.5, 0.3, 0.15, 0.05])


def test_the_classes_of_both_sides_follow_the_prior_however_many_images_they_have():
    n = 20_000
    x, y = WithinClass(LABELS, CLASSES, prior=PRIOR)(n, rng())
    assert chisquare(np.bincount(LABELS[x], minlength=CLASSES), n * PRIOR).pvalue > 0.001
    np.testing.assert_array_equal(LABELS[x], LABELS[y])
    assert (x != y).all()


def test_under_the_empirical_prior_every_image_is_equally_likely():
    n = 40_000
    empirical = np.bincount(LABELS) / len(LABELS)
    x, y = WithinClass(LABELS, CLASSES, prior=empirical)(n, rng())
    for side in (x, y):
        assert chisquare(np.bincount(side, minlength=len(LABELS))).pvalue > 0.001


@pytest.mark.parametrize("redraw", [0.3, 1.0])
def test_couples_redrawn_from_a_prior_follow_the_joint_table_of_the_label_channel(redraw):
    n = 40_000
    x, y = WithinClass(LABELS, CLASSES, redraw=redraw, prior=PRIOR)(n, rng())
    joint = (1 - redraw) * np.diag(PRIOR) + redraw * np.outer(PRIOR, PRIOR)
    assert chisquare(np.bincount(CLASSES * LABELS[x] + LABELS[y], minlength=16), n * joint.ravel()).pvalue > 0.001
    assert (x != y).all()


def test_classes_drawn_from_a_prior_are_iid_within_a_batch():
    couple, batches, k = WithinClass(LABELS, CLASSES, prior=PRIOR), 4000, 16
    counts = np.array([(LABELS[couple(k, rng(batch))[0]] == 0).sum() for batch in range(batches)])
    assert counts.var() == pytest.approx(k / 4, rel=4 * np.sqrt(2 / batches))


@pytest.mark.parametrize("images", [0, 1])
def test_a_class_that_cannot_be_drawn_may_lack_images(images):
    labels = np.array([0, 0, 1, 1] + [2] * images)
    x, y = WithinClass(labels, 3, redraw=0.5, prior=np.array([0.5, 0.5, 0.0]))(1000, rng())
    assert set(labels[x]) == set(labels[y]) == {0, 1}


def test_a_class_that_can_be_drawn_may_not():
    labels, prior = np.array([0, 0, 2, 2, 3]), np.array([0.5, 0.0, 0.4, 0.1])
    with pytest.raises(ValueError, match="class 3 has 1 images"):
        WithinClass(labels, 4, prior=prior)


def test_couples_are_a_function_of_the_generator():
    couple = WithinClass(LABELS, CLASSES, redraw=0.2)
    np.testing.assert_array_equal(couple(64, rng(3)), couple(64, rng(3)))
    assert not np.array_equal(couple(64, rng(3)), couple(64, rng(4)))


@pytest.mark.parametrize("images", [0, 1])
def test_a_class_with_fewer_than_two_images_is_refused_by_name(images):
    labels = np.array([0, 0, 1, 1] + [2] * images)
    with pytest.raises(ValueError, match=f"class 2 has {images} images"):
        WithinClass(labels, 3)


def test_augmentation_couples_an_image_with_itself_uniformly():
    x, y = WithItself(10)(20_000, rng())
    np.testing.assert_array_equal(x, y)
    assert chisquare(np.bincount(x, minlength=10)).pvalue > 0.001
