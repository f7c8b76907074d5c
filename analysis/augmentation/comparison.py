"""The winners of a search beside SimCLR's default, over fresh seeds on test images: a table, and its text."""

from __future__ import annotations

import pandas as pd

from analysis.augmentation.table import STRENGTHS, TARGETS, SearchOutcome


def comparison(outcome: SearchOutcome) -> pd.DataFrame:
    """The default and every winner: strengths, test values as mean and spread over fresh seeds, and the paired
    difference from the default with half the width of its 95 % interval."""
    rows = []
    for candidate in [0, *outcome.challengers]:
        fresh = outcome.fresh[outcome.fresh["candidate"] == candidate]
        best = [f"best {name}" for name, winner in outcome.best.items() if winner == candidate]
        role = ", ".join([*(["default"] if candidate == 0 else []), *best])
        row = {"candidate": candidate, "role": role, "seeds": len(fresh)}
        row |= outcome.candidates.set_index("candidate").loc[candidate, STRENGTHS].to_dict()
        for target in TARGETS:
            values = fresh[target.test]
            row |= {target.test: values.mean(), f"{target.test}_sd": values.std(ddof=1)}
            if candidate != 0:
                gain = outcome.difference(candidate, target)
                row |= {f"{target.test}_gain": gain.mean, f"{target.test}_gain_half_width": gain.half_width}
        rows.append(row)
    return pd.DataFrame(rows)


def printed(outcome: SearchOutcome, compared: pd.DataFrame) -> str:
    """The comparison as markdown, and how to read it."""
    heads = ["", *STRENGTHS, *(f"{t.name}, {t.unit}" for t in TARGETS), *(f"{t.name} gained" for t in TARGETS)]
    lines = [heads, ["---"] * len(heads)]
    for _, row in compared.iterrows():
        values = [with_spread(t.scale, row, t.test, "_sd") for t in TARGETS]
        gains = [with_spread(t.scale, row, f"{t.test}_gain", "_half_width", sign="+") for t in TARGETS]
        lines.append([row["role"], *(f"{row[name]:g}" for name in STRENGTHS), *values, *gains])
    seeds = int(compared["seeds"].max())
    note = (
        f"Test images, task {outcome.task}, {outcome.views:,} views; ± standard deviation over {seeds} fresh seeds, and"
        " for gains half the width of the 95 % interval of paired differences."
        if seeds
        else "No candidate is better than the default on validation images, or the search is not over: no fresh seeds."
    )
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{table}\n\n{note}\n"


def with_spread(scale: float, row: pd.Series, column: str, suffix: str, *, sign: str = "-") -> str:
    """``scale`` times a value and its spread, in the column with ``suffix``; empty where there is none."""
    value, spread = (scale * row.get(name, float("nan")) for name in (column, f"{column}{suffix}"))
    return "" if pd.isna(value) else f"{value:{sign}z.2f} ± {spread:.2f}"
