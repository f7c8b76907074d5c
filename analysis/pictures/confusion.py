"""The confusion of linear probes: which class of the test images is taken for which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from analysis.pictures.cells import Seen, of_all
from analysis.pictures.files import margin, save_picture, write_around
from analysis.pictures.labels import class_names
from analysis.style import INK, PAPER, ink_on
from mi_ray.compute.numerics.blocks import tensor_of
from mi_ray.compute.probes.logistic import fit_probes
from mi_ray.experiments.declare.measures import LINEAR
from mi_ray.experiments.images.pairs import labelled
from mi_ray.experiments.images.prepared import PreparedData

STEM = "probe-confusion"
PENALTY = f"{LINEAR}penalty"
WRITTEN, TICKED = 6, 16
"""Most classes whose shares are written into the cells, and whose names stand on the axes."""

SHADES = LinearSegmentedColormap.from_list(STEM, ("#f4f6f8", "#cfe0ea", "#8fbcd4", "#4a90b8", "#1f6391", "#0b3a63"))
SIDE, GAP, LEFT, TOP = 1.45, 0.72, 1.5, 0.62
"""Inches: a matrix, the gap between them, which holds the names of classes, and the margins."""


@dataclass(frozen=True, eq=False)
class Confusion:
    """``shares`` [true, predicted]: of the test images of a class, those that the probe takes for each class."""

    evaluation: Seen
    encoder: str
    task: str
    counts: np.ndarray
    classes: list[str]

    @property
    def shares(self) -> np.ndarray:
        return self.counts / np.maximum(self.counts.sum(1, keepdims=True), 1)

    @property
    def accuracy(self) -> float:
        """The share of all test images that the probe takes for their class."""
        return float(np.trace(self.counts) / max(self.counts.sum(), 1))


def confusions(
    evaluations: Mapping[str, Seen], h: Mapping[str, np.ndarray], data: PreparedData, encoder: str
) -> list[Confusion]:
    """The confusions of committed evaluations of one embedding, by task.

    The probes are those of `mi_ray.compute.probes`: fitted on train with the penalty that the committed result holds,
    which validation images have chosen, and asked once about test images. Nothing is chosen here.
    """
    splits = {split: data.split(split) for split in ("train", "test")}
    penalties = {task: float(seen.cell.result[PENALTY]) for task, seen in evaluations.items()}
    tried = sorted(set(penalties.values()))
    train = {task: labelled(task, splits["train"]) for task in evaluations}
    probes = fit_probes(
        tensor_of(h["train"]),
        [torch.from_numpy(np.ascontiguousarray(labels)) for labels, _ in train.values()],
        [n for _, n in train.values()],
        tried,
    )
    found, names = [], data.names("test")
    for place, (task, seen) in enumerate(evaluations.items()):
        predicted = probes.predictions(tensor_of(h["test"]), place)[:, tried.index(penalties[task])].numpy()
        labels, n = labelled(task, splits["test"])[0], train[task][1]
        counts = np.bincount(labels * n + predicted, minlength=n * n).reshape(n, n)
        found.append(Confusion(seen, encoder, task, counts, class_names(task, labels, n, names)))
    return found


def draw(found: Sequence[Confusion], shown: int, there: int, out: Path) -> list[Path]:
    """Write ``probe-confusion``.png and .csv; ``shown`` of ``there`` encoders are drawn."""
    if not found:
        return []
    rows = [
        {
            "key": one.evaluation.key, "encoder": one.encoder, "task": one.task, "class": one.classes[true],
            "predicted": one.classes[guess], "value": round(float(one.shares[true, guess]), 4),
            "images": int(one.counts[true, guess]),
        }
        for one in found
        for true, guess in zip(*np.nonzero(one.counts), strict=True)
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(out / f"{STEM}.csv", index=False)
    lines = [
        f"{of_all(shown, there, 'encoders')}; true class down, predicted across, rows sum to 100 %; bold: accuracy",
        "no evaluation commits its predictions: these are of the same probe, fitted again on the committed train"
        " embeddings with the committed penalty, which validation images chose; test images choose nothing",
    ]
    return [save_picture(lambda: figure(found, lines), out / f"{STEM}.png", alt_of(found)), out / f"{STEM}.csv"]


def alt_of(found: Sequence[Confusion]) -> str:
    """In words: the accuracy of each probe, and the two classes that it confuses most."""
    told = []
    for one in found:
        wrong = one.shares * (1 - np.eye(len(one.shares)))
        true, guess = np.unravel_index(wrong.argmax(), wrong.shape)
        most = f", most often {one.classes[true]} for {one.classes[guess]}" if wrong.max() > 0 else ""
        told.append(f"{one.encoder}, task {one.task}: {100 * one.accuracy:.0f} % right{most}")
    return "Confusion matrices of linear probes on test images; " + "; ".join(told)


def figure(found: Sequence[Confusion], lines: Sequence[str]) -> Figure:
    """A row per encoder, a column per task."""
    encoders, tasks = (
        list(dict.fromkeys(values)) for values in zip(*((o.encoder, o.task) for o in found), strict=True)
    )
    across = max(LEFT + len(tasks) * (SIDE + GAP), 4.6)
    foot = margin(lines, across)
    up = TOP + len(encoders) * (SIDE + GAP) + foot
    drawn = Figure(figsize=(across, up), facecolor=PAPER)
    for one in found:
        left = LEFT + tasks.index(one.task) * (SIDE + GAP)
        bottom = up - TOP - SIDE - encoders.index(one.encoder) * (SIDE + GAP)
        axes = drawn.add_axes((left / across, bottom / up, SIDE / across, SIDE / up))
        draw_matrix(axes, one)
        axes.set_title(f"{one.task}, {100 * one.accuracy:.0f} %", fontsize=7.5, weight="bold", color=INK, pad=3)
    for row, name in enumerate(encoders):
        middle = up - TOP - SIDE / 2 - row * (SIDE + GAP)
        drawn.text(0.1 / across, middle / up, name.replace(" ", "\n"), fontsize=7.5, color=INK, va="center")
    write_around(drawn, "Confusion of linear probes, %", lines)
    return drawn


def draw_matrix(axes: Axes, one: Confusion) -> None:
    """Shades, and shares and names of classes where they are few enough to be read."""
    n = len(one.classes)
    axes.imshow(one.shares, cmap=SHADES, vmin=0, vmax=1, interpolation="nearest")
    if n <= WRITTEN:
        for (true, guess), share in np.ndenumerate(one.shares):
            axes.text(
                guess, true, f"{100 * share:.0f}", fontsize=7, ha="center", va="center", color=ink_on(SHADES(share))
            )
    if n <= TICKED:
        axes.set_xticks(range(n), one.classes, rotation=90 if max(map(len, one.classes)) * n > 14 else 0)
        axes.set_yticks(range(n), one.classes)
    else:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlabel(f"{n} classes, named in the .csv", fontsize=6.5, color=INK)
    axes.tick_params(length=0, labelsize=6 if n <= WRITTEN else 4.5, colors=INK, pad=2)
    axes.spines[:].set_visible(False)
