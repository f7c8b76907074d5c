"""Images of a data set and its positive pairs, as the training sees them in its first step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import UInt8
from matplotlib.figure import Figure

from analysis.pictures.cells import of_all, spread
from analysis.pictures.files import margin, save_picture, write_around
from analysis.style import FAINT, INK, PAPER
from mi_ray.compute.images.image_set import ImageSet
from mi_ray.compute.images.pixels import MEAN, STD
from mi_ray.compute.pairs.augmentation import Rows
from mi_ray.compute.pairs.feed import Request, feed_of, pairs_of_step
from mi_ray.experiments.declare import SameClass, Training
from mi_ray.experiments.images.pairs import couple, view
from mi_ray.experiments.images.prepared import PreparedData, prepared
from mi_ray.experiments.plan.plan import Plan
from mi_ray.experiments.store.store import Store

STEM = "positive-pairs"
COLUMNS, MOST = 10, 8
"""Images of a row, and most pairings that are shown."""

SIDE, BETWEEN, LEFT, TOP = 0.56, 0.16, 1.5, 0.36
"""Inches: an image, the gap between pairings, and the margins."""

Montage = UInt8[np.ndarray, "n side side 3"]


@dataclass(frozen=True, eq=False)
class Row:
    """A row of images with its label; ``rows``: their places in the split."""

    label: str
    images: Montage
    rows: np.ndarray
    names: Sequence[str]


def first_images(images: ImageSet, names: Sequence[str], n: int = COLUMNS) -> Row:
    """``n`` images at even distances in a split, without a view."""
    rows = np.linspace(0, len(images) - 1, min(n, len(images))).round().astype(np.int64)
    shown = images.pixels(rows).transpose(0, 2, 3, 1)
    return Row("images of train", shown, rows, [names[row] for row in rows.tolist()])


def first_pairs(training: Training, images: ImageSet, names: Sequence[str], n: int = COLUMNS) -> tuple[Row, Row]:
    """The first ``n`` positive pairs of the first step of ``training``: its x, and below them their partners y.

    They come from the couple, the view, the feed and the seed of the training itself.
    """
    k = training.k_tr
    chosen = np.arange(min(n, k))
    rows = Rows(np.concatenate([chosen, k + chosen]), batch=2 * k)

    def request(step: int) -> Request:
        return pairs_of_step(couple(training.pairing, images), k, rows, seed=training.seed, step=step)

    views = feed_of(images, request, view(training.pairing), steps=1, device=torch.device("cpu"))(0)
    shown = views.mul(STD).add(MEAN).clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).numpy()
    indices, half = request(0).indices, len(chosen)
    return (
        Row("x", shown[:half], indices[:half], [names[row] for row in indices[:half].tolist()]),
        Row("y", shown[half:], indices[half:], [names[row] for row in indices[half:].tolist()]),
    )


def title_of(training: Training) -> str:
    """What makes a pair: the class of a task, or two views of an image."""
    pairing = training.pairing
    if isinstance(pairing, SameClass):
        return f"{pairing.name}: same class"
    return f"{pairing.name}: two views"


def draw_plan(plan: Plan, store: Store, out: Path) -> list[Path]:
    """The pairs of every pairing that the trainings of ``plan`` use; no file where the images are not prepared."""
    trainings = [cell.declaration for cell in plan.cells.values() if isinstance(cell.declaration, Training)]
    known = {training.data: prepared(training.data, store) for training in trainings}
    return draw([(training, data) for training in trainings if (data := known[training.data])], out)


def draw(trainings: Sequence[tuple[Training, PreparedData]], out: Path) -> list[Path]:
    """Write ``positive-pairs``.png and .csv: for each data set some images, then the pairs of each pairing once."""
    distinct = {(data.digest, training.pairing): (training, data) for training, data in trainings}
    chosen = spread(list(distinct.values()), MOST)
    if not chosen:
        return []
    blocks: list[tuple[str, list[Row]]] = []
    for digest in dict.fromkeys(data.digest for _, data in chosen):
        of_set = [(training, data) for training, data in chosen if data.digest == digest]
        _, data = of_set[0]
        images, names = data.split("train"), data.names("train")
        blocks.append((type(of_set[0][0].data).__name__, [first_images(images, names)]))
        blocks += [(title_of(training), list(first_pairs(training, images, names))) for training, _ in of_set]
    table = [
        {"block": title, "row": row.label, "place": place, "train_image": index, "image": name}
        for title, rows in blocks
        for row in rows
        for place, (index, name) in enumerate(zip(row.rows.tolist(), row.names, strict=True))
    ]
    pd.DataFrame(table).to_csv(out / f"{STEM}.csv", index=False)
    seeds = ", ".join(sorted({str(training.seed) for training, _ in chosen}))
    lines = [
        f"{of_all(len(chosen), len(distinct), 'pairings')}; first pairs of the first step of a training with each",
        f"drawn by the training's own couple, view and seed ({seeds}); x above its partner y",
    ]
    paired = "; ".join(title for title, rows in blocks if len(rows) > 1)
    alt = f"Rows of images and of positive pairs, each image x above its partner y, for the pairings {paired}"
    return [save_picture(lambda: figure(blocks, lines), out / f"{STEM}.png", alt), out / f"{STEM}.csv"]


def figure(blocks: Sequence[tuple[str, list[Row]]], lines: Sequence[str]) -> Figure:
    """The blocks below each other, each with its title at its left."""
    heights = [SIDE * len(rows) + BETWEEN for _, rows in blocks]
    across = LEFT + SIDE * COLUMNS + 0.1
    foot = margin(lines, across)
    up = TOP + sum(heights) + foot
    drawn = Figure(figsize=(across, up), facecolor=PAPER)
    top = up - TOP
    for (title, rows), height in zip(blocks, heights, strict=True):
        for place, row in enumerate(rows):
            draw_row(drawn, row.images, LEFT, top - SIDE * (place + 1))
            if len(rows) > 1:
                middle = (top - SIDE * (place + 0.5)) / up
                drawn.text((LEFT - 0.1) / across, middle, row.label, fontsize=7, color=FAINT, ha="right", va="center")
        drawn.text(0.1 / across, (top - 0.1) / up, title.replace(": ", "\n"), fontsize=8, color=INK, va="top")
        top -= height
    write_around(drawn, "Images and positive pairs, as a training sees them", lines)
    return drawn


def draw_row(drawn: Figure, images: Montage, left: float, bottom: float) -> None:
    """One row of images, ``left`` and ``bottom`` inches from the corner, each `SIDE` wide with its gap."""
    across, up = drawn.get_size_inches()
    side = images.shape[1]
    apart = max(1, side // 20)
    framed = np.pad(images, ((0, 0), (0, apart), (0, apart), (0, 0)), constant_values=255)
    axes = drawn.add_axes((left / across, bottom / up, SIDE * len(images) / across, SIDE / up))
    axes.imshow(np.hstack(list(framed)), interpolation="nearest" if side < 64 else "antialiased", aspect="auto")
    axes.axis("off")
