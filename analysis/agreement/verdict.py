"""The verdict of Tables I and II: is I_class the measure that agrees best with linear accuracy, and how surely?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from analysis.agreement.csv_table import ACCURACY, Measure, measures_of
from analysis.verdict import Verdict, lacking, undecided
from mi_ray.theory.agreement import Interval, bootstrap_lead
from sweeps.encoder_zoo import STUDY

CLAIM = (
    "Over encoders of different quality, the post-training estimate under same-class sampling agrees better with "
    "linear accuracy than alignment, uniformity, tolerance and the estimate under SimCLR's pairing do, by Pearson's r "
    "and by Kendall's tau (Sec. IV-B, Tables I and II)."
)
CHAMPION = "i_class_bits"
ENOUGH = 6
"""Encoders in the paper's smallest table; over fewer, measures are not ranked."""

SEED = 0
STATISTICS = {"pearson": "r", "kendall": "tau"}


def leads(encoders: pd.DataFrame) -> pd.DataFrame:
    """One row per table and rival: 95 % bootstrap intervals of how much larger r and tau of I_class are."""
    tables = [rows for _, rows in encoders.groupby("table", sort=False)]
    return pd.DataFrame([_lead(rows, rival) for rows in tables for rival in _rivals(rows)])


def _rivals(rows: pd.DataFrame) -> list[Measure]:
    return [measure for measure in measures_of(rows) if measure.column != CHAMPION]


def _lead(rows: pd.DataFrame, rival: Measure) -> dict[str, object]:
    champion, other = rows[CHAMPION].to_numpy(), rival.sign * rows[rival.column].to_numpy()
    found = bootstrap_lead(champion, other, rows[ACCURACY].to_numpy(), np.random.default_rng(SEED))
    told = {"table": rows["table"].iloc[0], "measure": rival.column}
    return told | _ends("pearson", found.pearson) | _ends("kendall", found.kendall)


def _ends(name: str, interval: Interval) -> dict[str, float]:
    return {f"{name}_lead_low": interval.low, f"{name}_lead_high": interval.high}


def verdict(columns: Mapping[str, pd.DataFrame], agreement: pd.DataFrame, unranked: Sequence[str]) -> Verdict:
    """The verdict from what was asked, the agreement of each measure beside `leads`, and tables without agreement."""
    absent = lacking(*columns.values())
    numbers = _numbers(agreement)
    if absent or unranked:
        return undecided(STUDY.name, CLAIM, absent or "; ".join(unranked), numbers)
    few = agreement[agreement["encoders"] < ENOUGH]
    if len(few):
        why = f"{few['encoders'].min()} encoders are too few to rank measures, of which the paper has {ENOUGH} or more"
        return undecided(STUDY.name, CLAIM, why, numbers)
    holds, sentence = _judged(agreement)
    return Verdict(STUDY.name, CLAIM, holds, sentence, numbers)


def _judged(agreement: pd.DataFrame) -> tuple[bool, str]:
    tables = [rows.set_index("measure") for _, rows in agreement.groupby("table", sort=False)]
    better = {rows["table"].iloc[0]: _better(rows) for rows in tables}
    told = "; ".join(_told(rows, better[rows["table"].iloc[0]]) for rows in tables)
    if any(better.values()):
        return False, f"I_class does not agree best: {told}."
    return True, f"I_class agrees best: {told}."


def _better(rows: pd.DataFrame) -> list[str]:
    """Rivals that agree better than I_class by either statistic."""
    return [name for name in rows.index if any(rows.loc[name, of] > rows.loc[CHAMPION, of] for of in STATISTICS)]


def _told(rows: pd.DataFrame, better: Sequence[str]) -> str:
    best = rows.loc[better] if better else rows.drop(CHAMPION).nlargest(1, "pearson")
    others = ", ".join(f"{row['label']} {_values(row)}" for _, row in best.iterrows())
    before = (
        f"table {rows['table'].iloc[0]} ({rows['encoders'].iloc[0]} encoders): I_class {_values(rows.loc[CHAMPION])}"
    )
    return f"{before}, {'but' if better else 'next'} {others}; {_separation(rows)}"


def _values(row: pd.Series) -> str:
    return " and ".join(f"{short} {row[name]:z.2f}" for name, short in STATISTICS.items())


def _separation(rows: pd.DataFrame) -> str:
    """Which rivals I_class leads surely: both intervals of its lead are above zero."""
    rivals = rows.drop(CHAMPION)
    sure = (rivals[[f"{name}_lead_low" for name in STATISTICS]] > 0).all(axis=1)
    apart, close = list(rivals["label"][sure]), list(rivals["label"][~sure])
    if not close:
        return "its lead over each of them is beyond chance"
    return f"its lead is beyond chance over {', '.join(apart) or 'none'}, not over {', '.join(close)}"


def _numbers(agreement: pd.DataFrame) -> dict[str, float | str]:
    return {name: value for _, row in agreement.iterrows() for name, value in _of_row(row).items()}


def _of_row(row: pd.Series) -> dict[str, float | str]:
    about = f"table {row['table']}, {row['label']}"
    told = {f"{about}, {short}": row[name] for name, short in STATISTICS.items()}
    if row["measure"] == CHAMPION:
        return told | {f"{about}, {short}, 95 %": _span(row, name) for name, short in STATISTICS.items()}
    return told | {f"{about}, behind I_class by, 95 %": _leads(row)}


def _leads(row: pd.Series) -> str:
    return " and ".join(f"{short} {_span(row, f'{name}_lead')}" for name, short in STATISTICS.items())


def _span(row: pd.Series, name: str) -> str:
    return f"{row[f'{name}_low']:z.2f} to {row[f'{name}_high']:z.2f}"
