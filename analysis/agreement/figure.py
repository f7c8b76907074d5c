"""The agreement table as dots and intervals: tables side by side, r above tau-b, one line per measure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.style import FAINT, INK, PAPER, save

STEM = "measure-agreement"
RULE, ZERO = "#e4e4e4", "#a8a8a8"
ALL, FEWER = "#1f6391", "#a8561c"
STATISTICS = {"pearson": "Pearson's r", "kendall": "Kendall's tau-b"}
OFFSET = 0.17
"""Lines of a measure: all encoders this far above its middle, fewer this far below, where there are both."""

LINE, PANEL, LEAST, GAP, BETWEEN, LEFT, RIGHT, TOP, BOTTOM = 0.27, 1.2, 3.4, 0.16, 0.5, 1.75, 0.2, 1.0, 1.0
"""Inches: a measure's line, a panel's width, least width of all panels, gaps across and down, and the margins."""


def write(tidy: pd.DataFrame, out: Path, origin: str = "") -> list[Path]:
    """Write the table and its figure to ``out`` as .csv, .png and .pdf; the same table gives the same bytes."""
    out.mkdir(parents=True, exist_ok=True)
    stem = out / STEM
    tidy.drop(columns="label").to_csv(stem.with_suffix(".csv"), index=False)
    return [stem.with_suffix(".csv"), *save(partial(dots, tidy, origin), stem, **{"font.size": 8})]


def dots(tidy: pd.DataFrame, origin: str = "") -> Figure:
    """A column of two panels per table, measures down, in the order of ``tidy``; the caption ends in ``origin``."""
    labels = list(tidy["label"].unique())
    tables = [rows for _, rows in tidy.groupby("table", sort=False)]
    figure, columns = _sheet(len(tables), len(labels))
    for panels, rows in zip(columns, tables, strict=True):
        for axes, statistic in zip(panels, STATISTICS, strict=True):
            _draw_panel(axes, rows, statistic, labels)
        _draw_head(panels[0], rows)
    for axes, statistic in zip(columns[0], STATISTICS, strict=True):
        axes.set_yticks(range(len(labels)), labels)
        axes.annotate(STATISTICS[statistic], (0, 1), (-4, 5), color=INK, xycoords="axes fraction",
                      textcoords="offset points", ha="right", weight="bold")  # fmt: skip
    across, up = figure.get_size_inches()

    def write_line(inches_up: float, words: str, **how: Any) -> None:
        figure.text(0.14 / across, inches_up / up, words, **how)

    left_out = list(filter(None, tidy["left_out"].unique()))
    write_line(up - 0.16, "Agreement with linear accuracy over encoders", fontsize=10.5, weight="bold", va="top")
    if left_out:
        write_line(0.6, f"orange: without {'; '.join(left_out)}", fontsize=7, color=FEWER)
    write_line(0.44, "dot: the correlation; thin: 95 % bootstrap interval over encoders", fontsize=7, color=FAINT)
    write_line(0.28, "thick: range when any one encoder is left out; +1: full agreement", fontsize=7, color=FAINT)
    write_line(0.12, origin, fontsize=7, color=FAINT)
    return figure


def _sheet(tables: int, measures: int) -> tuple[Figure, list[tuple[Axes, Axes]]]:
    """A figure just large enough for its panels, and for each table the upper and the lower axes."""
    panel, high = max(PANEL, (LEAST - (tables - 1) * GAP) / tables), LINE * measures
    size = LEFT + tables * panel + (tables - 1) * GAP + RIGHT, BOTTOM + 2 * high + BETWEEN + TOP
    figure = Figure(figsize=size, facecolor=PAPER)

    def axes(column: int, bottom: float) -> Axes:
        left = LEFT + column * (panel + GAP)
        return figure.add_axes((left / size[0], bottom / size[1], panel / size[0], high / size[1]))

    return figure, [(axes(table, BOTTOM + high + BETWEEN), axes(table, BOTTOM)) for table in range(tables)]


def _draw_panel(axes: Axes, rows: pd.DataFrame, statistic: str, labels: Sequence[str]) -> None:
    """A table's correlations across from -1 to 1, a line per measure: dot, thin interval, thick leave-one-out range."""
    axes.set(xlim=(-1.06, 1.06), ylim=(len(labels) - 0.5, -0.5))
    axes.set_xticks([-1, 0, 1], ["\N{MINUS SIGN}1", "0", "1"])
    axes.set_yticks([])
    axes.tick_params(length=0, colors=INK, pad=4)
    axes.spines[:].set_visible(False)
    axes.axvline(0, color=ZERO, lw=0.7, zorder=0)
    for end in (-1, 1):
        axes.axvline(end, color=RULE, lw=0.7, zorder=0)
    axes.hlines([line + 0.5 for line in range(-1, len(labels))], -1, 1, color=RULE, lw=0.5, zorder=0)
    both = bool(rows["left_out"].any())
    for _, row in rows.iterrows():
        fewer = bool(row["left_out"])
        line, colour = labels.index(row["label"]) + (OFFSET if fewer else -OFFSET) * both, FEWER if fewer else ALL
        axes.hlines(line, row[f"{statistic}_low"], row[f"{statistic}_high"], color=colour, lw=0.9, zorder=2)
        less_one = row[f"{statistic}_less_one_low"], row[f"{statistic}_less_one_high"]
        axes.hlines(line, *less_one, color=colour, lw=4, alpha=0.35, zorder=1)
        axes.plot(row[statistic], line, "o", ms=4, color=colour, mec=PAPER, mew=0.6, zorder=3, clip_on=False)


def _draw_head(axes: Axes, rows: pd.DataFrame) -> None:
    """The table's name, data set and pool, and how many encoders it has, with and without those left out."""
    first, last = rows.iloc[0], rows.iloc[-1]
    fewer = f" ({last['encoders']})" if last["left_out"] else ""
    about = f"{first['dataset']}\n{first['pool']}\nn = {first['encoders']}{fewer}"
    axes.set_title(about, fontsize=7, color=FAINT, pad=5, linespacing=1.3)
    axes.annotate(f"Table {first['table']}", (0.5, 1), (0, 34), xycoords="axes fraction", textcoords="offset points",
                  ha="center", va="bottom", fontsize=8, weight="bold", color=INK)  # fmt: skip
