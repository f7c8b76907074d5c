"""Linear evaluation (Sec. IV, Fig. 6): what the accuracy is, who chooses the penalty, what the error knows."""

import numpy as np
import pytest

from mi_ray.compute.evaluation import evaluate_linearly
from mi_ray.compute.images import SPLITS

WIDTH, CLASSES = 16, 4
PENALTIES = (1e-4, 1e-2, 1.0)


def split_of(n, *, noise, seed):
    """Class codes h [n, WIDTH], labels [n]."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(CLASSES, size=n)
    return (np.eye(WIDTH)[labels] + noise * rng.standard_normal((n, WIDTH))).astype(np.float32), labels


def splits(*, noise, sizes=(400, 400, 800)):
    drawn = {s: split_of(n, noise=noise, seed=i) for i, (s, n) in enumerate(zip(SPLITS, sizes, strict=True))}
    return {split: h for split, (h, _) in drawn.items()}, {split: labels for split, (_, labels) in drawn.items()}


def accuracy_of(h, labels, *, penalties=PENALTIES, sources=None):
    sources = np.arange(len(h["test"])) if sources is None else sources
    (accuracy,) = evaluate_linearly(h, [labels], [CLASSES], sources, penalties=penalties)
    return accuracy


# The accuracy


def test_separable_codes_are_told_apart_without_error():
    found = accuracy_of(*splits(noise=0.05))
    assert (found.accuracy, found.train_accuracy, found.validation_accuracy) == (1, 1, 1)
    assert found.standard_error == 0


def test_permuted_labels_give_chance():
    h, labels = splits(noise=0.05)
    shuffled = {split: np.random.default_rng(7).permutation(y) for split, y in labels.items()}
    found = accuracy_of(h, shuffled)
    assert abs(found.accuracy - 1 / CLASSES) < 3 * found.standard_error


def test_noisy_codes_are_told_apart_as_often_as_the_best_classifier_can():
    """Two classes at distance sqrt(2): the best possible accuracy is Phi(1 / (sqrt(2) noise))."""
    from scipy.stats import norm

    h, labels = splits(noise=0.5, sizes=(4000, 1000, 4000))
    two = {split: y < 2 for split, y in labels.items()}
    h, labels = ({split: part[split][two[split]] for split in SPLITS} for part in (h, labels))
    (found,) = evaluate_linearly(h, [labels], [2], np.arange(len(h["test"])), penalties=PENALTIES)
    assert abs(found.accuracy - norm.cdf(1 / (2**0.5 * 0.5))) < 3 * found.standard_error + 0.005


def test_tasks_asked_together_get_the_answers_they_get_alone():
    h, labels = splits(noise=0.5)
    halves = {split: y // 2 for split, y in labels.items()}
    sources = np.arange(len(h["test"]))
    together = evaluate_linearly(h, [labels, halves], [CLASSES, 2], sources, penalties=PENALTIES)
    alone = [
        evaluate_linearly(h, [task], [n], sources, penalties=PENALTIES)[0]
        for task, n in ((labels, CLASSES), (halves, 2))
    ]
    for one, other in zip(together, alone, strict=True):
        assert one.penalty == other.penalty
        assert one.accuracy == pytest.approx(other.accuracy, abs=0.005)


# The penalty


def memorised():
    """Hardly informative rows that a weak penalty learns by heart, and fresh rows that a strong penalty does better."""
    return split_of(60, noise=1.0, seed=0), split_of(2000, noise=1.0, seed=1)


def test_validation_chooses_the_penalty_where_test_would_choose_another():
    (h, labels), (h_fresh, labels_fresh) = memorised()
    own = accuracy_of(
        {"train": h, "validation": h, "test": h_fresh}, {"train": labels, "validation": labels, "test": labels_fresh}
    )
    fresh = accuracy_of(
        {"train": h, "validation": h_fresh, "test": h}, {"train": labels, "validation": labels_fresh, "test": labels}
    )
    assert own.penalty < fresh.penalty
    assert own.accuracy < fresh.validation_accuracy
    assert fresh.accuracy < own.validation_accuracy
    assert own.validation_accuracy == own.train_accuracy
    assert fresh.accuracy == fresh.train_accuracy


def test_the_test_rows_play_no_part_in_the_choice():
    h, labels = splits(noise=0.7)
    one = accuracy_of(h, labels)
    other = accuracy_of(h, labels | {"test": (labels["test"] + 1) % CLASSES})
    assert other.accuracy < 1 / CLASSES < one.accuracy
    assert (other.penalty, other.validation_accuracy) == (one.penalty, one.validation_accuracy)


@pytest.mark.parametrize("penalties", [(1e-4, 1e-2, 1e-1), (1e-1, 1e-4, 1e-2)], ids=["rising", "unsorted"])
def test_the_larger_penalty_wins_a_tie(penalties):
    assert accuracy_of(*splits(noise=0.05), penalties=penalties).penalty == 0.1


def test_the_order_of_penalties_does_not_matter():
    h, labels = splits(noise=0.7)
    one, other = accuracy_of(h, labels), accuracy_of(h, labels, penalties=PENALTIES[::-1])
    assert one.penalty == other.penalty
    assert one.accuracy == pytest.approx(other.accuracy, abs=0.005)


# The standard error


def test_the_standard_error_of_independent_rows_is_binomial():
    found = accuracy_of(*splits(noise=0.7))
    assert found.standard_error == pytest.approx((found.accuracy * (1 - found.accuracy) / 800) ** 0.5)


def test_images_of_one_source_count_once():
    h, labels = splits(noise=0.7)
    fourfold = [part | {"test": part["test"].repeat(4, axis=0)} for part in (h, labels)]
    once = accuracy_of(h, labels)
    known = accuracy_of(*fourfold, sources=np.arange(800).repeat(4))
    unknown = accuracy_of(*fourfold)
    assert once.accuracy == known.accuracy == unknown.accuracy
    assert known.standard_error == pytest.approx(once.standard_error)
    assert unknown.standard_error == pytest.approx(once.standard_error / 2)
