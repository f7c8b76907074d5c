"""The verdict of Tables IV and V: does I_class agree best with accuracy, and can so few encoders tell?"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.verdict import Verdict, lacking, undecided
from sweeps.temperature import STUDY

CLAIM = (
    "Over encoders of different temperature and size, the post-training estimate under same-class sampling agrees "
    "better with linear accuracy than alignment, uniformity, tolerance, the contrastive loss and the estimate under "
    "SimCLR's pairing do (Appendix A, Tables IV and V)."
)
CHAMPION = "i_class_bits"
ENOUGH = 6
"""Encoders in each of these tables; over fewer, chance alone makes any order of measures."""


def verdict(tidy: pd.DataFrame, agreement: pd.DataFrame, unranked: Sequence[str]) -> Verdict:
    """The verdict from the agreement of every measure: given only where the lead of I_class in r is beyond chance."""
    numbers = _numbers(agreement)
    absent = lacking(tidy)
    if absent or unranked or agreement.empty:
        return undecided(STUDY.name, CLAIM, absent or "; ".join(unranked) or "nothing is measured", numbers)
    fewest = int(agreement["encoders"].min())
    if fewest < ENOUGH:
        return undecided(STUDY.name, CLAIM, f"{fewest} encoders are too few; {_told(agreement)}", numbers)
    rivals = agreement[agreement["measure"] != CHAMPION]
    if (rivals["pearson_lead_high"] < 0).any():
        return Verdict(STUDY.name, CLAIM, False, f"Does not hold: {_told(agreement)}.", numbers)
    if (rivals["pearson_lead_low"] > 0).all():
        return Verdict(STUDY.name, CLAIM, True, f"Holds: {_told(agreement)}.", numbers)
    close = ", ".join(rivals["label"][rivals["pearson_lead_low"] <= 0].unique())
    why = f"of {fewest} encoders the lead in r over {close} is not beyond chance; {_told(agreement)}"
    return undecided(STUDY.name, CLAIM, why, numbers)


def _told(agreement: pd.DataFrame) -> str:
    """Of every table what I_class has, with intervals, and the best of the others."""
    return "; ".join(_of_table(rows.set_index("measure")) for _, rows in agreement.groupby("table", sort=False))


def _of_table(rows: pd.DataFrame) -> str:
    best = rows.drop(CHAMPION).nlargest(1, "pearson").iloc[0]
    champion = rows.loc[CHAMPION]
    return (
        f"on {champion['dataset']} I_class has r {_with_span(champion, 'pearson')} and tau "
        f"{_with_span(champion, 'kendall')}, the best of the others, {best['label']}, r {_with_span(best, 'pearson')}"
    )


def _with_span(row: pd.Series, name: str) -> str:
    return f"{row[name]:z.2f} ({row[f'{name}_low']:z.2f} to {row[f'{name}_high']:z.2f})"


def _numbers(agreement: pd.DataFrame) -> dict[str, float | str]:
    return {name: value for _, row in agreement.iterrows() for name, value in _of_row(row).items()}


def _of_row(row: pd.Series) -> dict[str, float | str]:
    about = f"table {row['table']}, {row['label']}"
    told: dict[str, float | str] = {f"{about}, {short}, 95 %": _with_span(row, name) for name, short in SHORT.items()}
    if row["measure"] == CHAMPION:
        return told
    return told | {
        f"{about}, lead of I_class in r, 95 %": f"{row.pearson_lead_low:z.2f} to {row.pearson_lead_high:z.2f}"
    }


SHORT = {"pearson": "r", "kendall": "tau"}
