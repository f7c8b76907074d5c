"""Training curves: loss and in-training estimate against views, with the bound and the ceiling of the estimate."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.pictures.cells import UNREADABLE, Seen
from analysis.pictures.files import margin, save_picture, write_around
from analysis.style import FAINT, INK, PAPER
from mi_ray.experiments.declare.measures import IN_TRAINING, LOSS
from mi_ray.experiments.run.learning import allowed_bits
from mi_ray.theory.information import nominal_bound_bits

STEM = "training-curves"
VIEWS, BOUND, CEILING = "views", "bound_bits", "ceiling_bits"
INKS = ("#1f6391", "#a8561c", "#2f7a4a", "#a3123f", "#6b4fa0", "#4a4a4a", "#0f8b8d", "#8a6d00")
STROKES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1)), (0, (4, 1, 1, 1)))
NAMED = 12
"""Most trainings that the legend names."""

WIDE, HIGH, LEFT, BOTTOM, GAP, TOP, LINE = 2.9, 2.1, 0.6, 0.5, 0.7, 0.4, 0.15


def table(trainings: Sequence[Seen]) -> pd.DataFrame:
    """One row per report of each training: its key and name, step, views seen, loss in nats, estimate, bound and
    ceiling in bits; the ceiling is that of a perfect encoder at the training's temperature, NaN where it is not known.
    """
    rows: list[dict[str, Any]] = []
    for training in trainings:
        try:
            told, history = training.cell.declaration["training"], training.cell.history
            k, declared = int(told["k_tr"]), training.training
            bound, ceiling = nominal_bound_bits(k), allowed_bits(declared, None) if declared else None
            named = {"key": training.key, "training": training.label}
            rows += [
                {
                    **named, "step": record["step"], VIEWS: 2 * k * record["step"],
                    LOSS.name: record.get(LOSS.name), IN_TRAINING.name: record.get(IN_TRAINING.name),
                    BOUND: bound, CEILING: ceiling,
                }
                for record in history
            ]  # fmt: skip
        except UNREADABLE:
            continue
    return pd.DataFrame(rows)


def draw(trainings: Sequence[Seen], out: Path) -> list[Path]:
    """Write ``training-curves``.png and .csv; no file where no history is committed."""
    tidy = table(trainings)
    if tidy.empty or tidy[LOSS.name].isna().all():
        return []
    tidy.to_csv(out / f"{STEM}.csv", index=False)
    return [save_picture(lambda: figure(tidy), out / f"{STEM}.png", alt_of(tidy)), out / f"{STEM}.csv"]


def alt_of(tidy: pd.DataFrame) -> str:
    """In words: how many curves, from where to where the loss and the estimate go."""
    ends = [rows.dropna(subset=[LOSS.name]).iloc[[0, -1]] for _, rows in tidy.groupby("key") if rows[LOSS.name].any()]
    first, last = (pd.concat([rows.iloc[[place]] for rows in ends]) for place in (0, 1))
    falls = int((last[LOSS.name].to_numpy() < first[LOSS.name].to_numpy()).sum())
    text = (
        f"Loss against views of {len(ends)} trainings, lower at the end than at the start in {falls}:"
        f" it starts at {span(first[LOSS.name])} nats and ends at {span(last[LOSS.name])} nats"
    )
    estimates = last[IN_TRAINING.name].dropna()
    return text + (f"; the in-training estimate ends at {span(estimates)} bits" if len(estimates) else "")


def span(values: pd.Series) -> str:
    """``2.1 to 3.4``, or one number where all are equal to these digits."""
    low, high = f"{values.min():.2f}", f"{values.max():.2f}"
    return low if low == high else f"{low} to {high}"


def figure(tidy: pd.DataFrame) -> Figure:
    """Loss at the left, estimate at the right, a line per training."""
    curves = list(tidy.groupby("key", sort=False))
    lines = caption(len(curves))
    across = LEFT + 2 * WIDE + GAP + 0.2
    legend = LINE * -(-min(len(curves), NAMED) // 2) + 0.1
    foot = margin(lines, across)
    up = TOP + HIGH + BOTTOM + legend + foot
    drawn = Figure(figsize=(across, up), facecolor=PAPER)
    panels = [
        drawn.add_axes((left / across, (foot + legend + BOTTOM) / up, WIDE / across, HIGH / up))
        for left in (LEFT, LEFT + WIDE + GAP)
    ]
    for axes, name, label in zip(
        panels, (LOSS.name, IN_TRAINING.name), (LOSS.heading, IN_TRAINING.heading), strict=True
    ):
        for place, (_, rows) in enumerate(curves):
            stroke = {"color": INKS[place % len(INKS)], "ls": STROKES[place // len(INKS) % len(STROKES)]}
            axes.plot(rows[VIEWS], rows[name], lw=1.1, label=rows["training"].iloc[0], **stroke)
        dress(axes, label)
    draw_limits(panels[1], tidy)
    handles = panels[0].get_legend_handles_labels()
    drawn.legend(handles[0][:NAMED], handles[1][:NAMED], ncols=2, loc="lower left", frameon=False, fontsize=7,
                 bbox_to_anchor=(0.02, (foot - 0.05) / up), handlelength=2.2, labelspacing=0.2)  # fmt: skip
    write_around(drawn, "Training curves", lines)
    return drawn


def dress(axes: Axes, label: str) -> None:
    """Axes of a curve over views."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=0, colors=INK, labelsize=7)
    axes.grid(axis="y", color="#e4e4e4", lw=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("views", fontsize=7.5, color=INK)
    axes.set_ylabel(label, fontsize=7.5, color=INK)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.locator_params(axis="x", nbins=4)


def draw_limits(axes: Axes, tidy: pd.DataFrame) -> None:
    """The bounds as dashed and the ceilings as dotted rules, each value once."""
    for name, stroke in ((BOUND, (0, (6, 3))), (CEILING, (0, (1, 1.5)))):
        values = sorted(set(tidy[name].dropna().round(3)))
        near = [value for value, above in pairwise([*values, float("inf")]) if above - value > 0.05]
        for value in near[:8]:
            axes.axhline(value, color=FAINT, lw=0.9, ls=stroke, zorder=1.6)
    axes.set_ylim(bottom=min(0, *axes.get_ylim()))


def caption(curves: int) -> list[str]:
    """The meaning of the rules, and how many trainings the legend leaves out."""
    left_out = f"; {curves - NAMED} more are named in the .csv" if curves > NAMED else ""
    return [
        f"each line: the reports of one training, {curves} in all{left_out}",
        "dashed: bound log2(2 K_tr - 1) of the in-training estimate; dotted: what a perfect encoder reaches at the"
        " training's temperature, where that is known",
    ]
