"""A search as a figure: every candidate's value on few and on many views; below, one objective against the other, and
the paired differences of winners from the default on test images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.augmentation.table import ACCURACY, ESTIMATE, TARGETS, SearchOutcome, Target
from analysis.augmentation.verdict import strengths
from analysis.style import FAINT, INK, PAPER
from mi_ray.theory.selection import front

STYLE = {"font.size": 8.5, "axes.linewidth": 0.7, "axes.edgecolor": FAINT}
RULE, DEFAULT, OTHER, WINNER = "#e4e4e4", "#d07f45", "#8a8a8a", "#a3123f"
AXIS = {ACCURACY: "balanced accuracy, %", ESTIMATE: "estimate of I$_{class}$, bits"}
WIDE, ROW, LEFT, RIGHT, TOP, BOTTOM, BETWEEN, GAP = 8.8, 2.15, 0.82, 0.2, 0.66, 1.44, 0.9, 0.86
"""Inches: the figure's width, a row's height, margins, and gaps down and across."""


def figure(outcome: SearchOutcome, origin: str = "") -> Figure:
    """Candidates above, objectives against each other and paired differences below; the caption ends in ``origin``."""
    drawn, above, below = _sheet(len(outcome.objectives), 1 + len(TARGETS))
    for letter, axes, target in zip("ab", above, outcome.objectives, strict=False):
        _draw_candidates(axes, outcome, target)
        axes.set_title(f"({letter}) {target.name} of every candidate, validation images", loc="left", fontsize=8.5)
    letters = "abcdef"[len(above) :]
    _draw_objectives(below[0], outcome)
    below[0].set_title(f"({letters[0]}) both, at {outcome.views:,} views", loc="left", fontsize=8.5)
    for letter, axes, target in zip(letters[1:], below[1:], TARGETS, strict=False):
        _draw_differences(axes, outcome, target)
        axes.set_title(f"({letter}) {target.name} gained, test images", loc="left", fontsize=8.5)
    _write_around(drawn, outcome, [*caption(outcome), *filter(None, [origin])])
    return drawn


def _sheet(above: int, below: int) -> tuple[Figure, list[Axes], list[Axes]]:
    """An empty figure with so many axes in the row above and in the row below."""
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


def _colour(outcome: SearchOutcome, candidate: int) -> str:
    if candidate == 0:
        return DEFAULT
    return WINNER if candidate in outcome.best.values() else OTHER


def _draw_candidates(axes: Axes, outcome: SearchOutcome, target: Target) -> None:
    """Hollow on few views, full on many, a cross over each candidate that was given up.

    Below the dashed rule a candidate is hopeless, if it is so for every objective.
    """
    table = outcome.candidates
    few, many = (target.scale * table[f"{stage}{target.validation}"] for stage in ("short_", ""))
    for number, short, full in zip(table["candidate"], few, many, strict=True):
        colour = _colour(outcome, number)
        axes.plot([number, number], [short, full], color=colour, lw=0.9, zorder=2)
        axes.plot(number, short, "o", ms=5, mfc=PAPER, mec=colour, zorder=3)
        axes.plot(number, full, "o", ms=5.5, color=colour, zorder=3)
    hopeless_below = few.max() - target.scale * outcome.margin(target)
    if np.isfinite(hopeless_below):
        axes.axhline(hopeless_below, color=FAINT, lw=0.8, ls=(0, (4, 3)), zorder=1)
    given_up = table[~table["promoted"] & few.notna()] if table["promoted"].any() else table.head(0)
    axes.plot(given_up["candidate"], few[given_up.index], "x", color=INK, ms=7, mew=1, zorder=4)
    axes.set(xlabel="candidate, in the order of proposal", ylabel=AXIS[target], xlim=(-0.6, len(table) - 0.4))
    axes.set_xticks(range(0, len(table), 1 if len(table) <= 16 else 5))


def _draw_objectives(axes: Axes, outcome: SearchOutcome) -> None:
    """Estimate over accuracy of those promoted, on validation images, the Pareto front as a line if both are raised."""
    known = outcome.candidates.dropna(subset=[target.validation for target in TARGETS])
    x, y = (target.scale * known[target.validation].to_numpy() for target in (ACCURACY, ESTIMATE))
    for number, across, up in zip(known["candidate"], x, y, strict=True):
        axes.plot(across, up, "o", ms=5.5, color=_colour(outcome, number), zorder=3)
        axes.annotate(str(number), (across, up), (4, 3), textcoords="offset points", fontsize=7, color=FAINT)
    if len(outcome.objectives) > 1 and len(known):
        best = sorted((x[i], y[i]) for i in front(list(zip(x, y, strict=True))))
        axes.step(*zip(*best, strict=True), where="pre", color=FAINT, lw=0.9, zorder=1)
    axes.margins(0.12)
    axes.set(xlabel=AXIS[ACCURACY], ylabel=AXIS[ESTIMATE])


def _draw_differences(axes: Axes, outcome: SearchOutcome, target: Target) -> None:
    """A dot per fresh seed, the mean and its 95 % interval, around the default at zero."""
    axes.axhline(0, color=DEFAULT, lw=1.2, zorder=1)
    numbers = outcome.challengers
    for place, candidate in enumerate(numbers):
        fresh = outcome.fresh[outcome.fresh["candidate"] == candidate]
        gains = target.scale * fresh[f"{target.test}_minus_default"].dropna()
        axes.plot(place - 0.12 + np.zeros(len(gains)), gains, "o", ms=4.5, mfc=PAPER, mec=WINNER, zorder=2)
        mean = outcome.difference(candidate, target)
        axes.errorbar(place + 0.12, target.scale * mean.mean, target.scale * mean.half_width, fmt="o", ms=5.5,
                      color=WINNER, elinewidth=1.2, capsize=3, zorder=3)  # fmt: skip
    axes.set(xlim=(-0.6, max(len(numbers), 1) - 0.4), ylabel=f"difference from the default, {target.unit}")
    axes.set_xticks(range(len(numbers)), [f"candidate {number}" for number in numbers])
    if not numbers:
        axes.set_ylim(-1, 1)
        axes.annotate("nothing to compare", (0.5, 0.6), xycoords="axes fraction", ha="center", color=FAINT)


def _write_around(drawn: Figure, outcome: SearchOutcome, lines: Sequence[str]) -> None:
    """The title above; the legend and the caption below."""
    across, up = drawn.get_size_inches()
    raised = " and ".join(target.name for target in outcome.objectives)
    title = f"SimCLR's augmentation strengths searched for {raised} of task {outcome.task}"
    drawn.text(0.12 / across, 1 - 0.14 / up, title, fontsize=10.5, weight="bold", va="top", color=INK)
    views = f"{outcome.short_views:,} views (full: {outcome.views:,})"
    above = 0.1 + 0.14 * len(lines)
    handles = [
        Line2D([], [], ls="", marker="o", color=DEFAULT, label="SimCLR's default (candidate 0)"),
        Line2D([], [], ls="", marker="o", color=WINNER, label="best on validation"),
        Line2D([], [], ls="", marker="o", color=OTHER, label="other candidate"),
        Line2D([], [], ls="", marker="o", mfc=PAPER, mec=OTHER, label=views),
        Line2D([], [], ls="", marker="x", color=INK, label="hopeless"),
    ]
    drawn.legend(handles=handles, ncols=5, loc="lower left", bbox_to_anchor=(0.04 / across, above / up), frameon=False,
                 fontsize=7.5, handlelength=1.0, columnspacing=1.2)  # fmt: skip
    for line, text in enumerate(reversed(lines)):
        drawn.text(0.12 / across, (0.1 + 0.14 * line) / up, text, fontsize=7, color=FAINT)


def caption(outcome: SearchOutcome) -> list[str]:
    """The winners' strengths, and the meaning of rules, dots and bars."""
    named = [f"candidate {number}: {strengths(outcome, number)}" for number in outcome.challengers]
    seeds = outcome.fresh["seed"].nunique()
    bars = f"mean and 95 % interval of paired differences, {seeds} fresh seeds (rings)" if seeds else "no fresh seeds"
    return [*named, f"dashed: best on few views minus seed noise; error bars: {bars}"]
