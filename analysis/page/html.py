"""HTML from plain values: every value that is not HTML is escaped, so that no text from a run becomes markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


class Html(str):
    """Text that is markup."""

    __slots__ = ()


FRACTION = 6
"""Most digits of a fraction that are all shown; the title of a longer number's cell holds all of it."""

SHORT = 24
"""Most characters of a text that is kept on one line."""

VOID = frozenset({"img", "meta"})


def tag(name: str, /, *children: object, **attributes: str) -> Html:
    """An element. Children and attributes are escaped unless they are `Html`; ``class_`` is the attribute class."""
    texts = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items())
    return Html(f"<{name}{texts}>" if name in VOID else f"<{name}{texts}>{joined(children)}</{name}>")


def joined(children: Iterable[object]) -> Html:
    """Children one after another, each escaped unless it is `Html`."""
    return Html("".join(child if isinstance(child, Html) else escape(str(child)) for child in children))


def grid(header: Sequence[object], rows: Iterable[Sequence[object]], caption: object = "") -> Html:
    """A table that scrolls inside a box of its own; numbers stand right."""
    head = tag("tr", *(tag("th", name, scope="col") for name in header))
    body = (tag("tr", *map(_table_cell, row)) for row in rows)
    title = [tag("caption", caption)] if caption else []
    table = tag("table", *title, tag("thead", head), tag("tbody", *body))
    return tag("div", table, class_="box", tabindex="0", role="region", aria_label=str(caption) or "table")


def _table_cell(value: object) -> Html:
    """A cell of a table: a number stands right, a short text is kept on one line."""
    text = str(value)
    try:
        number = float(text)
    except ValueError:
        return tag("td", value, class_="short") if len(text) <= SHORT else tag("td", value)
    legible = f"{number:.6g}" if len(text.partition(".")[2]) > FRACTION else text
    return tag("td", legible, class_="number", title=text)


def facts(pairs: Iterable[tuple[object, object]]) -> Html:
    """A list of names and values."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs))
