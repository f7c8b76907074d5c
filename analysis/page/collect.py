"""Collect the contents of a report from a store: everything that was drawn below its folder ``figures``."""

from __future__ import annotations

import ast
import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from analysis import verdict
from analysis.page.model import Picture, Report, Shown, Table
from analysis.page.provenance import Provenance, provenance, shared_trainings
from analysis.verdict import CELLS
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.declare.measures import CERTIFIED, NOT_CERTIFIED
from mi_ray.experiments.store.store import Store, store_at
from mi_ray.running.figures import QUESTION

SWEEPS = Path(__file__).resolve().parents[2] / "sweeps"
ROWS = 500
"""Most rows of a table that are shown; its file holds all."""

YES, NO = "True", "False"


def collect(place: str | Path, tracking_uri: str | None = None) -> Report:
    """Everything that was drawn here from the store at ``place``; `Refused` where there is nothing."""
    store = store_at(place)
    store.refuse_if_unreachable()
    shown = [_shown_of(folder, store) for folder in folders(store.root)]
    if not shown:
        raise Refused(f"store: {str(place)!r} holds no figures; run a sweep first, or name its --store")
    by_study: dict[str, list[Provenance]] = {}
    for preset in shown:
        by_study.setdefault(preset.study, []).append(preset.provenance)
    bundled = f"sqlite:///{store.root.resolve()}/mlflow.db"
    return Report(shown, *shared_trainings(by_study), source_of(tracking_uri or bundled))


def folders(root: Path) -> list[Path]:
    """``figures/<study>/<preset>`` wherever that holds a file to show, in order."""
    candidates = (root / "figures").glob("*/*/")
    return sorted(folder for folder in candidates if any(folder.glob("*.png")) or any(folder.glob("*.csv")))


def source_of(tracking_uri: str) -> str:
    """A tracking URI without the name and password that it may hold."""
    try:
        user = urlsplit(tracking_uri).netloc.rpartition("@")[0]
    except ValueError:
        return "an address that cannot be read"
    return tracking_uri.replace(f"{user}@", "", 1) if user else tracking_uri


def _shown_of(folder: Path, store: Store) -> Shown:
    """The contents of one folder of figures."""
    study, preset, given, trouble = folder.parent.name, folder.name, None, ""
    try:
        given = verdict.read(folder)
    except FileNotFoundError:
        pass
    except Refused as reason:
        trouble = str(reason)
    return Shown(
        study, preset, question(folder.parent), given, trouble, list(pictures(folder)), provenance(folder, store)
    )


def question(folder: Path) -> str:
    """The first line of the docstring of the study in ``figures/<study>``; empty where it is not known.

    A sweep of ours is read and not run; a run of any study leaves the line in its folder.
    """
    try:
        text = ast.get_docstring(ast.parse((SWEEPS / f"{folder.name}.py").read_text())) or ""
    except (OSError, ValueError, SyntaxError):
        line = folder / QUESTION
        text = line.read_text(encoding="utf-8", errors="replace") if line.is_file() else ""
    return text.partition("\n")[0]


def pictures(folder: Path) -> Iterator[Picture]:
    """Every png with the csv of its name, then every other csv but the list of cells."""
    tables = {path.stem: path for path in sorted(folder.glob("*.csv")) if path.name != CELLS}
    for path in sorted(folder.glob("*.png")):
        table = tables.pop(path.stem, None)
        try:
            png = path.read_bytes()
        except OSError:
            png = None
        yield Picture(path.stem, png, table_of(table) if table else None)
    for path in tables.values():
        yield Picture(path.stem, None, table_of(path))


def table_of(path: Path) -> Table:
    """A csv as text, with its certificates counted; ``trouble`` where it cannot be read."""
    try:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            header, *rows = list(csv.reader(file, strict=True)) or [[]]
    except (OSError, csv.Error) as reason:
        return Table(path.name, trouble=f"cannot be read: {getattr(reason, 'strerror', None) or reason}")
    table = Table(path.name, header, rows[:ROWS], len(rows))
    return _with_certificates(table, rows) if CERTIFIED in header else table


def _with_certificates(table: Table, rows: list[list[str]]) -> Table:
    """The table with the certificates of all its rows counted, and the reasons against them, without their seeds."""
    named = [dict(zip(table.header, row, strict=False)) for row in rows]
    judged = [row for row in named if row.get(CERTIFIED) in (YES, NO)]
    against = [row.get(NOT_CERTIFIED, "") for row in judged if row[CERTIFIED] == NO]
    reasons = Counter(
        re.sub(r"^seed [^:]*: ", "", reason) for text in against for reason in (text or "no reason given").split("; ")
    )
    return replace(table, certified=len(judged) - len(against), judged=len(judged), reasons=reasons)
