"""How well each measure ranks encoders as linear accuracy does: Pearson's r, Kendall's tau-b and their intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.agreement.csv_table import ACCURACY, NAMES, Measure, measures_of
from analysis.agreement.verdict import leads
from mi_ray.experiments.declare.checks import Refused, refuse
from mi_ray.theory.agreement import bootstrap, correlation, leave_one_out, most_influential, top_k

BEST = 3


SEED = 0
"""Of the bootstrap; each measure of a table sees the same resamples of its encoders."""


def table(encoders: pd.DataFrame, without: Sequence[str] = ()) -> pd.DataFrame:
    """One row per table and measure, and a second one where encoders named in ``without`` stand in the table.

    ``left_out`` names those missing from the row; the rest is the agreement of ``sign`` times the measure.
    """
    for name in without:
        if name not in set(encoders["model"]):
            raise refuse("without", name, ", ".join(encoders["model"].unique()))
    tables = [rows for _, rows in encoders.groupby("table", sort=False)]
    places = [(rows, measure) for rows in tables for measure in measures_of(rows)]
    return pd.DataFrame(
        [_agreement(rows, measure, left_out) for rows, measure in places for left_out in _variants(rows, without)]
    )


def _variants(rows: pd.DataFrame, without: Sequence[str]) -> list[list[str]]:
    named = [name for name in rows["model"] if name in without]
    return [[], named] if named else [[]]


def _agreement(rows: pd.DataFrame, measure: Measure, left_out: list[str]) -> dict[str, object]:
    kept = rows[~rows["model"].isin(left_out)]
    about = {column: rows[column].iloc[0] for column in NAMES if column != "model"}
    told = {"measure": measure.column, "label": measure.label, "sign": measure.sign, "left_out": ", ".join(left_out)}
    try:
        found = _figures(measure.sign * kept[measure.column].to_numpy(), kept[ACCURACY].to_numpy(), list(kept["model"]))
    except ValueError as reason:
        besides = f" without {told['left_out']}" if left_out else ""
        raise Refused(f"table {about['table']}{besides}, {measure.column}: {reason}") from reason
    return {**about, **told, "encoders": len(kept), **found}


def _figures(oriented: np.ndarray, accuracy: np.ndarray, names: list[str]) -> dict[str, object]:
    full, without = correlation(oriented, accuracy), leave_one_out(oriented, accuracy)
    interval = bootstrap(oriented, accuracy, np.random.default_rng(SEED))
    most = most_influential(full, without)
    return {
        "pearson": full.pearson,
        "pearson_low": interval.pearson.low,
        "pearson_high": interval.pearson.high,
        "pearson_less_one_low": without.pearson_range.low,
        "pearson_less_one_high": without.pearson_range.high,
        "kendall": full.kendall,
        "kendall_low": interval.kendall.low,
        "kendall_high": interval.kendall.high,
        "kendall_less_one_low": without.kendall_range.low,
        "kendall_less_one_high": without.kendall_range.high,
        "most_influential": names[most],
        "pearson_less_most_influential": without.pearson[most],
        f"top_{BEST}": top_k(oriented, accuracy, BEST),
    }


def ranked(encoders: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The agreement of every measure beside the lead of I_class over it, and why some tables have none."""
    found, unranked = [], []
    for _, of_table in encoders.groupby("table", sort=False):
        try:
            found.append(table(of_table).merge(leads(of_table), how="left"))
        except (Refused, ValueError) as reason:
            unranked.append(str(reason))
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(), unranked
