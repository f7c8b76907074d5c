"""The display on a terminal, by rich: matrices as tables that redraw themselves once a second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

PENDING, RUNNING, FAILED, BLOCKED = "·", "…", "failed", "blocked"
"""Texts of an entry without a result."""


def live(view: Callable[[], RenderableType], stream: TextIO) -> Live | None:
    """A display that redraws ``view`` once a second, or None where rich is not installed.

    A view that raises, since a job ended while it was drawn, leaves the last one on the screen.
    """
    try:
        from rich.console import Console
        from rich.live import Live
    except ImportError:
        return None
    latest: list[RenderableType] = [""]

    def redraw() -> RenderableType:
        with suppress(Exception):
            latest[0] = view()
        return latest[0]

    return Live(console=Console(file=stream), get_renderable=redraw, refresh_per_second=1, transient=True)


def table(heading: str, grid: Sequence[Sequence[str]]) -> RenderableType:
    """A matrix as a table: the first line of ``grid`` names the columns, the first text of every other line its row."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    def styled(entry: str) -> Text:
        waits = entry in (PENDING, RUNNING, "") or entry.endswith("%")
        return Text(entry, style="red" if entry in (FAILED, BLOCKED) else "dim" if waits else "green")

    filled = Table(title=heading, box=box.SIMPLE_HEAD, title_style="", title_justify="left")
    for column in grid[0]:
        filled.add_column(Text(column))
    for name, *entries in grid[1:]:
        filled.add_row(Text(name, style="bold"), *map(styled, entries))
    return filled
