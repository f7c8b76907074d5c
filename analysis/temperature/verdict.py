"""The verdict of Tables IV and V: does I_class agree best with accuracy, and can so few encoders tell?

The rule is that of `analysis.agreement.leading`.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.agreement.columns import I_CLASS, of_the_claim
from analysis.agreement.leading import ENOUGH, STATISTICS, claims_of, close
from analysis.rules.sentence import judged
from analysis.verdict import Verdict, lacking, undecided
from sweeps.temperature import STUDY

CLAIM = (
    "Over encoders of different temperature and size, the post-training estimate under same-class sampling agrees "
    "better with linear accuracy than alignment, uniformity, tolerance, the contrastive loss and the estimate under "
    "SimCLR's pairing do (Appendix A, Tables IV and V)."
)


def verdict(tidy: pd.DataFrame, agreement: pd.DataFrame, unranked: Sequence[str]) -> Verdict:
    """The verdict from the agreement of every measure: undecided if cells are missing or encoders few."""
    numbers = {name: value for _, row in agreement.iterrows() for name, value in numbers_of(row).items()}
    absent = lacking(tidy)
    if absent or unranked or agreement.empty:
        return undecided(STUDY.name, CLAIM, absent or "; ".join(unranked) or "nothing is measured", numbers)
    fewest, ranks = int(agreement["encoders"].min()), of_the_claim(agreement)
    comparisons = "; ".join(comparison(rows) for _, rows in ranks.groupby("table", sort=False))
    if fewest < ENOUGH:
        return undecided(STUDY.name, CLAIM, f"{fewest} encoders are too few; {comparisons}", numbers)
    near = close(ranks)
    note = f"Of {fewest} encoders the lead in r over {', '.join(near)} is not beyond chance: " if near else ""
    return judged(STUDY.name, CLAIM, list(claims_of(ranks)), numbers, f"{note}{comparisons}.")


def comparison(rows: pd.DataFrame) -> str:
    """r and tau of I_class in a table with their intervals, beside the best rival's r."""
    by_measure = rows.set_index("measure")
    champion, best = by_measure.loc[I_CLASS.name], by_measure.drop(I_CLASS.name).nlargest(1, "pearson").iloc[0]
    return (
        f"on {champion['dataset']} I_class has r {_with_span(champion, 'pearson')} and tau "
        f"{_with_span(champion, 'kendall')}, the best of the others, {best['label']}, r {_with_span(best, 'pearson')}"
    )


def numbers_of(row: pd.Series) -> dict[str, float | str]:
    """r and tau of a measure with their intervals; of a rival also the interval of the lead of I_class in r."""
    about = f"table {row['table']}, {row['label']}"
    values: dict[str, float | str] = {
        f"{about}, {short}, 95 %": _with_span(row, name) for name, short in STATISTICS.items()
    }
    if row["measure"] != I_CLASS.name:
        lead = f"{row['pearson_lead_low']:z.2f} to {row['pearson_lead_high']:z.2f}"
        values[f"{about}, lead of I_class in r, 95 %"] = lead
    return values


def _with_span(row: pd.Series, name: str) -> str:
    return f"{row[name]:z.2f} ({row[f'{name}_low']:z.2f} to {row[f'{name}_high']:z.2f})"
