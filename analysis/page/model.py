"""The contents of a report as values: tables, pictures, verdicts and provenance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.page.provenance import Provenance
from analysis.verdict import Verdict


@dataclass(frozen=True)
class Table:
    """A csv: its header, its first rows, and how many there are; ``trouble``: why it cannot be read.

    ``certified`` of the ``judged`` rows, which say whether they are; None where the table has no such column.
    ``reasons``: against the certificate of each row that has none, by the words that name it.
    """

    name: str
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    n_rows: int = 0
    certified: int | None = None
    judged: int = 0
    reasons: Sequence[tuple[str, Sequence[str]]] = ()
    trouble: str = ""
    place: str = ""
    """Its path relative to the store, which a report in the store links to."""
    seen: str = ""
    """What the table and its picture show, in words: the range of its values and where the ends are."""


@dataclass(frozen=True)
class Picture:
    """A png and the table that it shows, or a table alone."""

    name: str
    png: bytes | None
    table: Table | None


@dataclass(frozen=True)
class Shown:
    """One folder of figures: a study with one of its presets."""

    study: str
    preset: str
    question: str
    verdict: Verdict | None
    trouble: str
    pictures: Sequence[Picture]
    provenance: Provenance
    command: str = ""
    """The command that computed and drew it; empty where it is not known."""


@dataclass(frozen=True)
class Report:
    """All folders of figures, and the trainings that studies have in common."""

    shown: Sequence[Shown]
    shared: int
    saved: int
    source: str
    links: Sequence[tuple[str, str]] = ()
    """Title and address of saved views in MLflow."""
