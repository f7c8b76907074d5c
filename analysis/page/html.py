"""HTML from plain values: whatever is not HTML already is escaped, so no text from a run becomes markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


class Html(str):
    """Text that is markup."""

    __slots__ = ()


LONGEST = 6
"""Digits of a fraction that are shown as they are."""

SHORT = 24
VOID = frozenset({"img", "meta"})


def tag(name: str, /, *children: object, **attributes: str) -> Html:
    """An element. Children and attributes are escaped unless they are `Html`; ``class_`` is the attribute class."""
    told = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items())
    return Html(f"<{name}{told}>" if name in VOID else f"<{name}{told}>{joined(children)}</{name}>")


def joined(children: Iterable[object]) -> Html:
    """Children one after another, each escaped unless it is `Html`."""
    return Html("".join(child if isinstance(child, Html) else escape(str(child)) for child in children))


def grid(header: Sequence[object], rows: Iterable[Sequence[object]], caption: object = "") -> Html:
    """A table that scrolls inside a box of its own; numbers stand right."""
    head = tag("tr", *(tag("th", name, scope="col") for name in header))
    body = (tag("tr", *map(_cell, row)) for row in rows)
    title = [tag("caption", caption)] if caption else []
    table = tag("table", *title, tag("thead", head), tag("tbody", *body))
    return tag("div", table, class_="box", tabindex="0", role="region", aria_label=str(caption) or "table")


def _cell(value: object) -> Html:
    """A cell of a table: numbers stand right, short words are kept on one line."""
    if _is_number(value):
        return tag("td", _legible(str(value)), class_="number", title=value)
    return tag("td", value, class_="short") if len(str(value)) <= SHORT else tag("td", value)


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def _legible(number: str) -> str:
    """A number with a long fraction in six digits; the whole of it is the cell's title."""
    return f"{float(number):.6g}" if len(number.partition(".")[2]) > LONGEST else number


def facts(pairs: Iterable[tuple[object, object]]) -> Html:
    """Names and what is said of each."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs))
