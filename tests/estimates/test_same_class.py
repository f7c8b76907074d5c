"""`estimate_same_class`: the numbers of a study's cell, the truth where it is known, and splits that keep groups."""

from __future__ import annotations

import json
from math import log2

import numpy as np
import pytest
import torch

import mi_ray
from mi_ray.compute.images.image_set import SPLITS
from mi_ray.experiments.declare import Embedding, Estimation, Labelled, SameClass, SimCLR, Training
from mi_ray.experiments.images.prepared import prepare
from mi_ray.experiments.plan.plan import build
from mi_ray.experiments.run.embedding import h_of
from mi_ray.experiments.run.serial import run_here
from mi_ray.experiments.store.store import Store
from tests.quiet import Quiet

DIGITS = Labelled(name="digits", half="first", held_out=0.2)
ENCODER = Embedding(
    encoder=Training(data=DIGITS, pairing=SimCLR(), arch="resnet10t", k_tr=8, views=48, hidden=16, out=8)
)
SMALL = {"k_est": 256, "batches": 2, "critics": 2, "k_fit": 32, "steps": 20, "penalties": (1e-3, 1e-2)}
FAST = SMALL | {"hidden": 32, "out": 16, "random_state": 0}


def blobs(n: int = 600, classes: int = 4, width: int = 8, apart: float = 6.0) -> tuple[np.ndarray, np.ndarray]:
    """Rows around the corners of a cube, and their classes."""
    rng = np.random.default_rng(0)
    labels = rng.integers(classes, size=n)
    return (apart * np.eye(width)[labels] + rng.normal(size=(n, width))).astype(np.float32), labels


@pytest.mark.parametrize("prior", ["uniform", "empirical"])
def test_the_numbers_are_those_of_a_cell_with_the_same_embeddings(tmp_path_factory, prior):
    store = Store(tmp_path_factory.mktemp("store"))
    data = prepare(DIGITS, store)
    question = Estimation(embedding=ENCODER, pairing=SameClass(task="class", prior=prior, redraw=0.1), seed=3, **SMALL)
    plan = build([question], lambda _: data.digest)
    store.prepare()
    run_here(plan.missing_jobs(store), {data.digest: data}, store, Quiet())
    cells = {cell.kind: cell.key for cell in plan.cells.values()}
    h, images = h_of(cells["embedding"], store), {split: data.split(split) for split in SPLITS}
    found = mi_ray.estimate_same_class(
        np.concatenate([h[split] for split in SPLITS]),
        np.concatenate([images[split].attributes[:, 0] for split in SPLITS]),
        split=np.repeat(SPLITS, [len(h[split]) for split in SPLITS]),
        images=np.concatenate([images[split].identities for split in SPLITS]),
        groups=np.concatenate([images[split].sources for split in SPLITS]),
        prior=prior, redraw=0.1, random_state=3, hidden=16, out=8, **SMALL,
    )  # fmt: skip
    told = {name: value for name, value in store.read(cells["estimation"]).result.items() if name != "not_certified"}
    assert told and {name: found.to_dict()[name] for name in told} == told
    assert found.certified == told["certified"]


def test_classes_that_are_apart_read_their_entropy_and_equal_ones_nothing():
    h, labels = blobs(1600)
    known = mi_ray.estimate_same_class(h, labels, **FAST)
    assert known.upper_bits == 2.0 and known.lower_bits > 1.8 and known.class_entropy_bits == log2(4)
    nothing = mi_ray.estimate_same_class(np.random.default_rng(1).normal(size=h.shape), labels, **FAST)
    assert nothing.lower_bits < 0.05 and not nothing.certified and nothing.reasons


def test_arrays_of_every_kind_give_the_same():
    pandas = pytest.importorskip("pandas")
    h, labels = blobs()
    names = np.array(["ape", "bee", "cat", "dog"])[labels]
    first = mi_ray.estimate_same_class(h, labels, **FAST)
    for given, classes in [
        (torch.from_numpy(h), torch.from_numpy(labels)),
        (pandas.DataFrame(h), pandas.Series(names, dtype="category")),
        (h.astype(np.float64).tolist(), labels.astype(float).tolist()),
    ]:
        other = mi_ray.estimate_same_class(given, classes, **FAST)
        assert other.readings == first.readings and (other.split == first.split).all()
    assert other.classes == ("0", "1", "2", "3")


def test_every_setting_of_the_randomness_gives_its_numbers_again():
    h, labels = blobs(300)
    fast = {name: value for name, value in FAST.items() if name != "random_state"}
    for given in (7, np.int64(7), np.random.RandomState(1), np.random.default_rng(1), None):
        found = mi_ray.estimate_same_class(h, labels, random_state=given, **fast)
        again = mi_ray.estimate_same_class(h, labels, random_state=found.random_state, **fast)
        assert found.readings == again.readings
    assert found.random_state != 7


def test_groups_and_copies_stay_in_one_split():
    h, labels = blobs(600)
    groups = np.arange(600) // 3
    grouped = np.repeat(labels[::3], 3)
    found = mi_ray.estimate_same_class(h, grouped, groups=groups, **FAST)
    assert all(len(set(found.split[groups == group])) == 1 for group in range(200))
    assert min(found.rows.values()) > 90
    copied = np.concatenate([h, h[:150]])
    twice = mi_ray.estimate_same_class(copied, np.concatenate([labels, labels[:150]]), **FAST)
    assert (twice.split[:150] == twice.split[600:]).all() and "not untouched" not in str(twice.reasons)


def test_copies_across_declared_splits_forbid_the_certificate():
    h, labels = blobs(600)
    split = np.array(["train", "validation", "test"])[np.arange(600) % 3]
    h[2], labels[2] = h[0], labels[0]
    found = mi_ray.estimate_same_class(h, labels, split=split, **FAST)
    assert "test images are not untouched: 1 in train (row 2 = row 0)" in found.reasons


def test_it_can_be_read_by_people_and_by_programs():
    h, labels = blobs()
    found = mi_ray.estimate_same_class(h, labels, **FAST)
    text = repr(found)
    assert text.startswith(f"MIEstimate: {found.lower_bits:.2f} to 2.00 bits with 95% confidence")
    for part in ("nominal", "Eq. 4", "probe", "±", "H(C) = 2.00 bits, 4 classes", "K_est = 256", "360 train"):
        assert part in text
    values = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert values["probe_bits"] == found.readings["probe"].bits and values["n_test"] == found.rows["test"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embeddings": np.zeros((4, 2, 2))}, "embeddings: an array of shape (4, 2, 2) is not allowed; allowed: [rows"),
        ({"embeddings": np.zeros((0, 3))}, "embeddings: an array of shape (0, 3) is not allowed"),
        ({"embeddings": np.array([["a", "b"]])}, "embeddings: values of type <U1 are not allowed; allowed: real"),
        ({"embeddings": [[1.0, 2.0], [3.0]]}, "embeddings: list is no array"),
        ({"embeddings": None}, "embeddings: an array of shape () is not allowed"),
        ({"labels": np.arange(5)}, "labels: an array of shape (5,) is not allowed; allowed: one value for each of 600"),
        ({"labels": np.zeros(600)}, "labels: 1 class (0) is not allowed; allowed: at least 2 classes"),
        ({"labels": np.linspace(0, 1, 600)}, "598 of 600 values are fractions (row 1, row 2"),
        ({"labels": [None] + ["a", "b"] * 299 + ["a"]}, "labels: 1 of 600 values are missing (row 0)"),
        ({"labels": np.arange(600)}, "labels: with held_out 0.2, a split gets fewer than 2 images of 0 (train 1"),
        ({"split": ["train"] * 600}, "split: train is not allowed; allowed: all of train, validation, test"),
        ({"split": ["train", "val", "test"] * 200}, "split: val is not allowed"),
        ({"groups": np.zeros(600)}, "groups: 1 groups are not allowed; allowed: at least 5"),
        ({"prior": "balanced"}, "prior: 'balanced' is not allowed; allowed: uniform, empirical"),
        ({"redraw": 2}, "redraw: 2 is not allowed"),
        ({"held_out": 0.9}, "held_out: 0.9 is not allowed"),
        ({"k_est": 1}, "k_est: 1 is not allowed; allowed: a whole number >= 2"),
        ({"k_ets": 9}, "settings: 'k_ets' is not allowed; allowed: k_est, "),
        ({"steps": 0}, "critic steps: 0 is not allowed"),
        ({"hidden": 0}, "hidden: 0 is not allowed"),
        ({"random_state": -1}, "random_state: -1 is not allowed"),
        ({"random_state": "a"}, "random_state: 'a' is not allowed"),
        ({"device": "tpu"}, "device: 'tpu' is not allowed; allowed: cpu, or a device that torch finds"),
        ({"embeddings": np.ones((600, 4))}, "embeddings: too few different rows of 0, 1, 2, and 1 more, since equal"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_one_line(change, message):
    h, labels = blobs()
    given = {"embeddings": h, "labels": labels} | change
    with pytest.raises(ValueError) as refused:
        mi_ray.estimate_same_class(given.pop("embeddings"), given.pop("labels"), **FAST | given)
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_rows_that_are_not_finite_are_named():
    h, labels = blobs()
    h[5, 2], h[9, 0] = np.nan, np.inf
    with pytest.raises(ValueError, match=r"embeddings: 2 of 600 rows hold NaN or infinity \(row 5, row 9\)"):
        mi_ray.estimate_same_class(h, labels)


def test_a_collapsed_encoder_is_estimated_once_its_images_are_told_apart():
    _, labels = blobs()
    found = mi_ray.estimate_same_class(np.ones((600, 4)), labels, images=np.arange(600), **FAST)
    assert found.lower_bits < 1e-9 and found.upper_bits == 2
