"""Figs. 6 and 7 as heatmaps: one panel per encoder, side by side; evaluated task down, training pairing across."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from textwrap import fill, wrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.infomin_grid.table import COLUMN, ROW, Heatmap, formatted, row_label, share
from analysis.style import FAINT, INK, PAPER, ink_on, save
from analysis.tables.per_encoder import panel_title
from analysis.tables.settings import settings_of
from mi_ray.experiments.declare.measures import CERTIFIED, CLASS_ENTROPY, STATEMENT
from mi_ray.experiments.results.statement import TICK, legend

STYLE = {"font.size": 9, "axes.linewidth": 0, "hatch.linewidth": 0.6}
HATCH = "#b5b5b5"
ENTRY, GAP, LEFT, RIGHT, TOP, BOTTOM, LINE = 0.86, 0.3, 1.35, 0.95, 0.78, 0.78, 0.16
"""Inches: the side of an entry, the gap between panels, the margins, and the height of a line of the caption."""

FRAMED = "framed: the training pairing is the evaluated task"

CHARACTER, TITLE_CHARACTER = 0.054, 0.075
"""Inches, on average: the width of a character of the caption, and of a panel's title."""


def save_heatmap(heatmap: Heatmap, tidy: pd.DataFrame, stem: Path, origin: str = "") -> list[Path]:
    """Draw a heatmap and write ``stem``.png and .pdf."""
    return save(lambda: draw_heatmap(heatmap, tidy, origin), stem, **STYLE)


def draw_heatmap(heatmap: Heatmap, tidy: pd.DataFrame, origin: str = "") -> Figure:
    """Panels side by side, a colour bar, and a caption that explains spreads, frames and marks, and ends in
    ``origin``."""
    rows, columns = list(tidy[ROW].unique()), list(tidy[COLUMN].unique())
    names = settings_of(tidy.columns, "value")[2:]
    panels = list(tidy.groupby(names, sort=False, dropna=False))
    lines = wrapped(
        [*caption(tidy), *filter(None, [FRAMED, origin])],
        LEFT + len(panels) * (ENTRY * len(columns) + GAP) - GAP + RIGHT,
    )
    shades = LinearSegmentedColormap.from_list(heatmap.name, heatmap.shades)
    grid = PanelGrid(len(rows), len(columns), len(panels), len(lines))
    for axes, (values, panel) in zip(grid.panels, panels, strict=True):
        axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5), aspect="equal")
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks([])
        axes.tick_params(length=0, colors=INK, pad=5)
        for entry in panel.to_dict("records"):
            _draw_entry(axes, heatmap, entry, (columns.index(entry[COLUMN]), rows.index(entry[ROW])), shades)
        title = fill(panel_title(names, values), max(12, int(ENTRY * len(columns) / TITLE_CHARACTER)))
        axes.set_title(title, fontsize=9, color=FAINT, pad=6)
    grid.panels[0].set_yticks(range(len(rows)), [row_label(heatmap, task) for task in rows])
    grid.write_around(heatmap.title, lines)
    draw_colour_bar(grid.bar, heatmap, shades)
    return grid.figure


class PanelGrid:
    """A figure just large enough for its panels and caption: the axes of the panels and of the colour bar."""

    def __init__(self, rows: int, columns: int, panels: int, lines: int) -> None:
        width, height = ENTRY * columns, ENTRY * rows
        self._bottom = BOTTOM + LINE * lines
        self._size = LEFT + panels * (width + GAP) - GAP + RIGHT, self._bottom + height + TOP
        self.figure = Figure(figsize=self._size, facecolor=PAPER)
        self.panels = [self._axes(LEFT + panel * (width + GAP), width, height) for panel in range(panels)]
        self.bar = self._axes(self._size[0] - RIGHT + 0.2, 0.13, height)

    def _axes(self, left: float, width: float, height: float) -> Axes:
        """Axes above the caption; place and size in inches."""
        across, up = self._size
        return self.figure.add_axes((left / across, self._bottom / up, width / across, height / up))

    def write_around(self, title: str, lines: Sequence[str]) -> None:
        """Write the title above the panels, the names of the axes beside them, the caption below."""
        across, up = self._size
        middle = LEFT + (across - LEFT - RIGHT) / 2, self._bottom + (up - self._bottom - TOP) / 2
        write = self.figure.text
        write(0.12 / across, 1 - 0.14 / up, title, fontsize=11, weight="bold", va="top", color=INK)
        write(middle[0] / across, (self._bottom - 0.5) / up, "training pairing", ha="center", color=INK)
        write(0.12 / across, middle[1] / up, "evaluated task", va="center", rotation=90, color=INK)
        for above, line in enumerate(reversed(lines)):
            write(0.12 / across, (0.12 + LINE * above) / up, line, fontsize=7.5, color=FAINT)


def caption(tidy: pd.DataFrame) -> list[str]:
    """The meaning of the spread and of hatching and the number of seeds; for estimates also the meaning of the tick."""
    n_seeds, judged = int(tidy["n_seeds_asked"].max()), CERTIFIED in tidy
    units = "source images of the test split" + (" and critics" if judged else "")
    one_seed = f"± standard error over {units}, one seed"
    lines = [f"mean ± standard deviation over {n_seeds} seeds" if n_seeds > 1 else one_seed]
    if (tidy["n_seeds"] < tidy["n_seeds_asked"]).any():
        lines[0] += "; hatched: cells missing"
    if judged and tidy[CERTIFIED].any():
        others = "" if tidy[CERTIFIED].all() else "; the .csv says why others are not"
        lines.append(legend(several=n_seeds > 1) + others)
    elif judged:
        lines.append("no value is certified; the .csv says why")
    return lines


def wrapped(lines: Sequence[str], inches: float) -> list[str]:
    """Lines of the caption, broken where they would be wider than the figure."""
    most = int((inches - 0.24) / CHARACTER)
    return [part for line in lines for part in wrap(line, most)]


def _draw_entry(
    axes: Axes, heatmap: Heatmap, entry: dict[Any, Any], at: tuple[int, int], shades: LinearSegmentedColormap
) -> None:
    """Draw shade and value; frame an entry whose pairing is the task, hatch one with missing seeds."""
    corner, box = (at[0] - 0.47, at[1] - 0.47), partial(Rectangle, width=0.94, height=0.94)
    hatch = "////" if entry["n_seeds"] < entry["n_seeds_asked"] else None
    position = share(heatmap, entry["value"], entry[CLASS_ENTROPY.name])
    shade = shades(position) if entry["n_seeds"] else to_rgba(PAPER)
    axes.add_patch(box(corner, facecolor=shade, edgecolor=HATCH, hatch=hatch, lw=0))
    if entry[ROW] == entry[COLUMN]:
        axes.add_patch(box(corner, fill=False, edgecolor=INK, lw=1.1))
    if entry["n_seeds"]:
        write_value(axes, heatmap, entry, at, shade)


def write_value(
    axes: Axes, heatmap: Heatmap, entry: dict[Any, Any], at: tuple[int, int], shade: tuple[float, float, float, float]
) -> None:
    """Write a certified bracket with its tick in the upper right corner and the nominal value below, or else the value
    with its spread below. A note says where the nominal value lies outside its bracket."""
    write = partial(axes.text, ha="center", va="center", color=ink_on(shade))
    if entry["n_seeds"] < entry["n_seeds_asked"]:
        write = partial(write, bbox={"facecolor": shade, "edgecolor": "none", "pad": 1.2})
    bracket, _, note = entry.get(STATEMENT, "").partition(", ")
    value, spread = (formatted(heatmap, entry[name], least=name == "spread") for name in ("value", "spread"))
    if bracket.endswith(TICK):
        write(at[0] + 0.36, at[1] - 0.345, TICK, fontsize=8)
        write(at[0], at[1] - 0.1, bracket.removesuffix(f" {TICK}"), fontsize=9.5)
        for word in ("outside", "below", "above"):
            note = note.replace(f" {word}", f"\n{word}")
        write(at[0], at[1] + 0.22, note or f"nominal {value}", fontsize=6.3)
        return
    write(at[0], at[1] - 0.1, value, fontsize=11)
    below = [f"± {spread}"] if np.isfinite(entry["spread"]) else []
    below += [note.replace(" in ", "\nin ")] if note else []
    write(at[0], at[1] + 0.22, "\n".join(below), fontsize=6.3 if note else 7.5)


def draw_colour_bar(axes: Axes, heatmap: Heatmap, shades: LinearSegmentedColormap) -> None:
    """Draw the scale of shades, with its unit."""
    axes.imshow(np.linspace(0, 1, 256)[:, None], cmap=shades, aspect="auto", origin="lower", extent=(0, 1, 0, 1))
    axes.set_xticks([])
    axes.set_yticks([0, 0.5, 1], [f"{heatmap.scale * shade:g}" for shade in (0, 0.5, 1)])
    axes.yaxis.tick_right()
    axes.tick_params(length=0, colors=FAINT, labelsize=8, pad=3)
    axes.set_ylabel(heatmap.shade_label, color=FAINT, fontsize=8, labelpad=4)
    axes.yaxis.set_label_position("right")
