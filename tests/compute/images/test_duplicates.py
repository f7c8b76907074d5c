"""Copies of images: recognised in any number, distinguished from images with equal embeddings, counted once."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from mi_ray.compute.estimation.samples import Origin, Sample, flattened, shared
from mi_ray.compute.images.duplicates import distinct_rows, identities_of_pixels, identities_of_rows, merged_sources
from mi_ray.compute.pairs.couples import Among, TwoViews, WithinClass, among
from mi_ray.theory.channel import LabelChannel
from tests.compute.estimation.class_codes import SMALL, Problem, asked

CHANNEL = LabelChannel.uniform(4)


def pixels(n, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 3, 8, 8), dtype=np.uint8)


# Identities


def test_images_are_one_if_and_only_if_their_pixels_are():
    images = np.concatenate([pixels(50), pixels(50)[::-1], pixels(50, seed=1)])
    images[0, 2, 7, 7] ^= 1
    ids = identities_of_pixels(images)
    same = (images[:, None] == images).all((2, 3, 4))
    np.testing.assert_array_equal(ids[:, None] == ids, same)
    assert same.sum() == 150 + 2 * 49


def test_an_image_is_the_same_one_in_every_memory_layout():
    images = pixels(10)
    turned = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(identities_of_pixels(turned), identities_of_pixels(images))


def test_of_embeddings_alone_equal_rows_are_one():
    h = np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 2.5]], np.float32)
    one, two, three = identities_of_rows(h)
    assert one == two != three


def test_the_first_of_each_image_is_kept_and_of_each_class_that_it_is_filed_under():
    ids = np.array([7, 7, 5, 7, 5, 9])
    assert distinct_rows(ids).tolist() == [0, 2, 5]
    assert distinct_rows(ids, np.array([0, 0, 1, 1, 1, 1])).tolist() == [0, 2, 3, 5]


def test_sources_that_share_an_image_are_one_also_by_way_of_others():
    sources, ids = np.array([30, 10, 20, 40, 10]), np.array([1, 1, 2, 3, 2])
    assert merged_sources(sources, ids).tolist() == [10, 10, 10, 40, 10]


def test_without_copies_sources_stay_as_they_are():
    sources = np.random.default_rng(0).integers(20, size=100)
    np.testing.assert_array_equal(merged_sources(sources, np.arange(100)), sources)


# Couples


def test_couples_among_all_images_are_the_couples():
    couple = WithinClass(np.arange(10) % 2, 2)
    assert among(couple, np.arange(10), 10) is couple


def test_couples_among_some_pair_these_alone_each_as_often():
    rows = np.array([1, 4, 5, 8, 9])
    labels = np.array([0, 1, 0, 1, 1])
    x, y = Among(WithinClass(labels, 2), rows)(20_000, np.random.default_rng(0))
    assert set(x) == set(y) == set(rows)
    assert np.bincount(x, minlength=10)[[4, 8, 9]] == pytest.approx(20_000 / 6, rel=0.1)


# Which images are shared


def origin(ids, first=0, names=()):
    return Origin(identities=np.array(ids), sources=first + np.arange(len(ids)), names=names)


@pytest.mark.parametrize("here", [1, 2, 3, 20])
@pytest.mark.parametrize("there", [1, 2, 20])
def test_copies_are_found_whatever_their_number_on_either_side(here, there):
    test, train = origin([1, 2, *[7] * here]), origin([*[7] * there, 4, 5], first=1000)
    assert shared(test, train) == tuple(f"image {2 + copy} = image 0" for copy in range(here))
    assert shared(origin([1, 2]), train) == ()


def test_copies_are_called_by_the_names_of_both_files():
    test, train = origin([1, 7], names=("a.png", "b.png")), origin([7, 7], 10, ("c.png", "d.png"))
    assert shared(test, train) == ("b.png = c.png",)


def test_images_of_a_source_found_there_are_shared_without_a_twin():
    assert shared(origin([1, 2], first=5, names=("a", "b")), origin([3, 4], first=6)) == ("b",)


# Estimates


def copied(sample, times, rows=slice(None)):
    """``times`` more of some rows, in files of their own."""
    kept = [np.concatenate([of, *[of[rows]] * times]) for of in (sample.h, sample.labels, sample.origin.identities)]
    h, labels, ids = kept
    sources = sample.origin.sources[0] + np.arange(len(h))
    couple = among(WithinClass(labels[distinct_rows(ids, labels)], 4), distinct_rows(ids, labels), len(h))
    return Sample(h, labels, Origin(identities=ids, sources=sources), couple)


@lru_cache
def honest():
    samples = Problem(classes=4).samples(0)
    return samples, asked(samples, CHANNEL)


@pytest.mark.parametrize("times", [1, 2, 20])
def test_test_images_that_are_copies_of_train_images_certify_nothing(times):
    samples, found = honest()
    assert found.certified
    train, test = samples["train"], samples["test"]
    h, labels, ids = (
        np.concatenate([of, [seen] * times])
        for of, seen in (
            (test.h, train.h[3]),
            (test.labels, train.labels[3]),
            (test.origin.identities, train.origin.identities[3]),
        )
    )
    origin = Origin(identities=ids, sources=test.origin.sources[0] + np.arange(len(h)))
    leaked = copied(Sample(h, labels, origin, test.couple), 0)
    spoiled = asked(samples | {"test": leaked}, CHANNEL)
    assert not spoiled.certified
    assert any(f"{times} in train (image 1024 = image 3" in reason for reason in spoiled.reasons), spoiled.reasons


def test_copies_within_a_split_move_no_reading_and_no_standard_error():
    samples, found = honest()
    again = asked(samples | {"test": copied(samples["test"], 3)}, CHANNEL)
    assert again.readings == found.readings
    assert again.certified


def test_an_encoder_that_maps_different_images_to_one_point_is_not_accused():
    """Class centres, of pixels of which no two are equal."""
    samples, collapsed = honest()[0], {}
    for number, (split, sample) in enumerate(samples.items()):
        h = np.eye(32, dtype=np.float32)[sample.labels]
        ids = 10**6 * number + np.arange(len(h))
        collapsed[split] = replace(sample, h=h, origin=replace(sample.origin, identities=ids))
    found = asked(collapsed, CHANNEL)
    assert found.certified, found.reasons


def test_pairs_of_an_image_and_its_own_copy_certify_nothing():
    samples, _ = honest()
    test = copied(samples["test"], 20, slice(0, 40))
    careless = replace(test, couple=WithinClass(test.labels, 4))
    found = asked(samples | {"test": careless}, CHANNEL)
    assert any("of the pairs are an image and its own copy" in reason for reason in found.reasons)


def test_validation_images_that_were_fitted_are_noted_and_forbid_nothing():
    samples, found = honest()
    assert "choices were made" not in found.note
    seen = asked(samples | {"validation": samples["train"]}, CHANNEL, settings=replace(SMALL, steps=20))
    assert "1024 of validation are in train (image 0 = image 0, " in seen.note
    assert not any("untouched" in reason for reason in seen.reasons)


def test_copies_of_an_image_are_one_image_to_views():
    h, ids = np.arange(24, dtype=np.float32).reshape(4, 3, 2), np.array([5, 6, 5, 7])
    sample = flattened(h, Origin(identities=ids, sources=np.arange(4), names=tuple("abcd")))
    assert sample.labels.tolist() == [0] * 3 + [1] * 3 + [0] * 3 + [3] * 3
    assert isinstance(sample.couple, Among) and sample.couple.couple == TwoViews(3, 3)
    x, y = sample.couple(1000, np.random.default_rng(0))
    assert set(x // 3) == {0, 1, 3} and (x // 3 == y // 3).all()
    assert sample.origin.independent.tolist() == [0] * 3 + [1] * 3 + [0] * 3 + [3] * 3
