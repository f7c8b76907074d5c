"""Pairs of embeddings whose mutual information is known: the input of every estimator of `estimators`.

    python benchmarks/problems.py classes-16-low 0 problem.npz     # write one instance, to try a peer by hand
    python benchmarks/problems.py list [store]

An instance is one .npz: for each split (train, validation, test) `<split>_hx`, `<split>_hy` float32 [n, d] and the
classes `<split>_cx`, `<split>_cy` int64 [n]; and `true_bits`, `truth_se_bits`, `n_classes`. Pairs are independent, and
the classes of a split are drawn uniformly, never balanced.

`classes-<C>-<noise>` and `channel-<redraw>` are Gaussian classes. `cdp-<task>` are embeddings of CDP images by the
encoder that a store holds for the pairing `all`; pairs of a split come from images of that split alone. Their truth is
H(C) exactly where the embedding tells the class, and otherwise at most that.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from math import log2
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from scipy.special import log_softmax, logsumexp

from mi_ray.compute.images.image_set import SPLITS
from mi_ray.compute.pairs.couples import WithinClass
from mi_ray.compute.seeding import stream
from mi_ray.experiments.declare import CDP
from mi_ray.experiments.images.prepared import prepared
from mi_ray.experiments.store.files import read_json
from mi_ray.experiments.store.store import CommittedCell, Store
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import NATS_PER_BIT
from mi_ray.theory.tasks import Task

DIMENSION = 128
NOISE = {"low": 0.10, "high": 0.30}
"""Noise sd around unit-norm class codes: classes are separate, or overlap."""
PAIRS = {"train": 4096, "validation": 2048, "test": 2048}
TRUTH_PAIRS, TRUTH_PARTS = 200_000, 20

Arrays = dict[str, NDArray]


@dataclass(frozen=True)
class Problem:
    """``draw(seed)`` gives an instance; ``upper`` says that ``true_bits`` is certain only as an upper bound."""

    name: str
    draw: Callable[[int], Arrays]
    upper: bool = False


def problems(store: Path) -> tuple[list[Problem], dict[str, str]]:
    """Every problem that can be drawn here, and the names of those that cannot with the reason."""
    gaussian = [
        Problem(f"classes-{c}-{noise}", partial(_gaussian, c, noise, 0.0)) for noise in NOISE for c in (4, 16, 64)
    ]
    gaussian += [Problem(f"channel-{redraw:g}", partial(_gaussian, 16, "low", redraw)) for redraw in (0.1, 0.3)]
    tasks = [Task("color"), Task("color+position"), Task("all")]
    try:
        encoder = _encoder(Store(store))
    except LookupError as absent:
        return gaussian, {f"cdp-{task.name}": str(absent) for task in tasks}
    return gaussian + [Problem(f"cdp-{t.name}", partial(_embedded, store, encoder, t), upper=True) for t in tasks], {}


def _gaussian(n_classes: int, noise: str, redraw: float, seed: int) -> Arrays:
    codes, sd = class_codes(n_classes), NOISE[noise]
    truth = (LabelChannel.uniform(n_classes, redraw).information_bits, 0.0) if redraw else true_bits(n_classes, noise)
    instance = _truth(truth, n_classes)
    for split, n in PAIRS.items():
        rng = stream(seed, f"gaussian {n_classes} {noise} {redraw} {split}")
        cx = rng.integers(n_classes, size=n)
        cy = np.where(rng.random(n) < redraw, rng.integers(n_classes, size=n), cx)
        hx, hy = (codes[c] + sd * rng.standard_normal((n, DIMENSION)) for c in (cx, cy))
        instance |= _split(split, hx, hy, cx, cy)
    return instance


def class_codes(n_classes: int) -> NDArray[np.float64]:
    """Class means [C, d]: random directions of unit norm, the same for every seed, so that the truth is one number."""
    codes = stream(0, f"class codes {n_classes}").standard_normal((n_classes, DIMENSION))
    return codes / np.linalg.norm(codes, axis=1, keepdims=True)


@cache
def true_bits(n_classes: int, noise: str) -> tuple[float, float]:
    """I(X; Y) in bits and its standard error: the mean of log sum_c p(c|x) p(c|y) / p(c) over fresh pairs.

    X and Y are independent given their class and p(c|x) is known exactly, so this is the log density ratio itself.
    """
    codes, sd = class_codes(n_classes), NOISE[noise]
    rng = stream(0, f"truth {n_classes} {noise}")
    ratios = np.concatenate([_log2_ratios(codes, sd, TRUTH_PAIRS // TRUTH_PARTS, rng) for _ in range(TRUTH_PARTS)])
    return float(ratios.mean()), float(ratios.std(ddof=1) / np.sqrt(len(ratios)))


def _log2_ratios(codes: NDArray, sd: float, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    classes = rng.integers(len(codes), size=n)
    log_px, log_py = (
        log_softmax((codes[classes] + sd * rng.standard_normal((n, DIMENSION))) @ codes.T / sd**2, axis=1)
        for _ in range(2)
    )
    return logsumexp(log_px + log_py, axis=1) / NATS_PER_BIT + log2(len(codes))


def _encoder(store: Store) -> CommittedCell:
    """The embedding of the most trained encoder with pairing ``all``; LookupError says why there is none."""
    cells = [CommittedCell(path) for path in sorted(store.cells.glob("embedding-*"))]
    trained = [(_training(cell)["views"], -_training(cell)["seed"], cell.key, cell) for cell in cells if _is_all(cell)]
    if not trained:
        raise LookupError(f"no encoder with pairing 'all' in store {str(store.root)!r}; run: make sweep")
    return max(trained)[-1]


def _is_all(cell: CommittedCell) -> bool:
    pairing = _training(cell)["pairing"]
    return pairing.get("task") == "all" and not pairing["redraw"]


def _training(cell: CommittedCell) -> dict:
    return _declaration(cell)["training"]


def _images(cell: CommittedCell) -> CDP:
    """The images of an embedding, as its record declares them."""
    return CDP(**{name: value for name, value in _declaration(cell)["data"].items() if name != "kind"})


def _declaration(cell: CommittedCell) -> dict:
    return read_json(cell.path / "declaration.json")


def _embedded(store: Path, encoder: CommittedCell, task: Task, seed: int) -> Arrays:
    images = prepared(_images(encoder), Store(store))
    assert images is not None, f"the store has lost the images of {encoder.key}"
    h = load_file(encoder.file("h.safetensors"))
    instance = _truth((task.entropy_bits, 0.0), task.n_classes)
    for split in SPLITS:
        labels = task.labels(images.split(split).attributes)
        draw = WithinClass(labels, task.n_classes)
        first, second = draw(PAIRS[split], stream(seed, f"benchmark {task.name} {split}"))
        instance |= _split(split, h[split][first], h[split][second], labels[first], labels[second])
    return instance


def _truth(truth: tuple[float, float], n_classes: int) -> Arrays:
    return {"true_bits": np.array(truth[0]), "truth_se_bits": np.array(truth[1]), "n_classes": np.array(n_classes)}


def _split(split: str, hx: NDArray, hy: NDArray, cx: NDArray, cy: NDArray) -> Arrays:
    return {
        f"{split}_hx": hx.astype(np.float32),
        f"{split}_hy": hy.astype(np.float32),
        f"{split}_cx": cx.astype(np.int64),
        f"{split}_cy": cy.astype(np.int64),
    }


def main(name: str, *arguments: str) -> None:
    """Write an instance, or list the problems with their truths."""
    if name == "list":
        drawable, absent = problems(Path(*arguments or ["runs"]))
        for problem in drawable:
            instance = problem.draw(0)
            print(f"{problem.name:<20} {'<=' if problem.upper else '  '} {instance['true_bits']:.4f} bits", end=" ")
            print(f"+- {instance['truth_se_bits']:.4f}, d = {instance['test_hx'].shape[1]}")
        for absentee, reason in absent.items():
            print(f"{absentee:<20} absent: {reason}")
        return
    seed, path, *store = arguments
    named = {problem.name: problem for problem in problems(Path(*store or ["runs"]))[0]}
    np.savez(path, **named[name].draw(int(seed)))


if __name__ == "__main__":
    main(*sys.argv[1:])
