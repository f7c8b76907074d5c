"""Collect the contents of a report from a store: everything that was drawn below its folder ``figures``."""

from __future__ import annotations

import ast
import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from urllib.parse import urlsplit

from analysis import verdict
from analysis.page.model import Picture, Report, Shown, Table
from analysis.page.provenance import Provenance, provenance, shared_trainings
from analysis.pictures.draw import NAMES
from analysis.verdict import CELLS
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.declare.measures import CERTIFIED, NOT_CERTIFIED
from mi_ray.experiments.store.store import Store, store_at
from mi_ray.running.figures import COMMAND, QUESTION
from mi_ray.running.recording import LOCAL

SWEEPS = Path(__file__).resolve().parents[2] / "sweeps"
ROWS = 500
"""Most rows of a table that are shown; its file holds all."""

FEW_ROWS = 12
"""The same of the tables behind pictures of single images, reports and classes."""

VALUES = ("mean", "value")
"""Columns that hold what a figure shows, if a table has them."""

WORD, NAMED = 24, 4
"""Most characters of a text that names a row, and most columns that do."""

NOT_WORDS = (CERTIFIED, NOT_CERTIFIED, "spread_is")
"""Columns of texts that say something of a value and do not name it."""

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
    uri = tracking_uri or bundled
    return Report(shown, *shared_trainings(by_study), source_of(uri), links_of(uri))


def links_of(tracking_uri: str) -> list[tuple[str, str]]:
    """Saved views of MLflow; none where it is not installed, does not answer, or has none."""
    if find_spec("mlflow") is None:
        return []
    from mi_ray.tracking.reach import Unreachable
    from mi_ray.tracking.views import saved

    base = source_of(tracking_uri) if tracking_uri.startswith("http") else LOCAL
    with suppress(Refused, Unreachable):
        return saved(tracking_uri, base)
    return []


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
        study,
        preset,
        question(folder.parent),
        given,
        trouble,
        list(pictures(folder)),
        provenance(folder, store),
        command(folder),
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


def command(folder: Path) -> str:
    """The command that drew a folder of figures; empty where it was not kept."""
    path = folder / COMMAND
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() if path.is_file() else ""
    except OSError:
        return ""


def pictures(folder: Path) -> Iterator[Picture]:
    """Every png with the csv of its name, then every other csv but the list of cells; at the end those of `NAMES`."""
    tables = {path.stem: path for path in sorted(folder.glob("*.csv")) if path.name != CELLS}
    every = {path.stem: path for path in sorted(folder.glob("*.png"))}
    last = [every.pop(name) for name in NAMES if name in every]
    yield from _pictures(every.values(), tables, ROWS)
    own = {name: path for name, path in tables.items() if name not in NAMES}
    yield from (Picture(path.stem, None, table_of(path)) for path in own.values())
    yield from _pictures(last, tables, FEW_ROWS)


def _pictures(paths: Iterable[Path], tables: dict[str, Path], most: int) -> Iterator[Picture]:
    """Every png with its table, which is taken out of ``tables``."""
    for path in paths:
        table = tables.pop(path.stem, None)
        try:
            png = path.read_bytes()
        except OSError:
            png = None
        yield Picture(path.stem, png, table_of(table, most) if table else None)


def table_of(path: Path, most: int = ROWS) -> Table:
    """A csv as text, ``most`` rows of it, with its certificates counted; ``trouble`` where it cannot be read."""
    try:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            header, *rows = list(csv.reader(file, strict=True)) or [[]]
    except (OSError, csv.Error) as reason:
        return Table(path.name, trouble=f"cannot be read: {getattr(reason, 'strerror', None) or reason}")
    table = Table(path.name, header, rows[:most], len(rows), place=_place(path), seen=seen(header, rows))
    return _with_certificates(table, rows) if CERTIFIED in header else table


def _place(path: Path) -> str:
    """The path of a file of figures relative to its store: ``figures/<study>/<preset>/<name>``."""
    return "/".join(path.parts[-4:])


def seen(header: list[str], rows: list[list[str]]) -> str:
    """The range of a table's values, and the rows at its ends, in words; empty if it has no column of values.

    The values are in the column ``mean`` or ``value``, or else in the first that holds numbers alone.
    """
    columns = {name: [row[place] for row in rows if place < len(row)] for place, name in enumerate(header)}
    numeric = [name for name, texts in columns.items() if texts and all(map(_is_number, texts)) and len(set(texts)) > 1]
    column = next((name for name in (*VALUES, *numeric) if name in numeric), "")
    if not column:
        return ""
    values = [float(text) for text in columns[column]]
    words, told = words_of(header, rows), []
    for place in (values.index(min(values)), values.index(max(values))):
        where = ", ".join(f"{name} {columns[name][place]}" for name in words if columns[name][place])
        told.append(f"{values[place]:.3g}{f' ({where})' if where else ''}")
    return f"{column} from {told[0]} to {told[1]}, {len(rows)} rows"


def words_of(header: list[str] | Sequence[str], rows: list[list[str]]) -> list[str]:
    """The columns that name a row: short texts that are not numbers alone, and settings before the values that vary."""
    columns = {name: [row[place] for row in rows if place < len(row)] for place, name in enumerate(header)}
    first = next((place for place, name in enumerate(header) if name in VALUES), 0)
    named = []
    for place, (name, held) in enumerate(columns.items()):
        is_setting = place < first and len(set(held)) > 1
        is_text = not (held and all(map(_is_number, held))) and name not in NOT_WORDS
        if (is_setting or is_text) and max(map(len, held), default=WORD + 1) <= WORD:
            named.append(name)
    return named[:NAMED]


def _is_number(text: str) -> bool:
    try:
        return isfinite(float(text))
    except ValueError:
        return False


def _with_certificates(table: Table, rows: list[list[str]]) -> Table:
    """The table with the certificates of all its rows counted, and the reasons against each, by the row's name."""
    named = [dict(zip(table.header, row, strict=False)) for row in rows]
    judged = [row for row in named if row.get(CERTIFIED) in (YES, NO)]
    against = [row for row in judged if row[CERTIFIED] == NO]
    names = words_of(table.header, rows)
    called = [", ".join(f"{name} {row[name]}" for name in names if row.get(name)) or "a row" for row in against]
    told = [tuple((row.get(NOT_CERTIFIED) or "no reason given").split("; ")) for row in against]
    reasons = tuple(zip(called, told, strict=True))
    return replace(table, certified=len(judged) - len(against), judged=len(judged), reasons=reasons)
