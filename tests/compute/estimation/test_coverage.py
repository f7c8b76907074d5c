"""How often the bracket holds the truth, over fresh draws of problems whose truth is known: `make coverage`.

The declared channel knows neither noise nor misplaced images, so that its upper end is loose and all rests on the lower
one. Rare errors are the hard case: most samples show none. Folded classes are for the probe with a hidden layer.
"""

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import poisson

from mi_ray.compute.estimation.posterior import score_posterior
from mi_ray.compute.estimation.readings import Pairs
from mi_ray.theory.certificate import CONFIDENCE, PHANTOMS
from mi_ray.theory.channel import LabelChannel
from tests.compute.estimation.class_codes import SMALL, Problem, asked, close_to_the_truth, full, truth_bits

DRAWS = 200
WRONG_BITS = 0.05
"""A certificate whose lower end is further above the truth than this is false."""

LARGER = (2048, 1024, 2048)
PROBLEMS = {
    "4 classes": Problem(classes=4),
    "16 classes": Problem(classes=16),
    "64 classes": Problem(classes=64, width=64, sizes=LARGER),
    "4 noisy classes": Problem(classes=4, width=16, noise=0.5),
    "16 noisy classes": Problem(classes=16, width=16, noise=0.35),
    "redraw 0.1": Problem(classes=16, redraw=0.1),
    "redraw 0.3": Problem(classes=16, redraw=0.3),
    "redraw 1": Problem(classes=16, redraw=1.0),
    "reused": Problem(classes=4, width=16, noise=0.5, per_source=8, sizes=LARGER),
    "1 source in 500 misplaced": Problem(classes=4, misplaced=0.002),
    "1 source in 400 misplaced": Problem(classes=16, misplaced=0.0025),
    "1 source in 200 misplaced": Problem(classes=16, misplaced=0.005),
    "1 source in 1000 misplaced": Problem(classes=64, width=64, misplaced=0.001, sizes=LARGER),
    "reused and misplaced": Problem(classes=16, misplaced=0.01, per_source=8, sizes=(4096, 2048, 4096)),
    "4 files of each image": Problem(classes=16, misplaced=0.005, copies=4, sizes=(512, 256, 512)),
    "4 folded classes": Problem(classes=4, width=8, noise=0.3, folded=True),
    "16 folded classes": Problem(classes=16, width=16, noise=0.2, folded=True),
    "folded and misplaced": Problem(classes=4, width=8, folded=True, misplaced=0.005),
    "validation known by heart": Problem(classes=4, width=16, noise=0.5, known=(256, 0)),
}

LEAKED_DRAWS = 50
HEART = {"classes": 4, "width": 16, "noise": 0.5, "sizes": (1024, 8, 8)}
LEAKED = {
    "test known by heart": Problem(**HEART, known=(1024, 1024)),
    "test known by heart, 2 files of each image": Problem(**HEART, known=(1024, 1024), copies=2),
    "test known by heart, 10 files of each image": Problem(**HEART, known=(1024, 1024), copies=10),
}
"""Most of test are copies of train images, which the encoder tells for sure: what is read there is no fresh image's."""


def drawn(problem, seed):
    """One estimate of fresh images by fresh critics."""
    settings = replace(SMALL, seeds=(2 * seed, 2 * seed + 1))
    return asked(problem.samples(seed), problem.channel, settings=settings)


# The limit's allowance for errors unseen


def test_a_limit_with_phantoms_covers_a_poisson_number_of_errors():
    quantile = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / 4)
    seen, expected = np.arange(100), np.linspace(0.1, 20, 400)[:, None]
    covers = seen + quantile * np.sqrt(seen + PHANTOMS) >= expected
    assert (poisson.pmf(seen, expected) * covers).sum(1).min() >= CONFIDENCE
    without = seen + quantile * np.sqrt(seen) >= expected
    assert (poisson.pmf(seen, expected) * without).sum(1).min() < 0.2


def test_a_phantom_is_what_a_reading_loses_when_one_more_source_is_misplaced():
    """Of 400 sources in 4 classes, embedded without a flaw but for a doubt of one in a hundred."""
    labels, rng, channel = np.arange(400) % 4, np.random.default_rng(0), LabelChannel.uniform(4)
    x = rng.permuted(np.arange(400).reshape(-1, 4), axis=0).ravel()
    pairs = Pairs(x[None], rng.permuted(x.reshape(-1, 4), axis=0).ravel()[None], np.arange(400))
    flawless = 0.99 * np.eye(4)[labels] + 0.01 / 4
    whole = score_posterior(flawless, pairs, channel)
    shown = labels.copy()
    shown[7] = (labels[7] + 1) % 4
    spoiled = score_posterior(0.99 * np.eye(4)[shown] + 0.01 / 4, pairs, channel)
    lost = whole.value(whole.best_offset) - spoiled.value(whole.best_offset)
    assert whole.phantom == pytest.approx(lost, rel=0.1)


# Slow: what must hold


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("classes", [4, 16, 64])
def test_classes_in_little_noise_read_their_entropy(classes, seed):
    close_to_the_truth(*full(classes, seed))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", PROBLEMS)
def test_the_bracket_holds_the_truth_19_times_in_20_and_so_do_certificates(name, capsys):
    problem, truth = PROBLEMS[name], truth_bits(PROBLEMS[name])
    found = [drawn(problem, seed) for seed in range(DRAWS)]
    lower = np.array([estimate.bracket.lower_bits for estimate in found])
    upper = np.array([estimate.bracket.upper_bits for estimate in found])
    certified = np.array([estimate.certified for estimate in found])
    covered = np.mean((lower <= truth + 1e-6) & (truth <= upper + 1e-3))
    with capsys.disabled():
        print(
            f"\n{name}: truth {truth:.3f}, covered {covered:.3f}, certified {certified.mean():.3f}, "
            f"lower - truth {np.median(lower - truth):+.3f}, at most {max(lower - truth):+.3f}"
        )
    assert covered >= CONFIDENCE
    assert np.mean(certified & (truth < lower - WRONG_BITS)) <= 1 - CONFIDENCE


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_of_200_fresh_draws_over_the_problems_no_certificate_is_false(capsys):
    each = -(-DRAWS // len(PROBLEMS))
    found = [(drawn(problem, DRAWS + i), truth_bits(problem)) for problem in PROBLEMS.values() for i in range(each)]
    covered = [e.bracket.lower_bits <= truth + 1e-6 and truth <= e.bracket.upper_bits + 1e-3 for e, truth in found]
    false = [e for e, truth in found if e.certified and truth < e.bracket.lower_bits - WRONG_BITS]
    with capsys.disabled():
        print(f"\n{len(found)} draws: covered {np.mean(covered):.3f}, certified {sum(e.certified for e, _ in found)}")
    assert np.mean(covered) >= CONFIDENCE
    assert not false


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", LEAKED)
def test_no_draw_of_duplicated_images_is_certified_though_often_nothing_but_the_copies_forbids_it(name, capsys):
    problem, truth = LEAKED[name], truth_bits(LEAKED[name])
    found = [drawn(problem, seed) for seed in range(LEAKED_DRAWS)]
    above = np.array([estimate.bracket.lower_bits - truth for estimate in found])
    with capsys.disabled():
        certified = sum(estimate.certified for estimate in found)
        print(f"\n{name}: truth {truth:.3f}, certified {certified}, lower - truth at least {above.min():+.3f}")
    assert not any(estimate.certified for estimate in found)
    assert (above > WRONG_BITS).all()
    alone = [e for e in found if len(e.reasons) == 1 and e.reasons[0].startswith("test images are not untouched")]
    assert len(alone) > 0.25 * len(found)
