"""Settings: the leading columns of a tidy table, which tell its rows apart. Values, spreads and counts follow them."""

from __future__ import annotations

from itertools import takewhile

import pandas as pd


def settings_of(columns: pd.Index, before: str) -> list[str]:
    """Names of the columns in front of ``before``, the first column of values."""
    return [str(name) for name in takewhile(lambda name: name != before, columns)]
