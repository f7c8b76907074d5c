"""The verdict of Table X: do negatives of the sibling half help, and do those of other domains and noise harm?"""

from __future__ import annotations

import pandas as pd

from analysis.tables.difference import points, weighed
from analysis.verdict import Verdict, lacking, undecided
from mi_ray.experiments.plan.sheets import place_title
from sweeps.negatives import STUDY

OWN, APART, SIBLING = "own", "apart", "sibling"
CLAIM = (
    "Negatives need not come from the data's own distribution: those of the sibling half of the classes improve on D's "
    "own, while those of another domain or of uniform noise degrade (Appendix C, Table X)."
)


def verdict(tidy: pd.DataFrame) -> Verdict:
    """The verdict from the differences to own: not given where an interval holds zero and none is against the paper."""
    asked = set(tidy["negatives"])
    absent = lacking(tidy)
    numbers = {_title(row, OWN): _points(row, OWN) for _, row in tidy.iterrows() if row["negatives"] != OWN}
    numbers |= {_title(row, APART): _points(row, APART) for _, row in tidy.iterrows() if row["negatives"] == SIBLING}
    if absent or not {OWN, SIBLING} < asked - {APART}:
        return undecided(STUDY.name, CLAIM, absent or "these axes leave out own, sibling or all others", numbers)
    rows = tidy[~tidy["negatives"].isin([OWN, APART])]
    holds, sentence = weighed([(_judged(row), _found(row)) for _, row in rows.iterrows()])
    return Verdict(STUDY.name, CLAIM, holds, sentence + _control(tidy), numbers)


def _judged(row: pd.Series) -> bool | None:
    """Whether a D- surely does to accuracy what the paper says, or surely the opposite."""
    sign = 1 if row["negatives"] == SIBLING else -1
    low, high = sorted(sign * row[f"less_{OWN}_{end}"] for end in ("low", "high"))
    return True if low > 0 else False if high < 0 else None


def _found(row: pd.Series) -> str:
    return f"{row['negatives']} less own is {_points(row, OWN)} points on {_where(row)}"


def _control(tidy: pd.DataFrame) -> str:
    """What it does by itself to draw D's own images apart, where that is asked."""
    told = [_found(row) for _, row in tidy.iterrows() if row["negatives"] == APART]
    return f" Control: {', '.join(told)}." if told else ""


def _title(row: pd.Series, reference: str) -> str:
    return f"{_where(row, row['arch'])}, {row['negatives']} less {reference}, points"


def _where(row: pd.Series, *named: str) -> str:
    """D, and all else that tells rows apart."""
    places = row.index[: row.index.get_loc("mean")]
    settings = [name for name in places if name not in ("data", "negatives", "arch")]
    return ", ".join(filter(None, [row["data"], *named, place_title(settings, row[settings])]))


def _points(row: pd.Series, reference: str) -> str:
    return points(*(row[f"less_{reference}_{end}"] for end in ("mean", "low", "high")))
