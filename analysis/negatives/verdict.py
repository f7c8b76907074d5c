"""The verdict of Table X: do negatives of the sibling half help, and do those of other domains and noise harm?"""

from __future__ import annotations

import pandas as pd

from analysis.negatives.table import APART, OWN, SIBLING, difference
from analysis.tables.difference import points, weighed
from analysis.tables.settings import settings_of
from analysis.verdict import Verdict, lacking, undecided
from mi_ray.experiments.plan.sheets import place_title
from sweeps.negatives import STUDY

CLAIM = (
    "Negatives need not come from the data's own distribution: those of the sibling half of the classes improve on D's "
    "own, while those of another domain or of uniform noise degrade (Appendix C, Table X)."
)


def verdict(tidy: pd.DataFrame) -> Verdict:
    """The verdict from the differences to own: undecided if an interval holds zero and none is against the paper."""
    rows = [row for _, row in tidy.iterrows()]
    numbers = {_title(row, OWN): points(*difference(row, OWN)) for row in rows if row["negatives"] != OWN}
    siblings = [row for row in rows if row["negatives"] == SIBLING]
    numbers |= {_title(row, APART): points(*difference(row, APART)) for row in siblings}
    planned, absent = set(tidy["negatives"]), lacking(tidy)
    if absent or not {OWN, SIBLING} < planned - {APART}:
        return undecided(STUDY.name, CLAIM, absent or "these axes leave out own, sibling or all others", numbers)
    compared = [row for row in rows if row["negatives"] not in (OWN, APART)]
    holds, sentence = weighed([(as_claimed(row), _finding(row)) for row in compared])
    control = [_finding(row) for row in rows if row["negatives"] == APART]
    sentence += f" Control: {', '.join(control)}." if control else ""
    return Verdict(STUDY.name, CLAIM, holds, sentence, numbers)


def as_claimed(row: pd.Series) -> bool | None:
    """True if a D- surely changes accuracy in the paper's direction, False if surely in the other, else None."""
    _, low, high = difference(row, OWN)
    raised = True if low > 0 else False if high < 0 else None
    return raised if row["negatives"] == SIBLING or raised is None else not raised


def _finding(row: pd.Series) -> str:
    return f"{row['negatives']} less own is {points(*difference(row, OWN))} points on {_where(row)}"


def _title(row: pd.Series, reference: str) -> str:
    return f"{_where(row, row['arch'])}, {row['negatives']} less {reference}, points"


def _where(row: pd.Series, *named: str) -> str:
    """D, and all other settings that tell rows apart."""
    settings = [name for name in settings_of(row.index, "mean") if name not in ("data", "negatives", "arch")]
    return ", ".join(filter(None, [row["data"], *named, place_title(settings, row[settings])]))
