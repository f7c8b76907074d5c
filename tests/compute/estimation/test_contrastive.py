"""The contrastive loss of h and its mean classifier's loss are the sums that their definitions say, and obey bounds."""

import numpy as np
import pytest
from scipy.special import logsumexp

from mi_ray.compute.estimation.contrastive import LARGEST, contrastive_loss, mean_classifier_loss
from mi_ray.compute.estimation.readings import Pairs, draw_pairs
from mi_ray.compute.pairs.couples import WithinClass
from mi_ray.theory.surrogate import Surrogate

RNG = np.random.default_rng(0)
CLASSES = 5


def population(clear, rows=400, prior=(0.2,) * CLASSES):
    labels = RNG.choice(CLASSES, size=rows, p=prior)
    h = clear * 3 * np.eye(CLASSES, 12)[labels] + RNG.standard_normal((rows, 12))
    return (7 * h).astype(np.float32), labels


def unit(h):
    return h / np.linalg.norm(h, axis=1, keepdims=True)


def test_the_loss_is_infonce_of_cosines_between_views_both_ways():
    h, _ = population(1.0, rows=30)
    x, y = RNG.integers(30, size=(2, 3, 6))
    expected = []
    for of_x, of_y in zip(x, y, strict=True):
        cosines = unit(h)[of_x] @ unit(h)[of_y].T
        expected += [logsumexp(side, axis=1) - np.diag(cosines) for side in (cosines, cosines.T)]
    loss = contrastive_loss(h, Pairs(x, y, np.arange(30)))
    assert loss.nats == pytest.approx(np.mean(expected), rel=1e-5)
    assert loss.negatives == 5 and 0 < loss.standard_error_nats < 0.5


def test_the_mean_classifier_s_loss_weighs_classes_by_their_prior():
    (known, known_labels), (asked, labels) = population(1.0), population(1.0)
    prior = np.array([0.4, 0.3, 0.2, 0.1, 0.0])
    means = np.stack([unit(known)[known_labels == c].mean(0) for c in range(4)])
    logits = unit(asked) @ means.T
    per_class = [(logsumexp(logits, axis=1) - logits[:, c])[labels == c].mean() for c in range(4)]
    found = mean_classifier_loss((known, known_labels), (asked, labels), tuple(prior))
    assert found == pytest.approx(prior[:4] @ per_class, rel=1e-5)


@pytest.mark.parametrize("clear", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("prior", [(0.2,) * 5, (0.5, 0.2, 0.1, 0.1, 0.1)])
@pytest.mark.parametrize("k", [2, 16, 256])
def test_the_mean_classifier_s_loss_lies_between_the_bounds_of_bao_et_al(clear, prior, k):
    (known, known_labels), (asked, labels) = population(clear, prior=prior), population(clear, prior=prior)
    couple = WithinClass(labels, CLASSES, prior=np.array(prior))
    pairs = draw_pairs(couple, np.arange(len(asked)), k=k, batches=max(2, 512 // k), seed=0, purpose="read test")
    loss = contrastive_loss(asked, pairs)
    setting = Surrogate(prior=prior, negatives=loss.negatives, largest=LARGEST)
    mean = mean_classifier_loss((known, known_labels), (asked, labels), prior)
    slack = 3 * loss.standard_error_nats
    assert setting.bao_lower(loss.nats) - slack < mean < setting.bao_upper(loss.nats) + slack


def test_a_class_that_can_be_drawn_and_has_no_row_is_named():
    h, labels = population(1.0)
    with pytest.raises(ValueError, match="asked: class 2 has no row"):
        mean_classifier_loss((h, labels), (h[labels != 2], labels[labels != 2]), (0.2,) * 5)
