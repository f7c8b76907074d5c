"""The section of a study: its claim and verdict, figures with their tables, and where its numbers come from."""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import quote

from analysis.page.html import Html, facts, grid, joined, tag
from analysis.page.model import Picture, Shown, Table
from analysis.page.provenance import Provenance
from analysis.pictures.files import description
from analysis.verdict import Verdict
from mi_ray.experiments.results.statement import KNOWN

BADGES = {True: ("holds", "✓ holds"), False: ("fails", "✗ does not hold"), None: ("open", "? cannot be judged")}
NO_VERDICT = "\N{EN DASH} no verdict"

REASONED = 100
"""Most cells whose reasons are listed; the csv has them all."""


def section(anchor: str, shown: Shown) -> Html:
    """The whole section; ``anchor``: its id on the page."""
    pictures = [article(shown, picture) for picture in shown.pictures]
    heading = tag("h2", shown.study, " ", tag("small", shown.preset))
    made = [tag("p", "Made by ", tag("code", shown.command))] if shown.command else []
    return tag("section", heading, claim(shown), *pictures, provenance(shown.provenance), *made, id=anchor)


def claim(shown: Shown) -> Html:
    """The question, the claim, the verdict, its sentence and its numbers."""
    parts = [tag("p", shown.question, class_="question")] if shown.question else []
    if shown.trouble:
        parts.append(tag("p", shown.trouble, class_="trouble"))
    verdict = shown.verdict
    if verdict is None:
        return joined([*parts, tag("p", badge(None))])
    kind, _ = badge_words(verdict)
    parts += [tag("p", tag("b", "Claim: "), verdict.claim)]
    parts += [tag("p", badge(verdict), " ", verdict.sentence, class_=f"verdict {kind}")]
    numbers = {n: f"{value:.4g}" if isinstance(value, float) else str(value) for n, value in verdict.numbers.items()}
    return joined([*parts, facts(numbers.items())] if numbers else parts)


def badge(verdict: Verdict | None) -> Html:
    """A verdict in two words, coloured by its kind."""
    kind, words = badge_words(verdict)
    return tag("span", words, class_=f"badge {kind}")


def badge_words(verdict: Verdict | None) -> tuple[str, str]:
    """The kind of a verdict, which is a class of the style sheet, and its words."""
    return BADGES[verdict.holds] if verdict else ("none", NO_VERDICT)


def article(shown: Shown, picture: Picture) -> Html:
    """A figure, how many rows of its table are certified, and the table, open where there is no figure."""
    parts: list[Html] = [tag("h3", picture.name)]
    if picture.png is not None:
        source = f"data:image/png;base64,{b64encode(picture.png).decode()}"
        shows = description(picture.png) or (picture.table.seen if picture.table else "")
        alt = f"{picture.name} of {shown.study}, preset {shown.preset}{f': {shows}' if shows else ''}"
        parts.append(tag("img", src=source, alt=alt))
    if picture.table is not None:
        parts += [certificates(picture.table), table(picture.table, is_open=picture.png is None)]
    return tag("article", *parts)


def certificates(table: Table) -> Html:
    """The number of certified rows, the meaning of a certificate, and the reasons why other rows have none."""
    if table.certified is None:
        return Html()
    line = tag("p", f"{table.certified} of {table.judged} certified: {KNOWN}.")
    if not table.reasons:
        return line
    cells = [
        tag("li", tag("b", name), tag("ul", *(tag("li", reason) for reason in reasons)))
        for name, reasons in table.reasons[:REASONED]
    ]
    left = len(table.reasons) - len(cells)
    more = [tag("p", f"{plural(left, 'more row')} in {table.name}")] if left else []
    summary = tag("summary", f"Why others are not, {plural(len(table.reasons), 'cell')}")
    return joined([line, tag("details", summary, tag("ul", *cells), *more)])


def table(table: Table, *, is_open: bool) -> Html:
    """A table that can be unfolded, or the reason why it cannot be read."""
    if table.trouble:
        return tag("p", f"{table.name} {table.trouble}", class_="trouble")
    left = table.n_rows - len(table.rows)
    more = [tag("p", f"{plural(left, 'more row')} in {table.name}")] if left else []
    summary = tag("summary", f"{table.name}, {plural(table.n_rows, 'row')}")
    more += [tag("p", "File: ", tag("a", table.place, href=quote(table.place)))] if table.place else []
    rows = grid(table.header, table.rows, table.name)
    return tag("details", summary, rows, *more, open="") if is_open else tag("details", summary, rows, *more)


def provenance(origin: Provenance) -> Html:
    """Facts about all cells, then every cell with its key."""
    if not origin.cells:
        return tag("p", "Which cells these figures are drawn from is not listed; draw them again to have that.")
    head = {"cells": f"{held(origin)} in the store", "computing, sum of cells": duration(origin.seconds)}
    rows = []
    for cell in origin.cells:
        state = "in the store" if cell.key in origin.committed else "missing"
        rows.append((cell.key, cell.name, f"{state}; its encoder {cell.not_learned}" if cell.not_learned else state))
    cells = tag("details", tag("summary", "Cells by key"), grid(("key", "cell", "state"), rows, "Cells"))
    return tag("article", tag("h3", "Provenance"), facts((head | origin.facts).items()), unlearned(origin), cells)


def unlearned(origin: Provenance) -> Html:
    """The reasons why encoders did not learn, each with the cells that rest on such an encoder."""
    cells_of: dict[str, list[str]] = {}
    for cell in origin.cells:
        if cell.not_learned:
            cells_of.setdefault(cell.not_learned, []).append(cell.name)
    if not cells_of:
        return Html()
    groups = [
        tag("li", tag("b", reason), tag("ul", *(tag("li", name) for name in names)))
        for reason, names in cells_of.items()
    ]
    return tag("details", tag("summary", "Cells whose encoder did not learn"), tag("ul", *groups))


def held(provenance: Provenance) -> str:
    """The number of the study's cells that the store holds, as text: ``3 of 4``."""
    return f"{len(provenance.committed)} of {len(provenance.cells)}" if provenance.cells else "not listed"


def duration(seconds: float) -> str:
    """Seconds in the largest unit that leaves more than one."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s" if seconds else ""


def plural(number: int, word: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"
