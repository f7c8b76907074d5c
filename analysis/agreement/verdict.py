"""The verdict of Tables I and II: is I_class the measure that agrees best with linear accuracy, and how surely?

The rule is that of `analysis.agreement.leading`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.agreement.columns import I_CLASS, OTHERS, of_the_claim
from analysis.agreement.leading import ENOUGH, STATISTICS, claims_of, close
from analysis.rules.sentence import judged
from analysis.verdict import Verdict, lacking, undecided
from sweeps.encoder_zoo import STUDY

CLAIM = (
    "Over encoders of different quality, the post-training estimate under same-class sampling agrees better with "
    "linear accuracy than alignment, uniformity, tolerance and the estimate under SimCLR's pairing do, by Pearson's r "
    "and by Kendall's tau (Sec. IV-B, Tables I and II)."
)


def verdict(columns: Mapping[str, pd.DataFrame], agreement: pd.DataFrame, unranked: Sequence[str]) -> Verdict:
    """The verdict from the columns asked for, the agreement of each measure beside `leads`, and unranked tables."""
    absent = lacking(*columns.values())
    numbers = {name: value for _, row in agreement.iterrows() for name, value in numbers_of(row).items()}
    if absent or unranked:
        return undecided(STUDY.name, CLAIM, absent or "; ".join(unranked), numbers)
    few = agreement[agreement["encoders"] < ENOUGH]
    if len(few):
        why = f"{few['encoders'].min()} encoders are too few to rank measures, of which the paper has {ENOUGH} or more"
        return undecided(STUDY.name, CLAIM, why, numbers)
    ranks = of_the_claim(agreement)
    tables = [rows.set_index("measure") for _, rows in ranks.groupby("table", sort=False)]
    note = f"{'; '.join(comparison(rows) for rows in tables)}{beside_the_claim(agreement)}."
    return judged(STUDY.name, CLAIM, list(claims_of(ranks)), numbers, note)


def better_rivals(rows: pd.DataFrame) -> list[str]:
    """Rivals that agree better than I_class by either statistic."""
    champion = rows.loc[I_CLASS.name]
    return [name for name in rows.index if any(rows.loc[name, column] > champion[column] for column in STATISTICS)]


def beside_the_claim(agreement: pd.DataFrame) -> str:
    """`OTHERS` that agree better than I_class of their table by either statistic, which the claim does not deny."""
    found = []
    for name, rows in agreement.groupby("table", sort=False):
        ranks = rows.set_index("measure")
        better = set(better_rivals(ranks)) & {column.name for column in OTHERS}
        found += [f"{row['label']} {_values(row)} (table {name})" for of, row in ranks.iterrows() if of in better]
    return f"; not in the claim, and better: {', '.join(found)}" if found else ""


def comparison(rows: pd.DataFrame) -> str:
    """I_class of a table beside the next by r, and which rivals it leads beyond chance."""
    rivals, champion = rows.drop(I_CLASS.name), rows.loc[I_CLASS.name]
    best, near = rivals.nlargest(1, "pearson").iloc[0], close(rows.reset_index())
    apart = [label for label in rivals["label"] if label not in near]
    separation = (
        f"its lead is beyond chance over {', '.join(apart) or 'none'}, not over {', '.join(near)}"
        if near
        else "its lead over each of them is beyond chance"
    )
    table = f"Table {champion['table']} ({champion['encoders']} encoders)"
    return f"{table}: I_class {_values(champion)}, the best other {best['label']} {_values(best)}; {separation}"


def numbers_of(row: pd.Series) -> dict[str, float | str]:
    """r and tau of a measure; of I_class their intervals, of a rival the intervals of how far it is behind."""
    about = f"table {row['table']}, {row['label']}"
    values = {f"{about}, {short}": row[name] for name, short in STATISTICS.items()}
    if row["measure"] == I_CLASS.name:
        return values | {f"{about}, {short}, 95 %": _interval(row, name) for name, short in STATISTICS.items()}
    behind = " and ".join(f"{short} {_interval(row, f'{name}_lead')}" for name, short in STATISTICS.items())
    return values | {f"{about}, behind I_class by, 95 %": behind}


def _values(row: pd.Series) -> str:
    return " and ".join(f"{short} {row[name]:z.2f}" for name, short in STATISTICS.items())


def _interval(row: pd.Series, name: str) -> str:
    return f"{row[f'{name}_low']:z.2f} to {row[f'{name}_high']:z.2f}"
