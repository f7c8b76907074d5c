"""Linear evaluation (Sec. IV, Fig. 6): what the accuracy is, who chooses the penalty, what the error knows."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from mi_ray.compute.images.image_set import SPLITS
from mi_ray.compute.probes.accuracy import balanced, evaluate_linearly

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


# Balanced accuracy


def guesses(rng, n=400, prior=(0.6, 0.25, 0.1, 0.05), right=(0.9, 0.7, 0.5, 0.2)):
    """Labels of uneven classes, and predictions that are right more or less often by class."""
    labels = rng.choice(CLASSES, size=n, p=prior)
    hit = rng.random(n) < np.array(right)[labels]
    return labels, np.where(hit, labels, (labels + 1) % CLASSES)


def test_balanced_accuracy_is_scikit_learns():
    rng = np.random.default_rng(0)
    for present in ([0, 1, 2, 3], [0, 3]):
        labels, predicted = guesses(rng)
        rows = np.isin(labels, present)
        labels, predicted = labels[rows], np.where(np.isin(predicted[rows], present), predicted[rows], labels[rows])
        found = balanced(predicted == labels, labels, np.arange(len(labels)))
        assert found.accuracy == pytest.approx(balanced_accuracy_score(labels, predicted))


def test_uneven_classes_are_scored_by_their_share_and_alike():
    h, labels = splits(noise=0.6)
    keep = {split: (y != 0) | (np.arange(len(y)) % 8 == 0) for split, y in labels.items()}
    h, labels = ({split: part[split][keep[split]] for split in SPLITS} for part in (h, labels))
    found, n = accuracy_of(h, labels), len(labels["test"])
    recalls = [found_of_class(h, labels, c) for c in range(CLASSES)]
    shares = np.bincount(labels["test"]) / n
    assert found.accuracy == pytest.approx(np.average(recalls, weights=shares), abs=1e-9)
    assert found.balanced_accuracy == pytest.approx(np.mean(recalls), abs=1e-9)
    assert found.balanced_accuracy < found.accuracy - 0.02
    assert found.balanced_validation_accuracy < found.validation_accuracy - 0.02


def found_of_class(h, labels, c):
    """Accuracy on the test rows of one class, of the same probe."""
    rows = labels["test"] == c
    return accuracy_of(h | {"test": h["test"][rows]}, labels | {"test": labels["test"][rows]}).accuracy


def test_balanced_classes_are_scored_the_same_both_ways():
    h, labels = splits(noise=0.7)
    order = np.argsort(labels["test"], kind="stable")
    rows = np.concatenate([order[labels["test"][order] == c][:150] for c in range(CLASSES)])
    found = accuracy_of(h | {"test": h["test"][rows]}, labels | {"test": labels["test"][rows]})
    assert 0.5 < found.accuracy < 0.99
    assert found.balanced_accuracy == pytest.approx(found.accuracy, abs=1e-12)
    assert found.absent_classes == 0


def test_classes_that_the_test_images_lack_are_counted_and_the_others_averaged():
    h, labels = splits(noise=0.5)
    rows = labels["test"] > 1
    part, without = h | {"test": h["test"][rows]}, labels | {"test": labels["test"][rows]}
    found = accuracy_of(part, without)
    assert found.absent_classes == 2
    assert found.balanced_accuracy == pytest.approx(np.mean([found_of_class(h, labels, c) for c in (2, 3)]), abs=1e-9)


def test_the_balanced_standard_error_leaves_out_one_source_at_a_time():
    """Of sources that span classes; one of them holds a whole class, which is left out with it."""
    rng = np.random.default_rng(1)
    labels, predicted = guesses(rng, n=60)
    labels[:3], sources = 4, np.concatenate([np.zeros(3, int), rng.integers(1, 20, size=57)])
    hits = predicted == labels
    names = np.unique(sources)
    left = [
        np.mean([hits[(labels == c) & (sources != s)].mean() for c in np.unique(labels[sources != s])]) for s in names
    ]
    expected = ((len(names) - 1) * np.var(left)) ** 0.5
    assert balanced(hits, labels, sources).standard_error == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("images", [1, 4])
def test_the_balanced_standard_error_is_the_spread_over_fresh_sources(images):
    """Of ``images`` of each source that are right or wrong together."""
    found = []
    for seed in range(300):
        labels, predicted = (part.repeat(images) for part in guesses(np.random.default_rng(seed)))
        found.append(balanced(predicted == labels, labels, np.arange(len(labels)) // images))
    spread = np.std([one.accuracy for one in found], ddof=1)
    assert np.mean([one.standard_error for one in found]) == pytest.approx(spread, rel=0.12)


def test_the_error_of_one_source_is_not_known():
    labels = np.arange(6) % 2
    assert np.isnan(balanced(labels == 1, labels, np.zeros(6, dtype=np.int64)).standard_error)
