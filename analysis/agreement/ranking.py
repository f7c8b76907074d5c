"""How well each measure ranks encoders as linear accuracy does: Pearson's r, Kendall's tau-b and their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from analysis.agreement.columns import ACCURACY, I_CLASS, NAMES, EncoderColumn, measures_of
from mi_ray.experiments.declare.checks import Refused, refuse
from mi_ray.theory.agreement import bootstrap, correlation, leave_one_out, most_influential, top_k
from mi_ray.theory.lead import kendall_lead, pearson_lead

BEST = 3
"""The share of so many best encoders that a measure finds is a column of its own."""

SEED = 0
"""Of every bootstrap; each measure of a table sees the same resamples of its encoders."""


def table(encoders: pd.DataFrame, without: Sequence[str] = ()) -> pd.DataFrame:
    """One row per table and measure, and a second one where encoders named in ``without`` stand in the table.

    ``left_out`` names those missing from the row; the rest is the agreement of ``sign`` times the measure.
    """
    for name in without:
        if name not in set(encoders["model"]):
            raise refuse("without", name, ", ".join(encoders["model"].unique()))
    agreements = []
    for _, rows in encoders.groupby("table", sort=False):
        named = [name for name in rows["model"] if name in without]
        variants = [[], named] if named else [[]]
        agreements += [agreement(rows, measure, left_out) for measure in measures_of(rows) for left_out in variants]
    return pd.DataFrame(agreements)


def agreement(rows: pd.DataFrame, measure: EncoderColumn, left_out: Sequence[str]) -> dict[str, object]:
    """The agreement of one measure with accuracy over a table's encoders, but those left out.

    `Refused` where that is not defined: too few encoders, or values that do not differ.
    """
    kept = rows[~rows["model"].isin(left_out)]
    about = {column: rows[column].iloc[0] for column in NAMES if column != "model"}
    oriented, accuracy = measure.sign * kept[measure.name].to_numpy(), kept[ACCURACY.name].to_numpy()
    try:
        full, without = correlation(oriented, accuracy), leave_one_out(oriented, accuracy)
        interval = bootstrap(oriented, accuracy, np.random.default_rng(SEED))
        most, best = most_influential(full, without), top_k(oriented, accuracy, BEST)
    except ValueError as reason:
        besides = f" without {', '.join(left_out)}" if left_out else ""
        raise Refused(f"table {about['table']}{besides}, {measure.name}: {reason}") from reason
    return {
        **about,
        "measure": measure.name,
        "label": measure.label,
        "sign": measure.sign,
        "left_out": ", ".join(left_out),
        "encoders": len(kept),
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
        "most_influential": kept["model"].iloc[most],
        "pearson_less_most_influential": without.pearson[most],
        f"top_{BEST}": best,
    }


def leads(encoders: pd.DataFrame) -> pd.DataFrame:
    """One row per table and rival: how much larger r and tau of I_class are, with error and 95 % interval.

    Of r Williams' interval, of tau the jackknife's.
    """
    rows_of_leads = []
    for name, rows in encoders.groupby("table", sort=False):
        champion, accuracy = rows[I_CLASS.name].to_numpy(), rows[ACCURACY.name].to_numpy()
        for rival in measures_of(rows):
            if rival == I_CLASS:
                continue
            values: dict[str, object] = {"table": name, "measure": rival.name}
            oriented = rival.sign * rows[rival.name].to_numpy()
            for statistic, lead_in in (("pearson", pearson_lead), ("kendall", kendall_lead)):
                lead = lead_in(champion, oriented, accuracy)
                half = float(stdtrit(lead.degrees, 0.975)) * lead.error if lead.degrees > 0 else nan
                values |= {
                    f"{statistic}_lead": lead.difference,
                    f"{statistic}_lead_error": lead.error,
                    f"{statistic}_lead_low": lead.difference - half,
                    f"{statistic}_lead_high": lead.difference + half,
                }
            rows_of_leads.append(values)
    return pd.DataFrame(rows_of_leads)


def ranked(encoders: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The agreement of every measure beside the lead of I_class over it, and why some tables have none."""
    tables, unranked = [], []
    for _, rows in encoders.groupby("table", sort=False):
        try:
            tables.append(table(rows).merge(leads(rows), how="left"))
        except (Refused, ValueError) as reason:
            unranked.append(str(reason))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(), unranked
