"""Critics of a user's own: lower bounds whatever the score is, the truth where it is right, refused if it is none."""

from dataclasses import dataclass, field, replace
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import pytest

from mi_ray.compute.estimation.critic import Critic, refuse_names
from mi_ray.compute.estimation.own import OwnCritic, ShiftedScore
from mi_ray.compute.estimation.readings import TILE, Pairs
from mi_ray.compute.numerics.finite import NotFinite
from tests.compute.estimation.class_codes import SMALL, Problem, asked
from tests.compute.estimation.test_estimate_views import SETTINGS, coded, estimate_views

PROBLEM = Problem(classes=4, noise=0.3)
"""Classes overlap: about 1 bit of 2."""


@dataclass(frozen=True, kw_only=True)
class Own(Critic):
    """Any function of two tables of rows, made from what a critic may see."""

    make: object = field(repr=False)
    name: str = "own"

    def fit(self, data):
        return self.make(data)


def gaussian(data, noise=PROBLEM.noise):
    """The true log ratio of Gaussian codes, log sum_c p(c|x) p(c|y) C: no critic reads more."""

    def posterior(h):
        logits = h @ PROBLEM.codes.T / noise**2
        p = np.exp(logits - logits.max(1, keepdims=True))
        return p / p.sum(1, keepdims=True)

    return lambda x, y: np.log(PROBLEM.classes * posterior(x) @ posterior(y).T)


def lopsided(data):
    """Far from symmetric, far from zero, and worthless."""
    return lambda x, y: 5000 + 3 * x[:, :1] - 2 * y[:, :1].T


def by_heart(data):
    """Knows the train rows and nothing else."""
    labels = {row.tobytes(): label for row, label in zip(data.train.h, data.train.labels, strict=True)}

    def known(rows, otherwise):
        return np.array([labels.get(row.tobytes(), otherwise) for row in rows])

    def score(x, y):
        of_x, of_y = known(x, -1)[:, None], known(y, -2)
        return np.where(of_x == of_y, 1.4, -8.0 * ((of_x >= 0) & (of_y >= 0)))

    return score


@lru_cache
def read(make):
    return asked(PROBLEM.samples(0), PROBLEM.channel, OwnCritic(Own(make=make)))


def test_a_bound_is_the_double_loop_over_pairs_of_a_score_that_is_not_symmetric():
    rng = np.random.default_rng(0)
    h = rng.standard_normal((12, 3))
    x, y = rng.integers(10, size=(2, 3, 6))
    pairs = Pairs(x, y, np.arange(12) // 2 * 7)
    bound = ShiftedScore(name="own", f=lambda a, b: a[:, :2] @ b[:, 1:].T, shift=1.5).bound(h, pairs)
    f = h[:, :2] @ h[:, 1:].T - 1.5
    of_x, of_y = x.ravel(), y.ravel()

    def by_hand(keep):
        joint = [f[i, j] for n, (i, j) in enumerate(zip(of_x, of_y, strict=True)) if keep(i, j)]
        cross = [np.exp(f[i, j]) for n, i in enumerate(of_x) for m, j in enumerate(of_y) if n != m and keep(i, j)]
        return np.mean(joint) + 0.3 - np.exp(0.3) * np.mean(cross) / np.e

    assert bound.value(0.3) == pytest.approx(by_hand(lambda i, j: True))
    used = np.unique(pairs.sources[np.stack([x, y])])
    without = [by_hand(lambda i, j, s=s: s not in (pairs.sources[i], pairs.sources[j])) for s in used]
    np.testing.assert_allclose(bound.leave_one_out(0.3), without)


def test_tiles_change_no_bound():
    rng = np.random.default_rng(0)
    h, pairs = rng.standard_normal((2 * TILE + 5, 4)), np.arange(2 * TILE + 5)[None]
    pairs = Pairs(pairs, np.roll(pairs, 1), pairs[0])
    f = h @ np.diag([1, 2, 3, 4]) @ np.roll(h, 1, axis=1).T / 20
    bound = ShiftedScore(
        name="own", f=lambda a, b: a @ np.diag([1, 2, 3, 4]) @ np.roll(b, 1, axis=1).T / 20, shift=0.0
    ).bound(h, pairs)
    of_pairs = f[pairs.x[0], pairs.y[0]]
    cross = (np.exp(f).sum() - np.exp(of_pairs).sum()) / (len(h) * (len(h) - 1))
    assert bound.joint.value == pytest.approx(of_pairs.mean())
    assert bound.cross.value == pytest.approx(cross)


def test_the_true_log_ratio_reads_the_truth_and_moves_no_reading_of_ours():
    found = read(gaussian)
    own, probe = found.readings["own"], found.readings["probe"]
    rng = np.random.default_rng(1)
    codes = PROBLEM.codes[rng.integers(4, size=1000)]
    x, y = (codes + PROBLEM.noise * rng.standard_normal(codes.shape) for _ in range(2))
    truth = np.diag(gaussian(None)(x, y)).mean() / np.log(2)
    assert abs(own.bits - truth) < 3 * np.hypot(own.standard_error_bits, 0.03)
    assert own.bits > probe.bits
    alone = asked(PROBLEM.samples(0), PROBLEM.channel)
    assert found.bracket.lower_from in ("own", alone.bracket.lower_from)
    assert {name: alone.readings[name] for name in alone.readings} == {
        name: reading for name, reading in found.readings.items() if name != "own"
    }


def test_the_best_bound_makes_the_bracket_whosever_it_is():
    found = read(gaussian)
    assert found.bracket.lower_from == max(found.readings.keys() - {"nominal"}, key=lambda name: limit(found, name))


def limit(found, name):
    return found.readings[name].lower_limit_bits(NormalDist().inv_cdf(1 - 0.05 / 5))


@pytest.mark.parametrize("make", [lopsided, by_heart])
def test_a_worthless_score_reads_no_more_than_there_is(make):
    reading = read(make).readings["own"]
    assert reading.bits < 3 * reading.standard_error_bits + 0.01


def test_the_audit_has_the_train_reading_of_a_score_and_refuses_a_bracket_that_rests_on_an_overfitted_one():
    assert read(by_heart).train_bits["own"] > 1.5 > 0.1 > read(by_heart).readings["own"].bits

    def half_by_heart(data):
        """The truth of strangers, and by heart of train rows."""
        right, heart = gaussian(data, noise=0.5), by_heart(data)
        return lambda x, y: np.where(heart(x, y) == 0, right(x, y), heart(x, y))

    noisy = replace(PROBLEM, noise=0.5)
    found = asked(noisy.samples(0), noisy.channel, OwnCritic(Own(make=half_by_heart)))
    assert found.bracket.lower_from == "own"
    assert any(reason.startswith("the critic is overfitted: own reads") for reason in found.reasons), found.reasons


def test_a_critic_never_sees_a_test_row():
    samples = PROBLEM.samples(0)
    test = {row.tobytes() for row in samples["test"].h}
    seen = []

    def make(data):
        seen.extend(row.tobytes() for split in (data.train, data.validation) for row in split.h)
        assert not hasattr(data, "test")
        return lambda x, y: np.zeros((len(x), len(y)))

    asked(samples, PROBLEM.channel, OwnCritic(Own(make=make)))
    assert seen and not test & set(seen)


def test_views_take_critics_of_ones_own_too():
    def cosine(data):
        return lambda x, y: 20 * x @ y.T / np.outer(np.linalg.norm(x, axis=1), np.linalg.norm(y, axis=1))

    found = estimate_views(
        coded(lambda n, _, rng: rng.standard_normal((n, 1, 64))),
        OwnCritic(Own(make=cosine)),
        k_est=256,
        batches=1,
        settings=SETTINGS,
    )
    assert found.readings["own"].bits == pytest.approx(8, abs=0.3)
    assert not found.certified and "nwj" in found.readings


# Refused


@pytest.mark.parametrize("name", ["nominal", "nwj", "probe", "lower", "train", "my_train", "Bilinear", "a-b", ""])
def test_a_name_of_ours_or_of_no_metric_is_refused(name):
    with pytest.raises(ValueError, match=r"own: .* is not allowed as the name of a critic; allowed: "):
        refuse_names([Own(make=lopsided, name=name)])


def test_two_critics_of_one_name_are_refused():
    with pytest.raises(ValueError, match="own: 'own' is not allowed twice"):
        asked(PROBLEM.samples(0), PROBLEM.channel, *[OwnCritic(Own(make=lopsided))] * 2, settings=SMALL)


REFUSALS = {
    "fit returned 3; allowed: a function of x and y": lambda data: 3,
    "scores of shape": lambda data: lambda x, y: x.sum(1),
    "depends on the other rows": lambda data: lambda x, y: x @ y.T - (x @ y.T).max(1, keepdims=True),
}


@pytest.mark.parametrize("message", REFUSALS)
def test_a_score_that_is_no_function_of_one_pair_is_refused(message):
    with pytest.raises(ValueError, match=message):
        asked(PROBLEM.samples(0), PROBLEM.channel, OwnCritic(Own(make=REFUSALS[message])))


def test_a_score_that_is_not_finite_is_refused():
    with pytest.raises(NotFinite, match="own: scores"):
        asked(PROBLEM.samples(0), PROBLEM.channel, OwnCritic(Own(make=lambda data: lambda x, y: x @ y.T * np.inf)))
