"""The report as one HTML page: a table of verdicts, then a section for each study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from analysis.page.html import Html, grid, joined, tag
from analysis.page.model import Report, Shown
from analysis.page.section import badge, badge_words, duration, held, plural, section
from analysis.page.style import CSS
from mi_ray.experiments.declare.measures import CERTIFIED

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
TITLE = "Studies of mutual information in contrastive learning"
COLUMNS = ("study", "preset", "verdict", "cells", "computing", CERTIFIED, "claim")


def page(report: Report) -> str:
    """The whole page; the same report gives the same page."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", TITLE),
        tag("style", Html(CSS)),
    )
    sections = [section(f"study-{number}", shown) for number, shown in enumerate(report.shown, start=1)]
    views = [tag("li", tag("a", title, href=address)) for title, address in report.links]
    opened = [tag("p", "With mi-ray ui running, these links open it:"), tag("ul", *views)] if views else []
    footer = tag("footer", tag("p", "Mirrored in MLflow: ", report.source), *opened)
    body = tag("body", tag("main", tag("h1", TITLE), overview(report), *sections, footer))
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def overview(report: Report) -> Html:
    """The overview: the number of verdicts of each kind, a row per study, and the trainings that studies share."""
    tally = Counter(badge_words(shown.verdict)[1].partition(" ")[2] for shown in report.shown)
    verdicts = "Verdicts: " + ", ".join(f"{times} {word}" for word, times in tally.items()) + "."
    rows = [_overview_row(f"study-{number}", shown) for number, shown in enumerate(report.shown, start=1)]
    table = tag("div", grid(COLUMNS, rows, "Every study"), class_="overview")
    shared = (
        f"{plural(report.shared, 'training')} shared between studies, {plural(report.saved, 'training')} saved."
        if report.shared
        else "No training is shared between studies."
    )
    return joined([tag("p", verdicts), table, tag("p", shared)])


def _overview_row(anchor: str, shown: Shown) -> Sequence[object]:
    """A study in `COLUMNS`, linked to its section."""
    tables = [picture.table for picture in shown.pictures if picture.table and picture.table.certified is not None]
    certified = f"{sum(t.certified or 0 for t in tables)} of {sum(t.judged for t in tables)}" if tables else ""
    claim = shown.verdict.claim if shown.verdict else shown.question
    link, computing = tag("a", shown.study, href=f"#{anchor}"), duration(shown.provenance.seconds)
    return link, shown.preset, badge(shown.verdict), held(shown.provenance), computing, certified, claim
