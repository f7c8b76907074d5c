"""The report as one HTML page: a table of verdicts, then a section for each study."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from analysis.page.html import Html, facts, grid, joined, tag
from analysis.page.provenance import Named, Record
from analysis.page.style import CSS
from analysis.verdict import Verdict
from mi_ray.experiments.results.statement import KNOWN

if TYPE_CHECKING:
    from analysis.page.model import Picture, Report, Shown, Table

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
BADGES = {True: ("holds", "✓ holds"), False: ("fails", "✗ does not hold"), None: ("open", "? cannot be judged")}
NO_VERDICT = "\N{EN DASH} no verdict"
TITLE = "Studies of mutual information in contrastive learning"


def page(report: Report) -> str:
    """The whole page; the same report gives the same page."""
    sections = [_section(f"study-{number}", one) for number, one in enumerate(report.shown, start=1)]
    body = tag(
        "main", tag("h1", TITLE), _overview(report), *sections, tag("footer", "Mirrored in MLflow: ", report.source)
    )
    return f"<!DOCTYPE html>\n{tag('html', _head(), tag('body', body), lang='en')}\n"


def _head() -> Html:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", TITLE),
        tag("style", Html(CSS)),
    )


COLUMNS = ("study", "preset", "verdict", "cells", "computing", "certified", "claim")


def _overview(report: Report) -> Html:
    rows = [_summary(f"study-{number}", one) for number, one in enumerate(report.shown, start=1)]
    table = tag("div", grid(COLUMNS, rows, "Every study"), class_="overview")
    return joined([tag("p", _tally(report.shown)), table, tag("p", _shared(report))])


def _shared(report: Report) -> str:
    if not report.shared:
        return "No training is shared between studies."
    return f"{_plural(report.shared, 'training')} shared between studies, {_plural(report.saved, 'training')} saved."


def _tally(shown: Iterable[Shown]) -> str:
    words = Counter(_badge_words(one.verdict)[1].partition(" ")[2] for one in shown)
    return "Verdicts: " + ", ".join(f"{times} {word}" for word, times in words.items()) + "."


def _summary(anchor: str, one: Shown) -> tuple[object, ...]:
    claim = one.verdict.claim if one.verdict else one.question
    link = tag("a", one.study, href=f"#{anchor}")
    known = _held(one.record), _time(one.record.seconds), _certified(one)
    return link, one.preset, _badge(one.verdict), *known, claim


def _badge(verdict: Verdict | None) -> Html:
    kind, words = _badge_words(verdict)
    return tag("span", words, class_=f"badge {kind}")


def _badge_words(verdict: Verdict | None) -> tuple[str, str]:
    return BADGES[verdict.holds] if verdict else ("none", NO_VERDICT)


def _held(record: Record) -> str:
    return f"{len(record.committed)} of {len(record.named)}" if record.named else "not listed"


def _certified(one: Shown) -> str:
    tables = [picture.table for picture in one.pictures if picture.table and picture.table.certified is not None]
    return f"{sum(t.certified or 0 for t in tables)} of {sum(t.judged for t in tables)}" if tables else ""


def _time(seconds: float) -> str:
    """Seconds in the largest unit that leaves more than one."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s" if seconds else ""


def _section(anchor: str, one: Shown) -> Html:
    parts = [_pictured(one, picture) for picture in one.pictures]
    heading = tag("h2", one.study, " ", tag("small", one.preset))
    return tag("section", heading, _told(one), *parts, _provenance(one.record), id=anchor)


def _told(one: Shown) -> Html:
    """The question, the claim, the verdict, its sentence and its numbers."""
    parts = [tag("p", one.question, class_="question")] if one.question else []
    if one.trouble:
        parts.append(tag("p", one.trouble, class_="trouble"))
    given = one.verdict
    if given is None:
        return joined([*parts, tag("p", _badge(None))])
    kind, _ = _badge_words(given)
    parts += [tag("p", tag("b", "Claim: "), given.claim)]
    parts += [tag("p", _badge(given), " ", given.sentence, class_=f"verdict {kind}")]
    numbers = facts((name, _number(value)) for name, value in given.numbers.items())
    return joined([*parts, numbers] if given.numbers else parts)


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}" if isinstance(value, float) else str(value)


def _pictured(one: Shown, picture: Picture) -> Html:
    parts: list[Html] = [tag("h3", picture.name)]
    if picture.png is not None:
        source = f"data:image/png;base64,{b64encode(picture.png).decode()}"
        parts.append(tag("img", src=source, alt=f"{picture.name}: figure of {one.study}, preset {one.preset}"))
    if picture.table is not None:
        parts += [_certificates(picture.table), _table(picture.table, open_=picture.png is None)]
    return tag("article", *parts)


def _certificates(table: Table) -> Html:
    """How many rows are certified, what that means, and why others are not."""
    if table.certified is None:
        return Html()
    line = tag("p", f"{table.certified} of {table.judged} certified: {KNOWN}.")
    if not table.reasons:
        return line
    reasons = [tag("li", f"{reason} (\N{MULTIPLICATION SIGN}{times})") for reason, times in table.reasons.most_common()]
    return joined([line, tag("details", tag("summary", "Why others are not"), tag("ul", *reasons))])


def _table(table: Table, *, open_: bool) -> Html:
    if table.trouble:
        return tag("p", f"{table.name} {table.trouble}", class_="trouble")
    left = table.n_rows - len(table.rows)
    more = [tag("p", f"{_plural(left, 'more row')} in {table.name}")] if left else []
    summary = tag("summary", f"{table.name}, {_plural(table.n_rows, 'row')}")
    shown = grid(table.header, table.rows, table.name)
    return tag("details", summary, shown, *more, **({"open": ""} if open_ else {}))


def _provenance(record: Record) -> Html:
    """Where the numbers come from: facts, then every cell with its key."""
    if not record.named:
        return tag("p", "Which cells these figures are drawn from is not listed; draw them again to have that.")
    head = {"cells": f"{_held(record)} in the store", "computing, sum of cells": _time(record.seconds)}
    rows = [(c.key, c.name, _state(c, record)) for c in record.named]
    cells = tag("details", tag("summary", "Cells by key"), grid(("key", "cell", "state"), rows, "Cells"))
    return tag("article", tag("h3", "Provenance"), facts((head | record.facts).items()), cells)


def _state(cell: Named, record: Record) -> str:
    held = "in the store" if cell.key in record.committed else "missing"
    return f"{held}; its encoder {cell.not_learned}" if cell.not_learned else held


def _plural(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
