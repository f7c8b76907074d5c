"""The agreement of measures with accuracy as aligned text for the screen: a block per table, a line per measure."""

from __future__ import annotations

import pandas as pd

from analysis.agreement.ranking import BEST
from mi_ray.running.panels import aligned

HEAD = ("measure", "r", "95 %", "less one", "most: r without", "tau", "95 %", "less one", f"top {BEST}")


def text(tidy: pd.DataFrame) -> str:
    """A block per table; the line below a measure is without the encoders that are left out."""
    blocks = []
    for _, rows in tidy.groupby("table", sort=False):
        first, last = rows.iloc[0], rows.iloc[-1]
        fewer = f"; {last['encoders']} without {last['left_out']}" if last["left_out"] else ""
        title = f"Table {first['table']}: {first['dataset']}, {first['pool']}, {first['encoders']} encoders{fewer}"
        blocks.append(f"{title}\n{aligned([HEAD, *(_line(row) for _, row in rows.iterrows())])}")
    return "\n\n".join(blocks)


def _line(row: pd.Series) -> list[str]:
    """A measure's r and tau with their intervals, the encoder that moves r most, and how many of the best it finds."""
    most = f"{row['most_influential']} {row['pearson_less_most_influential']:z.3f}"
    name = "  without" if row["left_out"] else row["label"]
    return [name, *_with_intervals(row, "pearson"), most, *_with_intervals(row, "kendall"), f"{row[f'top_{BEST}']:g}"]


def _with_intervals(row: pd.Series, name: str) -> list[str]:
    spans = ((row[f"{name}_low"], row[f"{name}_high"]), (row[f"{name}_less_one_low"], row[f"{name}_less_one_high"]))
    return [f"{row[name]: z.3f}", *(f"{low: z.2f} to {high: z.2f}" for low, high in spans)]
