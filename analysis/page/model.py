"""What a report holds: tables, pictures and verdicts, as values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from analysis.page.provenance import Record
from analysis.verdict import Verdict


@dataclass(frozen=True)
class Table:
    """A csv: its header, the first `ROWS` rows, how many there are; a reason instead where it cannot be read.

    ``certified`` of ``judged`` rows, which are those that can be; None where the table says nothing of certificates.
    """

    name: str
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    n_rows: int = 0
    certified: int | None = None
    judged: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    trouble: str = ""


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
    record: Record


@dataclass(frozen=True)
class Report:
    """All folders of figures, and the trainings that studies have in common."""

    shown: Sequence[Shown]
    shared: int
    saved: int
    source: str
