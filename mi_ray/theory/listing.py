"""Texts of messages: the first few names of a list and the number of the rest; characters that a terminal obeys."""

from __future__ import annotations

from collections.abc import Sequence


def listed(names: Sequence[str], shown: int = 3) -> str:
    """The first ``shown`` names, then ", and N more"."""
    more = [f"and {len(names) - shown:,} more"] if len(names) > shown else []
    return ", ".join([*names[:shown], *more])


def printable(text: str) -> str:
    """The text with a backslash sequence for every character that is not printable: those that a terminal obeys, ends
    of lines, and the bytes of file names that are no text in UTF-8, which no stream takes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
