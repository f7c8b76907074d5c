"""Printed rows of Tables IV to IX (`analysis/agreement/columns.py`): repeated rows, one measure twice, outliers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import pandas as pd

from analysis.agreement.columns import ALIGNMENT, TOLERANCE, UNIFORMITY

GEOMETRY = (ALIGNMENT.name, UNIFORMITY.name, TOLERANCE.name)


def repeated_rows(encoders: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    """Table and names of two encoders of one table with equal alignment, uniformity and tolerance."""
    for table, rows in encoders.groupby("table", sort=False):
        for (_, one), (_, other) in combinations(rows.iterrows(), 2):
            if all(one[name] == other[name] for name in GEOMETRY):
                yield str(table), str(one["model"]), str(other["model"])


def in_another_table(encoders: pd.DataFrame, model: str, table: str) -> pd.DataFrame:
    """Rows of the other tables with an encoder of this name, and its row of ``table`` first."""
    rows = encoders[encoders["model"] == model]
    return pd.concat([rows[rows["table"] == table], rows[rows["table"] != table]])


def gap_to_tolerance(encoders: pd.DataFrame) -> pd.Series:
    """Per table: the largest |alignment - (2 - 2 tolerance)|, zero if both are one measurement of same-class pairs."""
    gap = (encoders[ALIGNMENT.name] - (2 - 2 * encoders[TOLERANCE.name])).abs()
    return gap.groupby(encoders["table"], sort=False).max()
