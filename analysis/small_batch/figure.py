"""Fig. 4 as bars: one panel per encoder; linear accuracy above, in-training and post-training estimates below."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.small_batch.verdict import ACCURACY, IN_TRAINING, POST_TRAINING
from analysis.style import FAINT, INK, PAPER
from analysis.tables.per_encoder import panel_title
from mi_ray.experiments.results.statement import CERTIFIED, legend
from mi_ray.theory.tasks import Task
from sweeps.small_batch import TASK

STYLE = {"font.size": 8.5, "axes.linewidth": 0.7, "axes.edgecolor": FAINT}
RULE, CEILING, BOUND = "#e4e4e4", "#0b3a63", "#a3123f"
COLOURS = {IN_TRAINING: "#4a90b8", POST_TRAINING: "#d07f45", ACCURACY: INK}
LABELS = {IN_TRAINING: "in-training estimate", POST_TRAINING: "post-training estimate"}
ENTROPY_BITS = Task(TASK).entropy_bits
TOP_BITS = 7.4
"""Bits that the panels reach: bounds of K_tr > 64 are out of sight."""

ENTROPY = {"color": FAINT, "lw": 0.9, "ls": (0, (6, 3))}
BAR = 0.38
PLACE, LEAST, GAP, ABOVE, BELOW, BETWEEN = 0.56, 3.7, 0.3, 0.95, 2.6, 0.14
LEFT, RIGHT, TOP, BOTTOM = 0.78, 0.25, 0.62, 1.42
"""Inches: a K_tr, least width of all panels, the gap across, the two rows and between them; the margins."""


def bars(tidy: pd.DataFrame) -> Figure:
    """Two rows of panels, one column per encoder, with the legend and what error bars are below."""
    names = list(tidy.columns[1 : tidy.columns.get_loc("k_tr")])
    panels = list(tidy.groupby(names, sort=False, dropna=False))
    ks = sorted(tidy["k_tr"].unique())
    figure, places = _sheet(len(panels), len(ks))
    lowest = _lowest_accuracy(tidy)
    for (upper, lower), (values, panel) in zip(places, panels, strict=True):
        of = {quantity: rows.set_index("k_tr").reindex(ks) for quantity, rows in panel.groupby("quantity", sort=False)}
        _accuracies(upper, of[ACCURACY], lowest)
        _estimates(lower, of)
        lower.set_xticks(range(len(ks)), [str(k) for k in ks])
        upper.set_title(panel_title(names, values), fontsize=9, color=FAINT, pad=6)
    places[0][0].set_ylabel("balanced\naccuracy, %", color=INK)
    places[0][1].set_ylabel("estimate of I(h$_X$; h$_Y$), bits", color=INK)
    _write_around(figure, tidy)
    return figure


def _sheet(panels: int, ks: int) -> tuple[Figure, list[tuple[Axes, Axes]]]:
    """A figure just large enough, and for each panel its upper and lower axes."""
    wide = max(PLACE * ks, LEAST / panels)
    size = LEFT + panels * (wide + GAP) - GAP + RIGHT, BOTTOM + BELOW + BETWEEN + ABOVE + TOP
    figure = Figure(figsize=size, facecolor=PAPER)

    def axes(panel: int, bottom: float, high: float) -> Axes:
        at = (LEFT + panel * (wide + GAP)) / size[0], bottom / size[1], wide / size[0], high / size[1]
        made = figure.add_axes(at, xlim=(-0.6, ks - 0.4))
        made.spines[["top", "right"]].set_visible(False)
        made.tick_params(length=0, colors=INK, pad=4, labelleft=panel == 0)
        made.grid(axis="y", color=RULE, lw=0.6)
        made.set_axisbelow(True)
        return made

    upper = BOTTOM + BELOW + BETWEEN
    return figure, [(axes(panel, upper, ABOVE), axes(panel, BOTTOM, BELOW)) for panel in range(panels)]


def _lowest_accuracy(tidy: pd.DataFrame) -> float:
    """Where the axis of accuracies begins, in percent: a round number below all of them, or 0 where none is known."""
    known = tidy.loc[tidy["quantity"] == ACCURACY, "mean"].dropna()
    return 10 * np.floor(10 * known.min() - 0.5) if len(known) else 0.0


def _accuracies(axes: Axes, rows: pd.DataFrame, lowest: float) -> None:
    at, percent = np.arange(len(rows)), 100 * rows["mean"]
    axes.errorbar(
        at, percent, 100 * rows["spread"], fmt="o", ms=4, color=COLOURS[ACCURACY], lw=1, capsize=2, clip_on=False
    )
    for place, value in zip(at, percent, strict=True):
        if np.isfinite(value):
            axes.annotate(f"{value:.1f}", (place, value), (6, 0), textcoords="offset points", va="center", fontsize=7)
    axes.set(ylim=(max(lowest, 0), 101))
    axes.set_xticks([])


def _estimates(axes: Axes, of: dict[str, pd.DataFrame]) -> None:
    """Two bars per K_tr; its bound and ceilings as ticks across the in-training bar; H(C) as a line."""
    axes.axhline(ENTROPY_BITS, zorder=1, **ENTROPY)
    for side, quantity in ((-1, IN_TRAINING), (1, POST_TRAINING)):
        rows = of[quantity]
        at = np.arange(len(rows)) + side * BAR / 2
        axes.bar(at, rows["mean"], 0.92 * BAR, color=COLOURS[quantity], zorder=2)
        axes.errorbar(at, rows["mean"], rows["spread"], fmt="none", ecolor=INK, elinewidth=0.9, capsize=2, zorder=4)
    _ticks(axes, of[IN_TRAINING])
    for place, row in enumerate(of[POST_TRAINING].itertuples()):
        if row.certified is True or row.certified == 1:
            _mark(axes, place + BAR / 2, row.lower_bits, row.upper_bits)
    axes.set(ylim=(0, TOP_BITS), xlabel="K$_{Tr}$, positive pairs per training step")


def _ticks(axes: Axes, rows: pd.DataFrame) -> None:
    """Bound and ceilings of every K_tr, across the in-training bar."""
    for column, (_, how) in TICKS.items():
        for place, value in enumerate(rows[column]):
            if value <= TOP_BITS:
                axes.hlines(value, place - 1.08 * BAR, place, zorder=3, **how)


TICKS = {
    "bound_bits": (f"bound log$_2$(2K$_{{Tr}}$ \N{MINUS SIGN} 1), up to {TOP_BITS:g}", {"color": BOUND, "lw": 1.5}),
    "ceiling_bits": ("ceiling: a perfect encoder of 64 classes", {"color": CEILING, "lw": 1.3}),
    "cosine_ceiling_bits": (
        "ceiling through its cosine and temperature",
        {"color": CEILING, "lw": 1.3, "ls": (0, (1, 1))},
    ),
}


def _mark(axes: Axes, place: float, lower: float, upper: float) -> None:
    """The certified bracket, beside the nominal value in the middle of its bar, with the tick above it."""
    axes.vlines(place + 0.62 * BAR, lower, upper, color=INK, lw=2.6, zorder=5)
    axes.annotate(
        CERTIFIED, (place + 0.62 * BAR, upper), (0, 4), textcoords="offset points", ha="center", fontsize=7.5, color=INK
    )


def _write_around(figure: Figure, tidy: pd.DataFrame) -> None:
    """Title, legend, and what error bars, marks and gaps are."""
    across, up = figure.get_size_inches()
    figure.text(0.12 / across, 1 - 0.12 / up, "Estimates and linear accuracy over the training batch", fontsize=10.5,
                weight="bold", va="top", color=INK)  # fmt: skip
    handles = [
        Line2D([], [], marker="s", ls="", ms=6, color=COLOURS[name], label=label) for name, label in LABELS.items()
    ]
    handles += [Line2D([], [], label=label, **how) for label, how in TICKS.values()]
    handles.append(Line2D([], [], **ENTROPY, label=f"H(C) = {ENTROPY_BITS:g} bits"))
    figure.legend(handles=handles, ncols=2, loc="lower left", bbox_to_anchor=(0.04 / across, 0.38 / up), frameon=False,
                  fontsize=7.5, handlelength=1.6, columnspacing=1.4, labelspacing=0.35)  # fmt: skip
    for above, line in enumerate(reversed(caption(tidy))):
        figure.text(0.12 / across, (0.1 + 0.14 * above) / up, line, fontsize=7, color=FAINT)


def caption(tidy: pd.DataFrame) -> Sequence[str]:
    """What error bars are, whether bars are missing, what the mark means."""
    asked = int(tidy["n_seeds_asked"].max())
    one = "error bars: standard error, one seed"
    spread = f"error bars: standard deviation over {asked} seeds" if asked > 1 else one
    gaps = "; some cells are missing" if (tidy["n_seeds"] < tidy["n_seeds_asked"]).any() else ""
    marked = tidy["certified"].fillna(False).astype(bool).any()
    return [
        spread + gaps,
        legend(several=asked > 1) if marked else "no estimate is certified; the .csv says why",
    ]
