"""The verdict of Table X: do negatives of the sibling half help, and do those of other domains and noise harm?

Every D- is compared with D's own negatives within seeds: a seed splits D anew, which moves accuracy more than D- does.
The sibling half improves on own if the 95 % interval of the paired difference lies above zero, and another domain or
noise degrades if it lies below: tests of superiority, for which zero is the margin, because the paper claims a
direction. The sibling does not improve if its gain is surely below `LEAST_GAIN`, the smaller of the two gains that the
paper prints: what is surely smaller than that is not the effect that it reports, though it may be above zero.
"""

from __future__ import annotations

import pandas as pd

from analysis.negatives.table import APART, OWN, SIBLING, difference
from analysis.rules.claim import POINTS, Part, inferior, superior
from analysis.rules.reading import Reading, of_difference
from analysis.rules.sentence import judged
from analysis.tables.difference import points
from analysis.tables.settings import settings_of
from analysis.verdict import Verdict, lacking, undecided
from mi_ray.experiments.plan.sheets import place_title
from sweeps.negatives import STUDY

CLAIM = (
    "Negatives need not come from the data's own distribution: those of the sibling half of the classes improve on D's "
    "own, while those of another domain or of uniform noise degrade (Appendix C, Table X)."
)
LEAST_GAIN = 0.0077
"""Share of right answers that the sibling half gains on CIFAR-50A; on CIFAR-5A it is .0192."""


def verdict(tidy: pd.DataFrame) -> Verdict:
    """The verdict from the differences to own: undecided if cells are missing."""
    rows = [row for _, row in tidy.iterrows()]
    numbers = {_title(row, OWN): points(*difference(row, OWN)) for row in rows if row["negatives"] != OWN}
    siblings = [row for row in rows if row["negatives"] == SIBLING]
    numbers |= {_title(row, APART): points(*difference(row, APART)) for row in siblings}
    planned, absent = set(tidy["negatives"]), lacking(tidy)
    if absent or not {OWN, SIBLING} < planned - {APART}:
        return undecided(STUDY.name, CLAIM, absent or "these axes leave out own, sibling or all others", numbers)
    compared = [
        claimed(row["negatives"], of_difference(row, f"less_{OWN}_"), _name(row))
        for row in rows
        if row["negatives"] not in (OWN, APART)
    ]
    control = [f"{_name(row)} is {points(*difference(row, OWN))} points" for row in rows if row["negatives"] == APART]
    return judged(STUDY.name, CLAIM, compared, numbers, f"Control: {', '.join(control)}." if control else "")


def claimed(negatives: str, reading: Reading, name: str) -> Part:
    """The claim about one D-, by its difference to own: that it changes accuracy in the paper's direction."""
    if negatives == SIBLING:
        return superior(name, reading, POINTS, false_below=LEAST_GAIN)
    return inferior(name, reading, POINTS)


def _name(row: pd.Series) -> str:
    return f"{row['negatives']} less own on {_where(row)}"


def _title(row: pd.Series, reference: str) -> str:
    return f"{_where(row, row['arch'])}, {row['negatives']} less {reference}, points"


def _where(row: pd.Series, *named: str) -> str:
    """D, and all other settings that tell rows apart."""
    settings = [name for name in settings_of(row.index, "mean") if name not in ("data", "negatives", "arch")]
    return ", ".join(filter(None, [row["data"], *named, place_title(settings, row[settings])]))
