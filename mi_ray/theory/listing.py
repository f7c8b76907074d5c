"""Lists in messages: the first few names and the number of the rest."""

from __future__ import annotations

from collections.abc import Sequence


def listed(names: Sequence[str], shown: int = 3) -> str:
    """The first ``shown`` names, then ", and N more"."""
    more = [f"and {len(names) - shown:,} more"] if len(names) > shown else []
    return ", ".join([*names[:shown], *more])
