"""A matrix as heatmaps: panels side by side, one per encoder; evaluated task down, training pairing across."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill, wrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.infomin_grid.table import COLUMN, ROW, Matrix, row_label, share, told
from analysis.style import FAINT, INK, PAPER
from analysis.tables.per_encoder import panel_title
from mi_ray.experiments.results.statement import CERTIFIED, legend

STYLE = {"font.size": 9, "axes.linewidth": 0, "hatch.linewidth": 0.6}
HATCH = "#b5b5b5"
ENTRY, GAP, LEFT, RIGHT, TOP, BOTTOM, LINE = 0.86, 0.3, 1.35, 0.95, 0.78, 0.78, 0.16
"""Inches: the side of a matrix's entry, between panels, the margins, and a line of the caption."""

CHARACTER = 0.054
"""Inches that a character of the caption takes, on average."""

TITLE_CHARACTER = 0.075
"""The same of a panel's title."""


def heatmap(matrix: Matrix, tidy: pd.DataFrame) -> Figure:
    """Panels side by side, a colour bar, and lines that say what spread and marks are."""
    rows, columns = list(tidy[ROW].unique()), list(tidy[COLUMN].unique())
    names = list(tidy.columns[2 : tidy.columns.get_loc("value")])
    panels = list(tidy.groupby(names, sort=False, dropna=False))
    lines = wrapped(caption(tidy), LEFT + len(panels) * (ENTRY * len(columns) + GAP) - GAP + RIGHT)
    shades = LinearSegmentedColormap.from_list(matrix.name, matrix.shades)
    sheet = Sheet(len(rows), len(columns), len(panels), len(lines))
    for axes, (values, panel) in zip(sheet.panels, panels, strict=True):
        _fill(axes, matrix, panel, rows, columns, shades)
        title = fill(panel_title(names, values), max(12, int(ENTRY * len(columns) / TITLE_CHARACTER)))
        axes.set_title(title, fontsize=9, color=FAINT, pad=6)
    sheet.panels[0].set_yticks(range(len(rows)), [row_label(matrix, task) for task in rows])
    sheet.write_around(matrix.title, lines)
    _colour_bar(sheet.bar, matrix, shades)
    return sheet.figure


class Sheet:
    """A figure just large enough for its panels and caption: the axes of the panels and of the colour bar."""

    def __init__(self, rows: int, columns: int, panels: int, lines: int) -> None:
        wide, high = ENTRY * columns, ENTRY * rows
        self._bottom = BOTTOM + LINE * lines
        self._size = LEFT + panels * (wide + GAP) - GAP + RIGHT, self._bottom + high + TOP
        self.figure = Figure(figsize=self._size, facecolor=PAPER)
        self.panels = [self._axes(LEFT + panel * (wide + GAP), wide, high) for panel in range(panels)]
        self.bar = self._axes(self._size[0] - RIGHT + 0.2, 0.13, high)

    def _axes(self, left: float, width: float, height: float) -> Axes:
        """Axes above the caption, at a place given in inches."""
        across, up = self._size
        return self.figure.add_axes((left / across, self._bottom / up, width / across, height / up))

    def write_around(self, title: str, lines: Sequence[str]) -> None:
        """The title above, the axes' names beside, the caption below."""
        across, up = self._size
        middle = LEFT + (across - LEFT - RIGHT) / 2, self._bottom + (up - self._bottom - TOP) / 2
        write = self.figure.text
        write(0.12 / across, 1 - 0.14 / up, title, fontsize=11, weight="bold", va="top", color=INK)
        write(middle[0] / across, (self._bottom - 0.5) / up, "training pairing", ha="center", color=INK)
        write(0.12 / across, middle[1] / up, "evaluated task", va="center", rotation=90, color=INK)
        for above, line in enumerate(reversed(lines)):
            write(0.12 / across, (0.12 + LINE * above) / up, line, fontsize=7.5, color=FAINT)


def caption(tidy: pd.DataFrame) -> list[str]:
    """What the spread is, how many seeds there are, what hatching means; then what the mark means."""
    asked = int(tidy["n_seeds_asked"].max())
    over = "source images of the test split" + (" and critics" if "certified" in tidy else "")
    spread = f"mean ± standard deviation over {asked} seeds" if asked > 1 else f"± standard error over {over}, one seed"
    hatched = "; hatched: cells missing" if (tidy["n_seeds"] < tidy["n_seeds_asked"]).any() else ""
    return [spread + hatched, *([_certificates(tidy["certified"], several=asked > 1)] if "certified" in tidy else [])]


def _certificates(certified: pd.Series, *, several: bool) -> str:
    others = "" if certified.all() else "; the .csv says why others are not"
    return legend(several=several) + others if certified.any() else "no value is certified; the .csv says why"


def wrapped(lines: Sequence[str], inches: float) -> list[str]:
    """Lines of the caption, broken where they would be wider than the figure."""
    most = int((inches - 0.24) / CHARACTER)
    return [part for line in lines for part in wrap(line, most)]


def _fill(
    axes: Axes,
    matrix: Matrix,
    panel: pd.DataFrame,
    rows: list[str],
    columns: list[str],
    shades: LinearSegmentedColormap,
) -> None:
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5), aspect="equal")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks([])
    axes.tick_params(length=0, colors=INK, pad=5)
    for entry in panel.itertuples():
        _entry(axes, matrix, entry, (columns.index(getattr(entry, COLUMN)), rows.index(getattr(entry, ROW))), shades)


def _entry(axes: Axes, matrix: Matrix, entry: object, at: tuple[int, int], shades: LinearSegmentedColormap) -> None:
    """One entry: its shade, its value with spread, a frame where the pairing is the task, hatching where seeds lack."""
    shade = shades(share(matrix, entry.value, entry.class_entropy_bits)) if entry.n_seeds else PAPER
    hatch = "////" if entry.n_seeds < entry.n_seeds_asked else None
    corner = (at[0] - 0.47, at[1] - 0.47)
    axes.add_patch(Rectangle(corner, 0.94, 0.94, facecolor=shade, edgecolor=HATCH, hatch=hatch, lw=0))
    if getattr(entry, ROW) == getattr(entry, COLUMN):
        axes.add_patch(Rectangle(corner, 0.94, 0.94, fill=False, edgecolor=INK, lw=1.1))
    if entry.n_seeds:
        _write_value(axes, matrix, entry, at, PAPER if _dark(shade) else INK)


def _write_value(axes: Axes, matrix: Matrix, entry: object, at: tuple[int, int], ink: str) -> None:
    """The certified bracket, with its tick in the upper right corner and the nominal value below; else the value with
    its spread below. Where a nominal value is outside its bracket, a word says so."""
    how = {"ha": "center", "va": "center", "color": ink}
    head, _, remark = getattr(entry, "statement", "").partition(", ")
    ticked = head.endswith(CERTIFIED)
    value, spread = told(matrix, entry.value), f"± {told(matrix, entry.spread, least=True)}"
    if ticked:
        axes.text(at[0] + 0.36, at[1] - 0.345, CERTIFIED, fontsize=8, **how)
        below = [
            remark.replace(" outside", "\noutside").replace(" below", "\nbelow").replace(" above", "\nabove")
            or f"nominal {value}"
        ]
    else:
        below = [spread] * bool(np.isfinite(entry.spread)) + [remark.replace(" in ", "\nin ")] * bool(remark)
    axes.text(at[0], at[1] - 0.1, head.removesuffix(f" {CERTIFIED}") if ticked else value,
              fontsize=9.5 if ticked else 11, **how)  # fmt: skip
    small = 6.3 if ticked or remark else 7.5
    axes.text(at[0], at[1] + 0.22, "\n".join(below), fontsize=small, alpha=0.85, **how)


def _dark(shade: tuple[float, float, float, float]) -> bool:
    return 0.299 * shade[0] + 0.587 * shade[1] + 0.114 * shade[2] < 0.55


def _colour_bar(axes: Axes, matrix: Matrix, shades: LinearSegmentedColormap) -> None:
    axes.imshow(np.linspace(0, 1, 256)[:, None], cmap=shades, aspect="auto", origin="lower", extent=(0, 1, 0, 1))
    axes.set_xticks([])
    axes.set_yticks([0, 0.5, 1], [f"{matrix.scale * shade:g}" for shade in (0, 0.5, 1)])
    axes.yaxis.tick_right()
    axes.tick_params(length=0, colors=FAINT, labelsize=8, pad=3)
    axes.set_ylabel(matrix.shade_label, color=FAINT, fontsize=8, labelpad=4)
    axes.yaxis.set_label_position("right")
