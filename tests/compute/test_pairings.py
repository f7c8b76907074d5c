"""Couples of images (Sec. III-A, Fig. 1): their classes, their independence and their dial of true information."""

import numpy as np
import pytest
from scipy.stats import chisquare

from mi_ray.compute.pairings import WithinClass, WithItself

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
