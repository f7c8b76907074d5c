"""Fig. 5 as curves: one row per encoder, one panel per augmentation; accuracy up, the estimate across."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.style import FAINT, INK, PAPER
from analysis.tables.per_encoder import panel_title
from analysis.tables.settings import settings_of

STYLE = {"font.size": 8.5, "axes.linewidth": 0.7, "axes.edgecolor": FAINT}
RULE, GUIDE = "#e4e4e4", "#cfcfcf"
COLOURS = {"color": "#a3123f", "digit": "#d07f45", "position": "#3f8f5b", "all": INK}
MARKERS = {"color": "o", "digit": "s", "position": "^", "all": "D"}
TITLES = {"jitter": "colour jitter, by strength", "crop": "resized crop, by least share kept"}
LABEL_GAP = 0.36
"""Inches: the least distance between labels of strengths."""

PANEL, HEIGHT, GAP, BETWEEN, LEFT, RIGHT, TOP, BOTTOM = 3.5, 2.5, 0.75, 1.15, 0.72, 0.3, 0.86, 1.16
"""Inches: a panel's width and height, gaps across and down, and the margins."""


def draw_curves(tidy: pd.DataFrame, origin: str = "") -> Figure:
    """Panels of all encoders and augmentations, with a caption that explains colours, rings and error bars, and ends
    in ``origin``."""
    names = settings_of(tidy.columns, "augmentation")
    kinds = list(tidy["augmentation"].unique())
    encoders = list(tidy.groupby(names, sort=False))
    figure, grid = panel_grid(len(encoders), len(kinds))
    for row, (values, of_encoder) in zip(grid, encoders, strict=True):
        for letter, axes, kind in zip("abcdefgh", row, kinds, strict=False):
            write = partial(axes.annotate, xycoords="axes fraction", textcoords="offset points", va="bottom")
            write(f"({letter}) {TITLES[kind]}", (0, 1), (0, 19), ha="left", color=INK)
            write(panel_title(names, values), (1, 1), (0, 19), ha="right", color=FAINT, fontsize=8)
            draw_panel(axes, of_encoder[of_encoder["augmentation"] == kind])
        row[0].set_ylabel("linear accuracy, %", color=INK)
    _write_around(figure, tidy, origin)
    return figure


def panel_grid(rows: int, columns: int) -> tuple[Figure, list[list[Axes]]]:
    """A figure just large enough for its panels and caption, and the axes of the panels row by row."""
    width = LEFT + columns * (PANEL + GAP) - GAP + RIGHT
    height = BOTTOM + rows * (HEIGHT + BETWEEN) - BETWEEN + TOP
    figure = Figure(figsize=(width, height), facecolor=PAPER)
    grid: list[list[Axes]] = [[] for _ in range(rows)]
    for row, column in np.ndindex(rows, columns):
        left, bottom = LEFT + column * (PANEL + GAP), BOTTOM + (rows - 1 - row) * (HEIGHT + BETWEEN)
        axes = figure.add_axes((left / width, bottom / height, PANEL / width, HEIGHT / height))
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(length=0, colors=INK, pad=4)
        axes.grid(axis="y", color=RULE, lw=0.6)
        axes.set_axisbelow(True)
        grid[row].append(axes)
    return figure, grid


def draw_panel(axes: Axes, panel: pd.DataFrame) -> None:
    """Draw a curve per task, in the order of strengths, and a ring around each task's peak."""
    axes.set(ylim=(0, 104), xlabel="estimate of I(h$_X$; h$_Y$) under the same augmentation, bits")
    known = panel.dropna(subset=["accuracy", "estimate_bits"])
    if known.empty:
        axes.set(xlim=(0, 1))
        return
    _mark_strengths(axes, known.drop_duplicates("strength").sort_values("estimate_bits"))
    for task, rows in known.groupby("task", sort=False):
        x, y = rows["estimate_bits"], 100 * rows["accuracy"]
        axes.errorbar(x, y, 100 * rows["spread"], rows["estimate_spread_bits"], color=COLOURS[task], lw=1.2,
                      marker=MARKERS[task], ms=3.6, elinewidth=0.8, capsize=1.5, zorder=3)  # fmt: skip
        best = rows.loc[rows["accuracy"].idxmax()]
        axes.plot(best["estimate_bits"], 100 * best["accuracy"], "o", ms=9, mfc="none", mec=COLOURS[task], zorder=4)


def _mark_strengths(axes: Axes, encoders: pd.DataFrame) -> None:
    """Draw a rule at each encoder's estimate and its strength above, moved aside where two labels would overlap."""
    x = encoders["estimate_bits"].to_numpy()
    margin = 0.07 * max(np.ptp(x), 0.5)
    axes.set_xlim(x[0] - margin, x[-1] + margin)
    inches = (x - x[0] + margin) / (np.ptp(x) + 2 * margin) * PANEL
    thin = {"arrowstyle": "-", "color": GUIDE, "lw": 0.6, "shrinkA": 0, "shrinkB": 0}
    for at, strength, label in zip(x, encoders["strength"], spaced(inches, LABEL_GAP, PANEL), strict=True):
        axes.axvline(at, color=GUIDE, lw=0.6, zorder=1)
        axes.annotate(
            f"{strength:g}", (at, 1), (label / PANEL, 1.045), xycoords=("data", "axes fraction"),
            textcoords="axes fraction", ha="center", va="bottom", fontsize=7.5, color=FAINT, arrowprops=thin,
        )  # fmt: skip


def spaced(places: Sequence[float], gap: float, end: float) -> list[float]:
    """Ascending places, moved as little as keeps ``gap`` between neighbours and all within 0 and ``end``."""
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + gap) if moved else max(place, 0.0))
    for i in reversed(range(len(moved))):
        moved[i] = min(moved[i], end if i + 1 == len(moved) else moved[i + 1] - gap)
    return moved


def _write_around(figure: Figure, tidy: pd.DataFrame, origin: str) -> None:
    """Write title, legend and caption."""
    across, up = figure.get_size_inches()
    figure.text(0.12 / across, 1 - 0.12 / up, "Linear accuracy over the MI of augmented views", fontsize=10.5,
                weight="bold", va="top", color=INK)  # fmt: skip
    handles = [
        Line2D([], [], color=COLOURS[task], marker=MARKERS[task], ms=4, lw=1.2, label=f"task {task}")
        for task in tidy["task"].unique()
    ]
    figure.legend(handles=handles, ncols=4, loc="lower left", bbox_to_anchor=(0.04 / across, 0.48 / up), frameon=False,
                  fontsize=8, handlelength=1.8, columnspacing=1.6)  # fmt: skip
    for above, line in enumerate(reversed([*caption(tidy), *filter(None, [origin])])):
        figure.text(0.12 / across, (0.1 + 0.14 * above) / up, line, fontsize=7, color=FAINT)


def caption(tidy: pd.DataFrame) -> list[str]:
    """The meaning of error bars, rings and numbers above, and whether points are missing."""
    n_seeds = int(tidy["n_seeds_asked"].max())
    spread = f"standard deviation over {n_seeds} seeds" if n_seeds > 1 else "standard error, one seed"
    counts = tidy[["n_seeds", "n_estimates"]].min(axis=1)
    gaps = "; some cells are missing" if (counts < tidy["n_seeds_asked"]).any() else ""
    return [f"numbers above: strength of each encoder; rings: each task's best; error bars: {spread}{gaps}"]
