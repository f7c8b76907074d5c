"""Lists in messages: the first few by name, the rest by number."""

from __future__ import annotations

from collections.abc import Sequence


def listed(names: Sequence[str], shown: int = 3) -> str:
    """The first ``shown`` names, and how many more there are."""
    more = [f"and {len(names) - shown:,} more"] if len(names) > shown else []
    return ", ".join([*names[:shown], *more])
