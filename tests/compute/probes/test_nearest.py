"""kNN accuracy: against scikit-learn's classifier, chance, and what k and temperature do."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from mi_ray.compute.probes import nearest
from mi_ray.compute.probes.nearest import evaluate_nearest

SPLITS = {"train": 300, "validation": 120, "test": 150}


def blobs(apart: float, *, width: int = 8, classes: int = 4, seed: int = 0):
    """Rows around ``classes`` directions, ``apart`` times their noise."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, width))
    labels = {split: rng.integers(classes, size=n) for split, n in SPLITS.items()}
    h = {
        split: (apart * centres[c] + rng.normal(size=(len(c), width))).astype(np.float32) for split, c in labels.items()
    }
    return h, labels


def knn(h, labels, *, neighbours=(20,), temperature=0.07, classes=4):
    sources = np.arange(len(h["test"]))
    return evaluate_nearest(h, labels, classes, sources, neighbours=neighbours, temperature=temperature)


@pytest.mark.parametrize("k", [1, 5, 20])
@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_the_vote_is_that_of_scikit_learn_with_the_same_weights(k, temperature):
    h, labels = blobs(0.7)
    unit = {split: rows / np.linalg.norm(rows, axis=1, keepdims=True) for split, rows in h.items()}
    oracle = KNeighborsClassifier(k, weights=lambda d: np.exp((1 - d**2 / 2) / temperature))
    expected = oracle.fit(unit["train"], labels["train"]).score(unit["test"], labels["test"])
    assert 0.3 < expected < 0.95
    assert knn(h, labels, neighbours=(k,), temperature=temperature).accuracy == pytest.approx(expected, abs=1e-12)


def test_chunks_do_not_change_the_vote(monkeypatch):
    h, labels = blobs(0.7)
    whole = knn(h, labels)
    monkeypatch.setattr(nearest, "SIMILARITIES", 1000)
    assert knn(h, labels) == whole


def test_classes_apart_are_told_and_rows_without_classes_are_at_chance():
    assert knn(*blobs(20.0)).accuracy == 1.0
    h, labels = blobs(0.0)
    seen = knn(h, labels)
    assert abs(seen.accuracy - 0.25) < 4 * seen.standard_error


def test_validation_chooses_k():
    h, labels = blobs(0.7)
    alone = {k: knn(h, labels, neighbours=(k,)) for k in (1, 5, 20, 100)}
    chosen = knn(h, labels, neighbours=(1, 5, 20, 100))
    best = max(one.validation_accuracy for one in alone.values())
    assert chosen == alone[max(k for k, one in alone.items() if one.validation_accuracy == best)]


def test_test_labels_do_not_choose_k():
    h, labels = blobs(0.7)
    wrong = labels | {"test": (labels["test"] + 1) % 4}
    assert knn(h, wrong, neighbours=(1, 5, 20)).neighbours == knn(h, labels, neighbours=(1, 5, 20)).neighbours


def test_k_beyond_the_train_images_is_their_number():
    assert knn(*blobs(0.7), neighbours=(10_000,)).neighbours == SPLITS["train"]


@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_lengths_do_not_matter(scale):
    h, labels = blobs(0.7)
    assert knn({split: rows * np.float32(scale) for split, rows in h.items()}, labels) == knn(h, labels)


def test_balanced_accuracy_weighs_classes_alike():
    h, labels = blobs(0.0)
    labels["train"][:] = labels["validation"][:] = 0
    labels["test"][:] = 1
    labels["test"][:120] = 0
    seen = knn(h, labels, classes=2)
    assert seen.accuracy == 0.8
    assert seen.balanced_accuracy == 0.5


def test_copies_of_a_source_do_not_narrow_the_standard_error():
    h, labels = blobs(0.7)
    twice = h | {"test": np.repeat(h["test"], 4, axis=0)}, labels | {"test": np.repeat(labels["test"], 4)}
    sources = np.repeat(np.arange(150), 4)
    seen = evaluate_nearest(*twice, 4, sources, neighbours=(20,), temperature=0.07)
    assert seen.standard_error == pytest.approx(knn(h, labels).standard_error, rel=0.01)
