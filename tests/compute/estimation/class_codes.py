"""Gaussian class codes as estimation problems of known truth, and what may spoil them."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp

from mi_ray.compute.estimation import problem as estimation
from mi_ray.compute.estimation.critics import Settings, ignore
from mi_ray.compute.estimation.estimate import estimate
from mi_ray.compute.estimation.learned import LearnedCritics
from mi_ray.compute.estimation.probe import ProbeCritic
from mi_ray.compute.estimation.samples import Origin, Sample
from mi_ray.compute.images.duplicates import distinct_rows, identities_of_rows
from mi_ray.compute.images.image_set import SPLITS
from mi_ray.compute.pairs.couples import WithinClass, among
from mi_ray.experiments.declare import Estimation, Training
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import bits

NAMES = ("nominal", "strict", "nwj", "probe", "confusion")
TRUTH_PAIRS = 100_000
LOW_NOISE = 0.1
"""Deviation around unit-norm codes: the nearest of 64 are 10 apart, so that I = H(C) to 1e-5 bits."""

DEFAULTS = Settings(
    hidden=Training.hidden,
    out=Training.out,
    temperature=Estimation.temperature,
    seeds=range(Estimation.critics),
    k=Estimation.k_fit,
    steps=Estimation.steps,
    learning_rate=Estimation.learning_rate,
    weight_decay=Estimation.weight_decay,
    patience=Estimation.patience,
)
"""Those of a declared estimation."""

SMALL = replace(DEFAULTS, hidden=64, out=32, seeds=(0, 1), steps=60)


def sample(h, labels, sources, couple):
    """A split of which only embeddings are known."""
    return Sample(h, labels, Origin(identities=identities_of_rows(h), sources=sources), couple)


def with_sources(sample, sources):
    return replace(sample, origin=replace(sample.origin, sources=sources))


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Gaussian codes of classes: truth and everything that spoils it.

    ``misplaced``: share of sources embedded as a class drawn anew; ``per_source``: images that share a source's class,
    misfortune and nine tenths of their noise. ``copies``: files of every image, each counted as a source of its own.
    ``known``: how many train images lie in validation and in test too, ``copies`` of each; the encoder has learned the
    train images by heart and embeds them in `LOW_NOISE`. ``folded``: every source is at its code or at the opposite
    point, as likely: a linear probe sees nothing of the classes.
    """

    classes: int
    width: int = 32
    noise: float = LOW_NOISE
    redraw: float = 0.0
    misplaced: float = 0.0
    per_source: int = 1
    sizes: tuple[int, int, int] = (1024, 512, 1024)
    copies: int = 1
    known: tuple[int, int] = (0, 0)
    folded: bool = False

    @property
    def channel(self):
        """As an experiment declares it: it knows nothing of noise."""
        return LabelChannel.uniform(self.classes, self.redraw)

    @property
    def codes(self):
        codes = np.random.default_rng(self.classes).standard_normal((self.classes, self.width))
        return codes / np.linalg.norm(codes, axis=1, keepdims=True)

    def samples(self, seed):
        """Freshly drawn splits, of disjoint sources."""
        drawn = {split: self._images(np.random.default_rng([seed, number]), n, number * 10**6)
                 for number, (split, n) in enumerate(zip(SPLITS, self.sizes, strict=True))}  # fmt: skip
        if any(self.known):
            rng, labels = np.random.default_rng([seed, 9]), drawn["train"][1]
            by_heart = self.codes[labels] + LOW_NOISE * rng.standard_normal((len(labels), self.width))
            drawn["train"] = (by_heart.astype(np.float32), *drawn["train"][1:])
            for split, count in zip(("validation", "test"), self.known, strict=True):
                drawn[split] = tuple(np.concatenate([of, seen[:count]])
                                     for of, seen in zip(drawn[split], drawn["train"], strict=True))  # fmt: skip
        return {split: self._filed(*images, number * 10**6) for number, (split, images) in enumerate(drawn.items())}

    def _filed(self, h, labels, sources, first):
        """``copies`` files of every image; images are known by their embeddings, which in noise are all different."""
        h, labels, sources = (np.tile(of, (self.copies,) + (1,) * (of.ndim - 1)) for of in (h, labels, sources))
        if self.copies > 1:
            sources = first + np.arange(len(h))
        ids = identities_of_rows(h)
        rows = distinct_rows(ids, labels)
        couple = among(WithinClass(labels[rows], self.classes, redraw=self.redraw), rows, len(h))
        return Sample(h, labels, Origin(identities=ids, sources=sources), couple)

    def _images(self, rng, n, first):
        sources = n // self.per_source
        of, labels = np.arange(n) % sources, rng.integers(self.classes, size=sources)
        shown = np.where(rng.random(sources) < self.misplaced, rng.integers(self.classes, size=sources), labels)
        share = 0.9 if self.per_source > 1 else 0.0
        common, own = rng.standard_normal((sources, self.width)), rng.standard_normal((n, self.width))
        centres = self.codes[shown]
        if self.folded:
            centres = centres * rng.choice((-1.0, 1.0), size=(sources, 1))
        h = centres[of] + self.noise * (share * common[of] + np.sqrt(1 - share**2) * own)
        return h.astype(np.float32), labels[of], first + of


@lru_cache
def truth_bits(problem):
    """I(h_X; h_Y): of the labels' channel where codes tell their class, else by the exact posterior (Monte Carlo).

    A source misplaced on either side is as good as redrawn. Pairs of two sources, as if there were many.
    """
    if problem.noise <= 0.1:
        kept = (1 - problem.redraw) * (1 - problem.misplaced) ** 2
        return LabelChannel.uniform(problem.classes, 1 - kept).information_bits
    rng, codes, shape = np.random.default_rng(0), problem.codes, (TRUTH_PAIRS, problem.width)
    classes = rng.integers(problem.classes, size=TRUTH_PAIRS)
    noisy = (codes[classes] + problem.noise * rng.standard_normal(shape) for _ in range(2))
    log_x, log_y = (log_softmax(_log_likelihood(problem, h), axis=1) for h in noisy)
    return bits(float((logsumexp(log_x + log_y, axis=1) + np.log(problem.classes)).mean()))


def _log_likelihood(problem, h):
    """log p(h | class) up to a constant of h; folded classes have two centres, which are alike by symmetry."""
    near = h @ problem.codes.T / problem.noise**2
    return np.logaddexp(near, -near) if problem.folded else near


def asked(samples, channel, *others, settings=SMALL, k_est=256, batches=4, report=ignore):
    """Learned critics and the probe, and ``others``."""
    problem = estimation.Problem(samples=samples, labels=channel, k_est=k_est, batches=batches, seed=settings.seeds[0])
    learned = LearnedCritics(settings=settings, report=report)
    return estimate(problem, learned, ProbeCritic(penalties=(3e-4,), hidden=settings.hidden), *others)


def shuffled(sample):
    """The same embeddings in another order: independent of the classes that couples are drawn by."""
    return replace(sample, h=np.random.default_rng(9).permutation(sample.h))


@lru_cache
def easy(classes=4, redraw=0.0):
    """Samples and estimate of codes that tell their class."""
    problem = Problem(classes=classes, redraw=redraw)
    samples = problem.samples(0)
    return samples, asked(samples, problem.channel)


def full(classes, seed=0):
    """What must hold: 4096 test images, K_est = 4096, the declared critics."""
    sizes = (8192, 4096, 4096)
    problem = Problem(classes=classes, width=128, sizes=sizes)
    return problem.channel, asked(problem.samples(seed), problem.channel, settings=DEFAULTS, k_est=4096)


def close_to_the_truth(channel, found):
    """The bounds that every low-noise problem is held to."""
    truth, readings = channel.entropy_bits, found.readings
    assert readings["nominal"].bits == pytest.approx(truth, abs=0.02)
    assert readings["strict"].bits == pytest.approx(channel.strict_ceiling_bits(4096), abs=0.03)
    assert readings["probe"].bits == pytest.approx(truth, abs=0.03)
    assert found.certified, found.reasons
