"""A refusal names all scarce classes and a remedy, and the remedy suffices."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_ray.compute.images.image_set import SPLITS
from mi_ray.compute.images.splits import (
    LEAST,
    deal,
    lacking_images,
    parts_of,
    refuse_scarce,
    sizes_of,
    sufficient_share,
)


def refusal(parts, held_out=0.1, names=None):
    parts = np.array(parts)
    with pytest.raises(ValueError) as refused:
        refuse_scarce("folder", parts, names or [f"class {i}" for i in range(len(parts))], held_out)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_all_scarce_classes_are_named_with_the_sufficient_share():
    assert refusal([[14, 0, 0], [40, 0, 0], [12, 0, 0]], names=["ant", "bee", "cat"]) == (
        "folder: with held_out 0.1, a split gets fewer than 2 images of ant (train 12, validation 1, test 1),"
        " cat (train 10, validation 1, test 1); allowed: held_out 0.13"
    )


def test_so_many_more_images_are_asked_for_where_no_share_would_do():
    told = refusal([[5, 0, 0], [3, 0, 0], [40, 0, 0]], held_out=0.3, names=["ant", "bee", "cat"])
    assert told.endswith("; allowed: 1 more image of ant, 3 more images of bee")


def test_more_images_and_another_share_are_asked_for_where_neither_alone_would_do():
    told = refusal([[5, 0, 0], [40, 0, 0]], held_out=0.05, names=["ant", "bee"])
    assert told.endswith("; allowed: 1 more image of ant and held_out 0.25")


def test_what_an_official_part_lacks_is_asked_for_by_its_name():
    told = refusal([[20, 2, 1], [20, 0, 2], [1, 2, 2]], names=["ant", "bee", "cat"])
    assert told.endswith(
        "allowed: 1 more image of ant in test, 2 more images of bee in validation, 1 more image of cat in train"
    )


def test_very_many_scarce_classes_are_some_and_a_count():
    told = refusal([[10, 0, 0]] * 300)
    assert len(told) < 2500
    assert "class 49 (train 8, validation 1, test 1) and 250 more; allowed: held_out 0.15" in told


def test_dozens_of_scarce_classes_are_all_named_and_all_that_they_lack():
    names = [f"kind {i:02}" for i in range(40)]
    told, _, remedy = refusal([[4, 0, 0]] * 40, names=names).partition("; allowed: ")
    assert all(f"{name} (train 4, validation 0, test 0)" in told for name in names)
    assert all(f"2 more images of {name}" in remedy for name in names)


SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=6)


@settings(max_examples=200, deadline=None)
@given(SIZES, st.sampled_from([(), ("test",), ("validation", "test")]), st.floats(0.01, 0.49), st.integers(0, 3))
def test_the_advice_does(train, official, held_out, extra):
    parts = np.array(
        [[n, (n + extra) % 7 * ("validation" in official), (n + 1) % 5 * ("test" in official)] for n in train]
    )
    names = [f"class {i}" for i in range(len(train))]
    try:
        refuse_scarce("folder", parts, names, held_out)
    except ValueError as refused:
        told = str(refused).partition("; allowed: ")[2]
    else:
        assert sizes_of(parts, held_out).min() >= LEAST
        return
    more = lacking_images(parts)
    share = sufficient_share(parts + more, held_out)
    assert sizes_of(parts + more, share).min() >= LEAST
    assert (f"held_out {share:g}" in told) == (share != held_out)
    if not re.search(r" and \d+ more$", told.partition(" and held_out")[0]):
        assert {i for i, name in enumerate(names) if f"of {name}" in told} == set(np.flatnonzero(more.any(axis=1)))


@settings(max_examples=200, deadline=None)
@given(SIZES)
def test_no_fewer_images_than_those_asked_for_would_do(train):
    parts = np.array([[n, 0, 0] for n in train])
    more = lacking_images(parts)
    for i in np.flatnonzero(more[:, 0]):
        fewer = parts + more
        fewer[i, 0] -= 1
        assert all(sizes_of(fewer, share).min() < LEAST for share in np.arange(0.005, 0.5, 0.001))


@settings(max_examples=100, deadline=None)
@given(SIZES, st.integers(0, 9), st.integers(0, 9), st.floats(0.01, 0.49), st.integers(0, 3))
def test_the_sizes_foretold_are_those_that_are_dealt(train, n_validation, n_test, held_out, seed):
    n = len(train)
    part = [np.repeat(np.arange(n), train), np.arange(n_validation) % n, np.arange(n_test) % n]
    stratum = np.concatenate(part)
    rows = deal(stratum, n_validation, n_test, held_out, seed)
    found = np.stack([np.bincount(stratum[rows[split]], minlength=n) for split in SPLITS], axis=1)
    np.testing.assert_array_equal(found, sizes_of(parts_of(stratum, n, n_validation, n_test), held_out))
    together = np.sort(np.concatenate([rows[split] for split in SPLITS]))
    np.testing.assert_array_equal(together, np.arange(len(stratum)))
