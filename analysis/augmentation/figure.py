"""A search as a figure: every candidate's value on few and on many views; below, what the two objectives have to do
with each other, and the paired differences of winners from the default on test images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.augmentation.table import ACCURACY, ESTIMATE, MEASURES, Measure, Record
from analysis.augmentation.verdict import strengths
from analysis.style import FAINT, INK, PAPER
from mi_ray.theory.selection import front

STYLE = {"font.size": 8.5, "axes.linewidth": 0.7, "axes.edgecolor": FAINT}
RULE, DEFAULT, OTHER, WINNER = "#e4e4e4", "#d07f45", "#8a8a8a", "#a3123f"
AXIS = {"accuracy": "balanced accuracy, %", "estimate": "estimate of I$_{class}$, bits"}
WIDE, ROW, LEFT, RIGHT, TOP, BOTTOM, BETWEEN, GAP = 8.8, 2.15, 0.82, 0.2, 0.66, 1.26, 0.9, 0.86
"""Inches: the figure's width, a row's height, margins, and gaps down and across."""


def figure(found: Record) -> Figure:
    """Candidates above, objectives against each other and paired differences below."""
    drawn, above, below = _sheet(len(found.objectives), 1 + len(MEASURES))
    for letter, axes, measure in zip("ab", above, found.objectives, strict=False):
        _candidates(axes, found, measure)
        axes.set_title(f"({letter}) {measure.name} of every candidate, validation images", loc="left", fontsize=8.5)
    letters = "abcdef"[len(above) :]
    _against(below[0], found)
    below[0].set_title(f"({letters[0]}) both, at {found.views:,} views", loc="left", fontsize=8.5)
    for letter, axes, measure in zip(letters[1:], below[1:], MEASURES, strict=False):
        _differences(axes, found, measure)
        axes.set_title(f"({letter}) {measure.name} gained, test images", loc="left", fontsize=8.5)
    _write_around(drawn, found)
    return drawn


def _sheet(above: int, below: int) -> tuple[Figure, list[Axes], list[Axes]]:
    high = BOTTOM + 2 * ROW + BETWEEN + TOP
    drawn = Figure(figsize=(WIDE, high), facecolor=PAPER)

    def row(n: int, bottom: float) -> list[Axes]:
        width = (WIDE - LEFT - RIGHT - (n - 1) * GAP) / n
        lefts = [LEFT + i * (width + GAP) for i in range(n)]
        return [drawn.add_axes((left / WIDE, bottom / high, width / WIDE, ROW / high)) for left in lefts]

    rows = row(above, BOTTOM + ROW + BETWEEN), row(below, BOTTOM)
    for axes in [*rows[0], *rows[1]]:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(length=0, colors=INK, pad=4)
        axes.grid(axis="y", color=RULE, lw=0.6)
        axes.set_axisbelow(True)
    return drawn, *rows


def _colour(found: Record, candidate: int) -> str:
    if candidate == 0:
        return DEFAULT
    return WINNER if candidate in found.best.values() else OTHER


def _candidates(axes: Axes, found: Record, measure: Measure) -> None:
    """Hollow on few views, full on many; below the rule a candidate is hopeless, if it is so for every objective."""
    table = found.candidates
    few, many = (measure.scale * table[f"{stage}{measure.validation}"] for stage in ("short_", ""))
    for number, short, full in zip(table["candidate"], few, many, strict=True):
        colour = _colour(found, number)
        axes.plot([number, number], [short, full], color=colour, lw=0.9, zorder=2)
        axes.plot(number, short, "o", ms=5, mfc=PAPER, mec=colour, zorder=3)
        axes.plot(number, full, "o", ms=5.5, color=colour, zorder=3)
    _mark_hopeless(axes, few.max() - measure.scale * found.margin(measure), table, few)
    axes.set(xlabel="candidate, in the order of proposal", ylabel=AXIS[measure.name], xlim=(-0.6, len(table) - 0.4))
    axes.set_xticks(_ticks(len(table)))


def _ticks(n: int) -> Sequence[int]:
    return range(0, n, 1 if n <= 16 else 5)


def _mark_hopeless(axes: Axes, below: float, table: pd.DataFrame, few: pd.Series) -> None:
    """The rule, and a cross over each candidate that was given up."""
    if np.isfinite(below):
        axes.axhline(below, color=FAINT, lw=0.8, ls=(0, (4, 3)), zorder=1)
    judged = table["promoted"].any()
    given_up = table[~table["promoted"] & few.notna()] if judged else table.head(0)
    axes.plot(given_up["candidate"], few[given_up.index], "x", color=INK, ms=7, mew=1, zorder=4)


def _against(axes: Axes, found: Record) -> None:
    """Estimate over accuracy of those promoted, on validation images, the Pareto front as a line if both are raised."""
    known = found.candidates.dropna(subset=[m.validation for m in MEASURES])
    x, y = (m.scale * known[m.validation].to_numpy() for m in (ACCURACY, ESTIMATE))
    for number, across, up in zip(known["candidate"], x, y, strict=True):
        axes.plot(across, up, "o", ms=5.5, color=_colour(found, number), zorder=3)
        axes.annotate(str(number), (across, up), (4, 3), textcoords="offset points", fontsize=7, color=FAINT)
    if len(found.objectives) > 1 and len(known):
        best = sorted((x[i], y[i]) for i in front(list(zip(x, y, strict=True))))
        axes.step(*zip(*best, strict=True), where="pre", color=FAINT, lw=0.9, zorder=1)
    axes.margins(0.12)
    axes.set(xlabel=AXIS["accuracy"], ylabel=AXIS["estimate"])


def _differences(axes: Axes, found: Record, measure: Measure) -> None:
    """A dot per fresh seed, the mean and its 95 % interval, around the default at zero."""
    axes.axhline(0, color=DEFAULT, lw=1.2, zorder=1)
    for place, candidate in enumerate(found.challengers):
        of = found.fresh[found.fresh["candidate"] == candidate][f"{measure.test}_minus_default"].dropna()
        axes.plot(place - 0.12 + np.zeros(len(of)), measure.scale * of, "o", ms=4.5, mfc=PAPER, mec=WINNER, zorder=2)
        seen = found.difference(candidate, measure)
        axes.errorbar(place + 0.12, measure.scale * seen.mean, measure.scale * seen.half_width, fmt="o", ms=5.5,
                      color=WINNER, elinewidth=1.2, capsize=3, zorder=3)  # fmt: skip
    numbers = found.challengers
    axes.set(xlim=(-0.6, max(len(numbers), 1) - 0.4), ylabel=f"difference from the default, {measure.unit}")
    axes.set_xticks(range(len(numbers)), [f"candidate {number}" for number in numbers])
    if not numbers:
        axes.set_ylim(-1, 1)
        axes.annotate("nothing to compare", (0.5, 0.6), xycoords="axes fraction", ha="center", color=FAINT)


def _write_around(drawn: Figure, found: Record) -> None:
    across, up = drawn.get_size_inches()
    raised = " and ".join(measure.name for measure in found.objectives)
    title = f"SimCLR's augmentation strengths searched for {raised} of task {found.task}"
    drawn.text(0.12 / across, 1 - 0.14 / up, title, fontsize=10.5, weight="bold", va="top", color=INK)
    handles = [
        Line2D([], [], ls="", marker="o", color=DEFAULT, label="SimCLR's default (candidate 0)"),
        Line2D([], [], ls="", marker="o", color=WINNER, label="best on validation"),
        Line2D([], [], ls="", marker="o", color=OTHER, label="other candidate"),
        Line2D([], [], ls="", marker="o", mfc=PAPER, mec=OTHER, label=f"{found.short:,} views (full: {found.views:,})"),
        Line2D([], [], ls="", marker="x", color=INK, label="hopeless"),
    ]
    drawn.legend(handles=handles, ncols=5, loc="lower left", bbox_to_anchor=(0.04 / across, 0.52 / up), frameon=False,
                 fontsize=7.5, handlelength=1.0, columnspacing=1.2)  # fmt: skip
    for line, text in enumerate(reversed(caption(found))):
        drawn.text(0.12 / across, (0.1 + 0.14 * line) / up, text, fontsize=7, color=FAINT)


def caption(found: Record) -> list[str]:
    """What the winners are, and what rules, dots and bars are."""
    named = [f"candidate {number}: {strengths(found, number)}" for number in found.challengers]
    seeds = found.fresh["seed"].nunique()
    bars = f"mean and 95 % interval of paired differences, {seeds} fresh seeds (rings)" if seeds else "no fresh seeds"
    return [*named, f"dashed: best on few views minus seed noise; error bars: {bars}"]
