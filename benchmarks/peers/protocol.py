"""The protocol of a peer: one process per call reads pairs from a file and prints one line of JSON. Needs numpy only.

    <python of the peer's environment> benchmarks/peers/<peer>.py problem.npz SEED CHOICE

A peer offers three choices of its settings; choice 0 is its documented default, except for the length of training. Its
script calls `main` with a function of the three splits, a seed and a choice. The function returns two values in bits,
on the test pairs and on the validation pairs; the second is None if the peer has no such score, and then the peer is
not tuned. The file holds the truth too, but `main` does not pass it on. The line of JSON has bits, validation_bits, and
seconds of processor time, which depends less on how busy the machine is than wall time does.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from math import log

import numpy as np

BITS_PER_NAT = 1 / log(2.0)
FARTHEST = 10.0


@dataclass(frozen=True)
class Pairs:
    """Pairs of one split: ``x``, ``y`` float32 [n, d], with their classes ``cx``, ``cy`` int64 [n]."""

    x: np.ndarray
    y: np.ndarray
    cx: np.ndarray
    cy: np.ndarray


@dataclass(frozen=True)
class Splits:
    """The data of a peer: it is fitted on ``train``, stopped and selected on ``validation``, and scored on ``test``."""

    train: Pairs
    validation: Pairs
    test: Pairs
    n_classes: int

    def standardised(self) -> Splits:
        """The splits with every feature at mean 0 and sd 1 on the training pairs, and values clipped at 10 sd (as in
        LMI)."""
        return Splits(*(self._standardise(p) for p in (self.train, self.validation, self.test)), self.n_classes)

    def _standardise(self, pairs: Pairs) -> Pairs:
        x, y = _standard(pairs.x, self.train.x), _standard(pairs.y, self.train.y)
        return Pairs(x, y, pairs.cx, pairs.cy)


Values = tuple[float, float | None]


def main(estimate: Callable[[Splits, int, int], Values]) -> None:
    """Answer one call: print its line of JSON. Output of the peer itself goes to stderr."""
    path, seed, choice = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    splits = _read(path)
    started = time.process_time()
    with redirect_stdout(sys.stderr):
        bits, validation_bits = estimate(splits, seed, choice)
    seconds = time.process_time() - started
    print(json.dumps({"bits": bits, "validation_bits": validation_bits, "seconds": seconds}))


def _read(path: str) -> Splits:
    with np.load(path) as file:
        splits = [Pairs(*(file[f"{s}_{a}"] for a in ("hx", "hy", "cx", "cy"))) for s in ("train", "validation", "test")]
        return Splits(*splits, n_classes=int(file["n_classes"]))


def _standard(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    sd = reference.std(axis=0)
    return np.clip((values - reference.mean(axis=0)) / np.where(sd > 0, sd, 1), -FARTHEST, FARTHEST)
