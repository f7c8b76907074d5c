"""A map of embeddings: two principal components of h of some test images, coloured by the class of each task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.pictures.cells import Seen, of_all
from analysis.pictures.curves import INKS
from analysis.pictures.files import margin, save_picture, write_around
from analysis.pictures.labels import class_names
from analysis.style import INK, PAPER
from mi_ray.compute.seeding import stream
from mi_ray.experiments.images.pairs import labelled
from mi_ray.experiments.images.prepared import PreparedData

STEM = "embedding-map"
SAMPLE, SEED = 600, 0
"""Test images on a map, and the seed that draws them."""

NAMED = 8
"""Most classes of a task that have a colour and a name each; more of them share a scale of colours."""

CALLED = {"red": "#a3123f", "green": "#2f7a4a", "blue": "#1f6391", "white": "#8a8a8a"}
"""Colours of classes that are called like one; white would not be seen on paper."""

SIDE, GAP, LEFT, TOP, LEGEND = 1.35, 0.12, 1.25, 0.6, 0.125
"""Inches: a panel, the gap between them, the margins, and a line of the legend."""


@dataclass(frozen=True, eq=False)
class Mapped:
    """The map of an encoder: ``places`` [n, 2], the share of the variance that they keep, classes [n] by task."""

    seen: Seen
    places: np.ndarray
    kept: float
    images: list[str]
    classes: dict[str, list[str]]
    labels: dict[str, np.ndarray]


def mapped(seen: Seen, h: np.ndarray, data: PreparedData, tasks: Sequence[str]) -> Mapped:
    """The map of h [n, width] of the test images: at most `SAMPLE` of them, centred, on their two principal axes."""
    images, names = data.split("test"), data.names("test")
    rows = np.sort(stream(SEED, "embedding map").permutation(len(h))[:SAMPLE])
    places, kept = principal(h[rows])
    labels = {task: labelled(task, images)[0][rows] for task in tasks}
    called = {task: class_names(task, *labelled(task, images), names) for task in tasks}
    return Mapped(seen, places, kept, [names[row] for row in rows.tolist()], called, labels)


def principal(h: np.ndarray) -> tuple[np.ndarray, float]:
    """Rows of h [n, width] on their first two principal axes, [n, 2], and the share of the variance that these keep.

    The sign of an axis is that which makes its largest value positive, so that a map can be drawn again.
    """
    centred = h.astype(np.float64) - h.mean(0, dtype=np.float64)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    places = (u * s)[:, :2]
    largest = np.take_along_axis(places, np.abs(places).argmax(0)[None], axis=0)
    return places * np.where(largest < 0, -1, 1), float((s[:2] ** 2).sum() / max((s**2).sum(), 1e-300))


def draw(maps: Sequence[Mapped], there: int, out: Path) -> list[Path]:
    """Write ``embedding-map``.png and .csv; ``there``: encoders of the study."""
    if not maps:
        return []
    frames = [
        pd.DataFrame(
            {"key": known.seen.key, "encoder": known.seen.label, "image": known.images}
            | {f"pc{axis + 1}": known.places[:, axis].round(4) for axis in (0, 1)}
            | {task: [known.classes[task][label] for label in labels] for task, labels in known.labels.items()}
        )
        for known in maps
    ]
    pd.concat(frames).to_csv(out / f"{STEM}.csv", index=False)
    return [save_picture(lambda: figure(maps, there), out / f"{STEM}.png", alt_of(maps)), out / f"{STEM}.csv"]


def alt_of(maps: Sequence[Mapped]) -> str:
    """In words: for each encoder and task how far apart the classes lie on the map."""
    told = [
        f"{known.seen.label}: " + ", ".join(f"{task} {100 * apart(known.places, labels):.0f} %"
                                            for task, labels in known.labels.items())
        for known in maps
    ]  # fmt: skip
    return f"Test images on two principal components of h; share of their spread between classes, {'; '.join(told)}"


def apart(places: np.ndarray, labels: np.ndarray) -> float:
    """The share of the spread of ``places`` [n, 2] that lies between the means of classes: 0 mixed, 1 apart."""
    whole = ((places - places.mean(0)) ** 2).sum()
    means = np.stack([places[labels == label].mean(0) for label in labels])
    return float(((means - places.mean(0)) ** 2).sum() / max(whole, 1e-300))


def figure(maps: Sequence[Mapped], there: int) -> Figure:
    """A row per encoder and a column per task; the classes are named above their column where they are few."""
    tasks = list(dict.fromkeys(task for known in maps for task in known.labels))
    lines = caption(maps, there)
    across = max(LEFT + len(tasks) * (SIDE + GAP), 4.6)
    foot = margin(lines, across)
    few = [len(names) for known in maps for names in known.classes.values() if len(names) <= NAMED]
    up = TOP + len(maps) * (SIDE + GAP) + LEGEND * max(2, *few, 0) + foot
    drawn = Figure(figsize=(across, up), facecolor=PAPER)
    for row, known in enumerate(maps):
        bottom = up - TOP - (row + 1) * SIDE - row * GAP
        name = known.seen.label.replace(" ", "\n")
        drawn.text(0.1 / across, (bottom + SIDE / 2) / up, name, fontsize=7.5, color=INK, va="center")
        for column, task in enumerate(tasks):
            left = LEFT + column * (SIDE + GAP)
            axes = drawn.add_axes((left / across, bottom / up, SIDE / across, SIDE / up))
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_color("#d5d5d5")
            if task in known.labels:
                is_few, labels = len(known.classes[task]) <= NAMED, known.labels[task]
                shades = np.array(inks(known.classes[task]))[labels] if is_few else labels
                axes.scatter(known.places[:, 0], known.places[:, 1], s=2.2, c=shades, linewidths=0)
            if row == 0:
                axes.set_title(f"task {task}", fontsize=8, color=INK, pad=4)
            if row == len(maps) - 1:
                draw_legend(axes, next(known.classes[task] for known in maps if task in known.classes))
    write_around(drawn, "Map of embeddings", lines)
    return drawn


def inks(classes: Sequence[str]) -> list[str]:
    """A colour for each of a few classes; a class that is called like a colour has that one."""
    return [CALLED.get(name, ink) for name, ink in zip(classes, INKS, strict=False)]


def draw_legend(axes: Axes, classes: Sequence[str]) -> None:
    """The classes of a task below its column."""
    if len(classes) > NAMED:
        axes.set_xlabel(f"{len(classes)} classes on a scale,\nnamed in the .csv", fontsize=6.5, color=INK)
        return
    dots = [Line2D([], [], ls="", marker="o", ms=3.5, color=ink, label=name)
            for ink, name in zip(inks(classes), classes, strict=True)]  # fmt: skip
    axes.legend(handles=dots, loc="upper left", bbox_to_anchor=(-0.08, 0), fontsize=6, frameon=False, labelcolor=INK,
                handletextpad=0.1, labelspacing=0.15)  # fmt: skip


def caption(maps: Sequence[Mapped], there: int) -> list[str]:
    """How the images were drawn, and what the axes keep."""
    first = maps[0]
    kept = ", ".join(f"{100 * known.kept:.0f} %" for known in maps)
    return [
        f"{of_all(len(maps), there, 'encoders')}; {len(first.images)} test images drawn with seed {SEED}, for each"
        f" encoder on two principal components of their h, which keep {kept} of the variance",
    ]
