"""Tables in print layout: a Markdown file of captioned tables with notes on their signs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

ABSENT, PLUS_MINUS, MINUS = "\N{EN DASH}", "\N{PLUS-MINUS SIGN}", "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Printed:
    """One table: its caption, the header, lines of text below it, and notes."""

    caption: str
    header: Sequence[str]
    lines: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def write_markdown(path: Path, tables: Sequence[Printed]) -> Path:
    """Write the tables one below the other to a Markdown file."""
    texts = []
    for table in tables:
        lines = (table.header, [":--", *["--:"] * (len(table.header) - 1)], *table.lines)
        grid = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        texts.append("\n\n".join([f"**{table.caption}**", grid, *table.notes]))
    path.write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    return path


def number(value: float, digits: int, *, sign: bool = False) -> str:
    """A number with so many digits, no zero with a minus, a dash where there is none."""
    text = f"{value:{'+' if sign else ''}z.{digits}f}"
    return ABSENT if pd.isna(value) else text.replace("-", MINUS)


def with_spread(value: float, spread: float, digits: int) -> str:
    """A number and its spread, where that is known."""
    text = number(value, digits)
    return text if pd.isna(value) or pd.isna(spread) else f"{text} {PLUS_MINUS} {number(spread, digits)}"


def span(low: float, high: float, digits: int, *, sign: bool = False) -> str:
    """An interval, a dash where there is none."""
    return ABSENT if pd.isna(low) else f"{number(low, digits, sign=sign)} to {number(high, digits, sign=sign)}"


def spread_note(table: pd.DataFrame) -> str:
    """The meaning of ± in a table of `over_seeds`."""
    seeds = int(table["n_seeds_asked"].max())
    over = f"the standard deviation over {seeds} seeds"
    return f"{PLUS_MINUS}: {over if seeds > 1 else 'the standard error over test images, one seed'}."
