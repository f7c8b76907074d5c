"""Fig. 4 as bars: one panel per encoder; linear accuracy above, in-training and post-training estimates below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.small_batch.table import ACCURACY, IN_TRAINING, POST_TRAINING
from analysis.style import FAINT, INK, PAPER
from analysis.tables.per_encoder import panel_title
from analysis.tables.settings import settings_of
from mi_ray.experiments.declare.measures import CERTIFIED, LOWER, UPPER
from mi_ray.experiments.results.statement import TICK, legend
from mi_ray.theory.tasks import Task
from sweeps.small_batch import TASK

STYLE = {"font.size": 8.5, "axes.linewidth": 0.7, "axes.edgecolor": FAINT}
RULE, CEILING, BOUND = "#e4e4e4", "#0b3a63", "#a3123f"
COLOURS = {IN_TRAINING: "#4a90b8", POST_TRAINING: "#d07f45", ACCURACY: INK}
LABELS = {IN_TRAINING: "in-training estimate", POST_TRAINING: "post-training estimate"}
ENTROPY_BITS = Task(TASK).entropy_bits
TOP_BITS = 7.4
"""Upper end of the axis of estimates; bounds of K_tr > 64 lie above it."""

BAR = 0.38
"""Width of a bar, with one K_tr every 1."""

PLACE, LEAST, GAP, ABOVE, BELOW, BETWEEN = 0.56, 3.7, 0.3, 0.95, 2.6, 0.14
LEFT, RIGHT, TOP, BOTTOM = 0.78, 0.25, 0.62, 1.6
"""Inches: a K_tr, least width of all panels, the gap across, the two rows and between them; the margins."""


class Stroke(TypedDict):
    """How matplotlib draws a line."""

    color: str
    lw: float
    ls: NotRequired[tuple[float, tuple[float, ...]]]


ENTROPY: Stroke = {"color": FAINT, "lw": 0.9, "ls": (0, (6, 3))}
LIMITS: dict[str, tuple[str, Stroke]] = {
    "bound_bits": (f"bound log$_2$(2K$_{{Tr}}$ \N{MINUS SIGN} 1), up to {TOP_BITS:g}", {"color": BOUND, "lw": 1.5}),
    "ceiling_bits": ("ceiling: a perfect encoder of 64 classes", {"color": CEILING, "lw": 1.3}),
    "cosine_ceiling_bits": (
        "ceiling through its cosine and temperature",
        {"color": CEILING, "lw": 1.3, "ls": (0, (1, 1))},
    ),
}
"""Limits of the in-training estimate: column of the table -> label and stroke."""


def draw_bars(tidy: pd.DataFrame, origin: str = "") -> Figure:
    """Two rows of panels, one column per encoder, with a legend and a caption below, which ends in ``origin``."""
    names = settings_of(tidy.columns, "k_tr")[1:]
    panels = list(tidy.groupby(names, sort=False, dropna=False))
    ks = sorted(tidy["k_tr"].unique())
    known = tidy.loc[tidy["quantity"] == ACCURACY, "mean"].dropna()
    lowest_percent = max(10 * np.floor(10 * known.min() - 0.5), 0) if len(known) else 0.0
    figure, grid = panel_grid(len(panels), len(ks))
    for (upper, lower), (values, panel) in zip(grid, panels, strict=True):
        by_quantity = {name: rows.set_index("k_tr").reindex(ks) for name, rows in panel.groupby("quantity", sort=False)}
        draw_accuracies(upper, by_quantity[ACCURACY], lowest_percent)
        draw_estimates(lower, by_quantity)
        lower.set_xticks(range(len(ks)), [str(k) for k in ks])
        upper.set_title(panel_title(names, values), fontsize=9, color=FAINT, pad=6)
    grid[0][0].set_ylabel("balanced\naccuracy, %", color=INK)
    grid[0][1].set_ylabel("estimate of I(h$_X$; h$_Y$), bits", color=INK)
    _write_around(figure, [*caption(tidy), *filter(None, [origin])])
    return figure


def panel_grid(panels: int, ks: int) -> tuple[Figure, list[tuple[Axes, Axes]]]:
    """A figure just large enough for panels of ``ks`` values of K_tr, and the upper and lower axes of each panel."""
    wide = max(PLACE * ks, LEAST / panels)
    size = LEFT + panels * (wide + GAP) - GAP + RIGHT, BOTTOM + BELOW + BETWEEN + ABOVE + TOP
    figure = Figure(figsize=size, facecolor=PAPER)

    def axes(panel: int, bottom: float, height: float) -> Axes:
        at = (LEFT + panel * (wide + GAP)) / size[0], bottom / size[1], wide / size[0], height / size[1]
        added = figure.add_axes(at, xlim=(-0.6, ks - 0.4))
        added.spines[["top", "right"]].set_visible(False)
        added.tick_params(length=0, colors=INK, pad=4, labelleft=panel == 0)
        added.grid(axis="y", color=RULE, lw=0.6)
        added.set_axisbelow(True)
        return added

    upper = BOTTOM + BELOW + BETWEEN
    return figure, [(axes(panel, upper, ABOVE), axes(panel, BOTTOM, BELOW)) for panel in range(panels)]


def draw_accuracies(axes: Axes, rows: pd.DataFrame, lowest_percent: float) -> None:
    """Draw a point with its value for each K_tr, on an axis that begins at ``lowest_percent``."""
    at, percent = np.arange(len(rows)), 100 * rows["mean"]
    axes.errorbar(
        at, percent, 100 * rows["spread"], fmt="o", ms=4, color=COLOURS[ACCURACY], lw=1, capsize=2, clip_on=False
    )
    for place, value in zip(at, percent, strict=True):
        if np.isfinite(value):
            axes.annotate(f"{value:.1f}", (place, value), (6, 0), textcoords="offset points", va="center", fontsize=7)
    axes.set(ylim=(lowest_percent, 101))
    axes.set_xticks([])


def draw_estimates(axes: Axes, by_quantity: Mapping[str, pd.DataFrame]) -> None:
    """Draw two bars for each K_tr, its bound and ceilings as ticks across the in-training bar, and H(C) as a line."""
    axes.axhline(ENTROPY_BITS, zorder=1, **ENTROPY)
    for side, quantity in ((-1, IN_TRAINING), (1, POST_TRAINING)):
        rows = by_quantity[quantity]
        at = np.arange(len(rows)) + side * BAR / 2
        axes.bar(at, rows["mean"], 0.92 * BAR, color=COLOURS[quantity], zorder=2)
        axes.errorbar(at, rows["mean"], rows["spread"], fmt="none", ecolor=INK, elinewidth=0.9, capsize=2, zorder=4)
    for column, (_, stroke) in LIMITS.items():
        for place, value in enumerate(by_quantity[IN_TRAINING][column]):
            if value <= TOP_BITS:
                axes.hlines(value, place - 1.08 * BAR, place, zorder=3, **stroke)
    for place, row in enumerate(by_quantity[POST_TRAINING].to_dict("records")):
        if row[CERTIFIED] is True or row[CERTIFIED] == 1:
            mark_certified(axes, place + BAR / 2, row[LOWER.name], row[UPPER.name])
    axes.set(ylim=(0, TOP_BITS), xlabel="K$_{Tr}$, positive pairs per training step")


def mark_certified(axes: Axes, place: float, lower: float, upper: float) -> None:
    """Draw the certified bracket beside the bar of its nominal value, with the tick above it."""
    beside = place + 0.62 * BAR
    axes.vlines(beside, lower, upper, color=INK, lw=2.6, zorder=5)
    axes.annotate(TICK, (beside, upper), (0, 4), textcoords="offset points", ha="center", fontsize=7.5, color=INK)


def _write_around(figure: Figure, lines: Sequence[str]) -> None:
    """Write title, legend and caption."""
    across, up = figure.get_size_inches()
    figure.text(0.12 / across, 1 - 0.12 / up, "Estimates and linear accuracy over the training batch", fontsize=10.5,
                weight="bold", va="top", color=INK)  # fmt: skip
    above = 0.1 + 0.14 * len(lines)
    handles = [
        Line2D([], [], marker="s", ls="", ms=6, color=COLOURS[name], label=label) for name, label in LABELS.items()
    ]
    handles += [_line(label, stroke) for label, stroke in LIMITS.values()]
    handles.append(_line(f"H(C) = {ENTROPY_BITS:g} bits", ENTROPY))
    figure.legend(handles=handles, ncols=2, loc="lower left", bbox_to_anchor=(0.04 / across, above / up), frameon=False,
                  fontsize=7.5, handlelength=1.6, columnspacing=1.4, labelspacing=0.35)  # fmt: skip
    for place, line in enumerate(reversed(lines)):
        figure.text(0.12 / across, (0.1 + 0.14 * place) / up, line, fontsize=7, color=FAINT)


def _line(label: str, stroke: Stroke) -> Line2D:
    """A line of the legend."""
    return Line2D([], [], label=label, color=stroke["color"], lw=stroke["lw"], ls=stroke.get("ls", "-"))


def caption(tidy: pd.DataFrame) -> list[str]:
    """The meaning of error bars and of the tick, and whether bars are missing."""
    n_seeds = int(tidy["n_seeds_asked"].max())
    one_seed = "error bars: standard error, one seed"
    spread = f"error bars: standard deviation over {n_seeds} seeds" if n_seeds > 1 else one_seed
    gaps = "; some cells are missing" if (tidy["n_seeds"] < tidy["n_seeds_asked"]).any() else ""
    marked = tidy[CERTIFIED].fillna(False).astype(bool).any()
    marks = (
        f"line beside a bar: its certified bracket; {legend(several=n_seeds > 1)}"
        if marked
        else "no estimate is certified; the .csv says why"
    )
    return [spread + gaps, marks]
