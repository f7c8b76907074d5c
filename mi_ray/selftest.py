"""Self-test of the estimator on this machine: problems with known answers, and the readings of each.

    python -m mi_ray.selftest        # about a minute; exit 1 if a verdict is not "holds"

Independence, data processing and additivity are the self-consistency tests of Song & Ermon (2020); the label channel is
a calibration curve with known truth; the ceilings say what a perfect encoder reads at finite K.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mi_ray.compute.estimation.critics import Settings
from mi_ray.compute.estimation.estimate import Estimate, estimate
from mi_ray.compute.estimation.learned import LearnedCritics
from mi_ray.compute.estimation.probe import ProbeCritic
from mi_ray.compute.estimation.problem import Problem
from mi_ray.compute.estimation.readings import draw_pairs, score
from mi_ray.compute.estimation.samples import Origin, Sample
from mi_ray.compute.images.duplicates import identities_of_rows
from mi_ray.compute.images.image_set import SPLITS
from mi_ray.compute.pairs.couples import WithinClass
from mi_ray.compute.seeding import stream
from mi_ray.theory.certificate import Reading
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.tasks import ATTRIBUTES, VALUES_PER_ATTRIBUTE, Task

IMAGES = {"train": 8192, "validation": 2048, "test": 2048}
WIDTH = 64
LOW, HIGH = 0.3, 3.0
"""Noise of class codes beside means of unit variance: classes can be told apart for sure, or often not."""

DEVIATIONS = 3.0
"""Standard errors within which a reading must be."""

SLACK_BITS = 0.05
"""Further error that is allowed because a critic trains for finitely many steps."""

Rows = Mapping[str, NDArray]
"""Values of every image [n, ...], by split."""


@dataclass(frozen=True)
class Line:
    """One check: the expected value, the reading, the allowed difference; one-sided if ``at_most``."""

    check: str
    expected: float
    read: float
    allowed: float
    at_most: bool = False

    @property
    def holds(self) -> bool:
        excess = self.read - self.expected
        return (excess if self.at_most else abs(excess)) <= self.allowed

    def __str__(self) -> str:
        sign = "<=" if self.at_most else "  "
        verdict = "holds" if self.holds else "FAILS"
        return f"{self.check:<58} {sign} {self.expected:6.3f}   {self.read:6.3f}   {self.allowed:5.3f}   {verdict}"


def independence() -> Iterator[Line]:
    """Embeddings in another order than their classes share nothing with their partners."""
    labels = _classes(16)
    h = {split: stream(0, f"shuffle {split}").permutation(rows) for split, rows in _codes(labels, 16, LOW).items()}
    for name, reading in _estimated(h, labels, LabelChannel.uniform(16)).readings.items():
        yield _line(f"independence: shuffled embeddings, {name}", 0.0, reading)


def data_processing() -> Iterator[Line]:
    """A random projection of h never reads more than h."""
    labels, channel = _classes(16), LabelChannel.uniform(16)
    h = _codes(labels, 16, HIGH)
    whole = _estimated(h, labels, channel).readings
    for width in (16, 4):
        projection = stream(0, "projection", width).standard_normal((WIDTH, width)).astype(np.float32)
        part = _estimated({split: rows @ projection for split, rows in h.items()}, labels, channel).readings
        for name in ("nwj", "probe"):
            error = np.hypot(part[name].standard_error_bits, whole[name].standard_error_bits)
            check = f"data processing: {width} random directions, {name}"
            yield Line(check, whole[name].bits, part[name].bits, DEVIATIONS * error, at_most=True)


def additivity() -> Iterator[Line]:
    """Colour, digit and position are independent: 2 + 2 + 2 bits of the classes of CDP."""
    values = {split: stream(1, split).integers(VALUES_PER_ATTRIBUTE, size=(n, 3)) for split, n in IMAGES.items()}
    codes = [_codes({s: v[:, a] for s, v in values.items()}, VALUES_PER_ATTRIBUTE, LOW, seed=a) for a in range(3)]
    h = {split: np.concatenate([code[split] for code in codes], axis=1) for split in SPLITS}
    for name in (*ATTRIBUTES, "all"):
        task = Task(name)
        labels = {split: task.labels(rows) for split, rows in values.items()}
        readings = _estimated(h, labels, LabelChannel.uniform(task.n_classes)).readings
        for critic in ("nominal", "probe"):
            yield _line(f"additivity: {name} of colour, digit, position, {critic}", task.entropy_bits, readings[critic])


def calibration() -> Iterator[Line]:
    """The label channel dials the truth from H(C) down to nothing; critics without labels may lag behind."""
    labels = _classes(16)
    h = _codes(labels, 16, LOW)
    for redraw in (0.0, 0.1, 0.3, 0.6, 1.0):
        channel = LabelChannel.uniform(16, redraw)
        readings, truth = _estimated(h, labels, channel).readings, channel.information_bits
        check = f"calibration: label channel, redraw {redraw:g}"
        yield _line(f"{check}, nwj", truth, readings["nwj"], at_most=True)
        yield _line(f"{check}, probe", truth, readings["probe"])


def ceilings() -> Iterator[Line]:
    """A perfect encoder at finite K: the closed forms against pairs that were drawn."""
    n = IMAGES["test"]
    for n_classes, k in ((4, 16), (16, 64), (64, 64), (64, 256), (64, 1024)):
        labels, channel = np.arange(n) % n_classes, LabelChannel.uniform(n_classes)
        z = torch.eye(n_classes)[labels]
        couple = WithinClass(labels, n_classes)
        pairs = draw_pairs(couple, np.arange(n), k=k, batches=2**15 // k, seed=0, purpose="ceilings")
        scores = score(z, pairs, temperature=0.02)
        error = DEVIATIONS * scores.strict.std() / np.sqrt(scores.strict.size) + 0.01
        yield Line(
            f"ceiling: C = {n_classes}, K = {k}, nominal", channel.nominal_ceiling_bits(k), scores.nominal_bits, error
        )
        yield Line(
            f"ceiling: C = {n_classes}, K = {k}, strict", channel.strict_ceiling_bits(k), scores.strict_bits, error
        )


CHECKS: tuple[Callable[[], Iterator[Line]], ...] = (independence, data_processing, additivity, calibration, ceilings)


def _classes(n_classes: int) -> Rows:
    return {split: stream(0, f"classes {split}").integers(n_classes, size=n) for split, n in IMAGES.items()}


def _codes(labels: Rows, n_classes: int, noise: float, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """A random direction for each class, and Gaussian noise of deviation ``noise`` around it: [n, WIDTH]."""
    means = stream(seed, "means").standard_normal((n_classes, WIDTH))
    return {
        split: (means[classes] + noise * stream(seed, f"noise {split}").standard_normal((len(classes), WIDTH)))
        .astype(np.float32)
        for split, classes in labels.items()
    }  # fmt: skip


def _estimated(h: Rows, labels: Rows, channel: LabelChannel) -> Estimate:
    first = dict(zip(SPLITS, np.cumsum([0, *IMAGES.values()]), strict=False))
    samples = {
        split: Sample(
            h[split],
            labels[split],
            Origin(identities=identities_of_rows(h[split]), sources=first[split] + np.arange(len(h[split]))),
            WithinClass(labels[split], len(channel.prior), redraw=channel.redraw),
        )
        for split in SPLITS
    }
    settings = Settings(
        hidden=256, out=64, temperature=0.12, seeds=(0, 1), k=128, steps=200, learning_rate=1e-2, weight_decay=1.0,
        patience=4,
    )  # fmt: skip
    problem = Problem(samples=samples, labels=channel, k_est=1024, batches=4, seed=settings.seeds[0])
    return estimate(problem, LearnedCritics(settings=settings), ProbeCritic(penalties=(3e-4, 1e-2), hidden=256))


def _line(check: str, expected: float, reading: Reading, *, at_most: bool = False) -> Line:
    return Line(check, expected, reading.bits, DEVIATIONS * reading.standard_error_bits + SLACK_BITS, at_most)


def main() -> int:
    """Print a line per check as it is done; 1 if any fails."""
    print(f"{'bits':<58}  {'expected':>8}   {'read':>6}   {'+-':>5}   verdict")
    failed = 0
    for check in CHECKS:
        for line in check():
            print(line, flush=True)
            failed += not line.holds
    print("all hold" if not failed else f"{failed} FAIL")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
