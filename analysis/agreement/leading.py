"""The claim that I_class agrees better with accuracy than every other measure of a table, on the same encoders.

By Pearson's r it is a test of superiority with zero as its margin: the paper claims an order of measures, and states no
difference that would matter. I_class leads a measure if the 95 % interval of the difference of their r lies above zero,
by Williams' test with n - 3 degrees of freedom (`mi_ray.theory.lead`), and it must lead each of them. Encoders count as
a random sample of encoders, each once however many seeds it has.

By Kendall's tau the lead must be there as read. Its jackknife interval would seldom be sure over a dozen encoders, so a
lead in tau alone decides nothing for the claim; one of another measure that is sure decides against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from analysis.agreement.columns import I_CLASS
from analysis.rules.claim import AS_READ, PLAIN, Claim, Every, Part, superior
from analysis.rules.reading import Reading

ENOUGH = 6
"""Encoders in the paper's smallest table; over fewer, measures are not ranked."""

STATISTICS = {"pearson": "r", "kendall": "tau"}
LOSES = {"pearson": 3, "kendall": 1}
"""Degrees of freedom that a lead has less than encoders."""


def claims_of(agreement: pd.DataFrame) -> Iterator[Claim]:
    """The claims about each table, from a table of `ranking.ranked`."""
    for table, rows in agreement.groupby("table", sort=False):
        rivals = rows[rows["measure"] != I_CLASS.name]
        for name in STATISTICS:
            leads = {f"{row['label']} in table {table}": lead_of(row, name) for _, row in rivals.iterrows()}
            yield claimed(name, leads)


def claimed(statistic: str, leads: Mapping[str, Reading]) -> Claim:
    """The claim that I_class leads every measure in one statistic."""
    short = STATISTICS[statistic]
    named = {f"the lead in {short} over {rival}": lead for rival, lead in leads.items()}
    if statistic == "pearson":
        return Every([superior(name, lead, PLAIN) for name, lead in named.items()])
    return Every([Part(name=name, reading=lead, low=0.0, level=AS_READ, unit=PLAIN) for name, lead in named.items()])


def lead_of(row: Mapping[str, object], statistic: str) -> Reading:
    """The lead of I_class over the measure of a row."""
    n = int(str(row["encoders"]))
    return Reading(
        value=float(str(row[f"{statistic}_lead"])), error=float(str(row[f"{statistic}_lead_error"])),
        degrees=n - LOSES[statistic], n=n, replicates="encoders",
    )  # fmt: skip


def close(agreement: pd.DataFrame) -> list[str]:
    """Labels of the measures over which a lead in r is not sure, in any table."""
    rivals = agreement[agreement["measure"] != I_CLASS.name]
    return list(dict.fromkeys(rivals["label"][~(rivals["pearson_lead_low"] > 0)]))
