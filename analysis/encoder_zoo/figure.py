"""The zoo's encoders by accuracy, and each measure of them: a block per table, a panel per measure."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.agreement.columns import (
    ACCURACY,
    ALIGNMENT,
    ALIGNMENT_SIMCLR,
    I_CLASS,
    I_SIMCLR,
    MINUS,
    TOLERANCE,
    UNIFORMITY,
    UNIFORMITY_SIMCLR,
    EncoderColumn,
)
from analysis.style import FAINT, INK, PAPER, save

STEM = "encoder-zoo"
ACCURATE, MEASURED, RULE = "#1f6391", "#a34d2b", "#e4e4e4"
PANELS = {
    ACCURACY: "balanced accuracy, %",
    I_CLASS: "I_class, bits",
    I_SIMCLR: "I_SimCLR, bits",
    **{column: column.measure.label for column in (ALIGNMENT, UNIFORMITY, TOLERANCE)},
    ALIGNMENT_SIMCLR: "alignment,\nSimCLR pairs",
    UNIFORMITY_SIMCLR: "uniformity,\nSimCLR views",
}

LINE, PANEL, GAP, LEFT, RIGHT, HEAD, FOOT, TOP, BOTTOM = 0.21, 1.12, 0.16, 0.95, 0.2, 0.86, 0.42, 0.36, 0.44
"""Inches: an encoder's line, a panel's width and the gap after it, and margins of a block and of the figure."""


def write(encoders: pd.DataFrame, agreement: pd.DataFrame, out: Path, origin: str = "") -> list[Path]:
    """Draw ``encoder-zoo`` to ``out`` as .png and .pdf; the same tables give the same bytes."""
    return save(partial(lines, encoders, agreement, origin), out / STEM, **{"font.size": 7.5})


def lines(encoders: pd.DataFrame, agreement: pd.DataFrame, origin: str = "") -> Figure:
    """A block of panels per table; a gap in a line is a measure that is missing; the caption ends in ``origin``."""
    tables = [rows.sort_values(ACCURACY.name, ascending=True) for _, rows in encoders.groupby("table", sort=False)]
    heights = [HEAD + LINE * len(rows) + FOOT for rows in tables]
    size = LEFT + len(PANELS) * (PANEL + GAP) - GAP + RIGHT, TOP + sum(heights) + BOTTOM
    figure = Figure(figsize=size, facecolor=PAPER)
    for place, rows in enumerate(tables):
        _draw_table(figure, rows, agreement, size[1] - TOP - sum(heights[:place]))
    left, title = 0.12 / size[0], "What each measure says of encoders"
    figure.text(left, 1 - 0.14 / size[1], title, fontsize=10, weight="bold", va="top")
    kinds = {str(kind) for column in PANELS for kind in encoders[f"{column.name}_spread_is"]}
    spread = "standard deviations over seeds" if kinds == {"sd over seeds"} else "standard errors"
    note = f"right is better in every panel; bars: two {spread} each way; r, tau: agreement with accuracy"
    for above, line in enumerate([origin, note]):
        figure.text(left, (0.1 + 0.14 * above) / size[1], line, fontsize=6.5, color=FAINT)
    return figure


def _draw_table(figure: Figure, rows: pd.DataFrame, agreement: pd.DataFrame, top: float) -> None:
    """A table's panels, its upper edge ``top`` inches above the figure's lower one."""
    across, up = figure.get_size_inches()
    high, first = LINE * len(rows), rows.iloc[0]
    name = f"Table {first['table']}: {first['dataset']}, {first['pool']}"
    figure.text(0.12 / across, (top - 0.08) / up, name, fontsize=8, weight="bold", color=INK, va="top")
    correlations = agreement[agreement["table"] == first["table"]].set_index("measure") if len(agreement) else agreement
    for place, (column, title) in enumerate(PANELS.items()):
        left = LEFT + place * (PANEL + GAP)
        axes = figure.add_axes((left / across, (top - HEAD - high) / up, PANEL / across, high / up))
        _draw_panel(axes, rows, column)
        with_accuracy = ""
        if column.name in correlations.index:
            r, tau = correlations.loc[column.name, "pearson"], correlations.loc[column.name, "kendall"]
            with_accuracy = f"r {r:z.2f}, tau {tau:z.2f}".replace("-", MINUS)
        axes.set_title(f"{title}\n{with_accuracy}", fontsize=7, color=INK, pad=4)
        axes.set_yticks(range(len(rows)), rows["model"] if place == 0 else [""] * len(rows))


def _draw_panel(axes: Axes, rows: pd.DataFrame, column: EncoderColumn) -> None:
    """One column of a table's encoders, a dot and two spreads each way; right is better."""
    line, colour = np.arange(len(rows)), ACCURATE if column == ACCURACY else MEASURED
    bars = 2 * rows[f"{column.name}_spread"].fillna(0)
    axes.hlines(line, 0, 1, transform=axes.get_yaxis_transform(), color=RULE, lw=0.5, zorder=0)
    axes.plot(rows[column.name], line, color=colour, lw=0.7, alpha=0.5, zorder=1)
    axes.errorbar(rows[column.name], line, xerr=bars, fmt="o", ms=3, color=colour, elinewidth=0.9, zorder=2)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.margins(x=0.08)
    axes.locator_params(axis="x", nbins=3)
    axes.tick_params(length=0, labelsize=6.5, colors=INK)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    if column.sign < 0:
        axes.invert_xaxis()
