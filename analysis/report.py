"""All studies on one page: the claim on trial, the verdict, the figures and where every number comes from.

Collects what sweeps have drawn below ``<store>/figures`` and writes one HTML file that needs no network and no script:
it can be mailed, printed and kept.

    python analysis/report.py
    python analysis/report.py --store runs --out runs/report.html
"""

from __future__ import annotations

import argparse
import ast
import csv
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis import verdict
from analysis.page import page as report_page
from analysis.page.model import Picture, Report, Shown, Table
from analysis.page.provenance import Record, record, shared_trainings
from analysis.verdict import CELLS, Verdict
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.store.store import Store, store_at

SWEEPS = Path(__file__).resolve().parents[1] / "sweeps"
ROWS = 500
"""Most rows of a table that are shown; its file holds all."""

YES, NO = "True", "False"


def collect(place: str | Path, tracking_uri: str | None = None) -> Report:
    """Everything that was drawn here from the store at ``place``; `Refused` where that is nothing."""
    store = store_at(place)
    store.refuse_if_unreachable()
    shown = [_shown(folder, store) for folder in folders(store.root)]
    if not shown:
        raise Refused(f"store: {str(place)!r} holds no figures; run a sweep first, or name its --store")
    records: dict[str, list[Record]] = {}
    for one in shown:
        records.setdefault(one.study, []).append(one.record)
    bundled = f"sqlite:///{store.root.resolve()}/mlflow.db"
    return Report(shown, *shared_trainings(records), source_of(tracking_uri or bundled))


def folders(root: Path) -> list[Path]:
    """``figures/<study>/<preset>`` wherever that holds a file to show, in order."""
    found = (root / "figures").glob("*/*/")
    return sorted(folder for folder in found if any(folder.glob("*.png")) or any(folder.glob("*.csv")))


def source_of(tracking_uri: str) -> str:
    """A tracking URI without the name and password that it may hold."""
    try:
        user = urlsplit(tracking_uri).netloc.rpartition("@")[0]
    except ValueError:
        return "an address that cannot be read"
    return tracking_uri.replace(f"{user}@", "", 1) if user else tracking_uri


def _shown(folder: Path, store: Store) -> Shown:
    given, trouble = _verdict(folder)
    study, preset = folder.parent.name, folder.name
    return Shown(study, preset, question(study), given, trouble, list(_pictures(folder)), record(folder, store))


def _verdict(folder: Path) -> tuple[Verdict | None, str]:
    try:
        return verdict.read(folder), ""
    except FileNotFoundError:
        return None, ""
    except Refused as reason:
        return None, str(reason)


def question(study: str) -> str:
    """The first line of a sweep's docstring, read and not run; empty where there is no such sweep."""
    try:
        text = ast.get_docstring(ast.parse((SWEEPS / f"{study}.py").read_text())) or ""
    except (OSError, ValueError, SyntaxError):
        return ""
    return text.partition("\n")[0]


def _pictures(folder: Path) -> Iterator[Picture]:
    """Every png with the csv of its name, then every other csv but the list of cells."""
    tables = {path.stem: path for path in sorted(folder.glob("*.csv")) if path.name != CELLS}
    for path in sorted(folder.glob("*.png")):
        table = tables.pop(path.stem, None)
        yield Picture(path.stem, _bytes(path), table_of(table) if table else None)
    for path in tables.values():
        yield Picture(path.stem, None, table_of(path))


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def table_of(path: Path) -> Table:
    """A csv as text; what is no csv says so."""
    try:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            header, *rows = list(csv.reader(file, strict=True)) or [[]]
    except (OSError, csv.Error) as reason:
        return Table(path.name, trouble=f"cannot be read: {getattr(reason, 'strerror', None) or reason}")
    return Table(path.name, header, rows[:ROWS], len(rows), *_certificates(header, rows))


def _certificates(header: list[str], rows: list[list[str]]) -> tuple[int | None, int, Counter[str]]:
    """How many rows are certified, None where that is not asked, of how many that say whether they are, and how often
    each reason stands against it."""
    if "certified" not in header:
        return None, 0, Counter()
    told = [row for row in (dict(zip(header, row, strict=False)) for row in rows) if row.get("certified") in (YES, NO)]
    against = [row.get("not_certified", "") for row in told if row["certified"] == NO]
    return len(told) - len(against), len(told), Counter(_reasons(against))


def _reasons(against: Iterable[str]) -> Iterator[str]:
    for text in against:
        yield from (re.sub(r"^seed [^:]*: ", "", reason) for reason in (text or "no reason given").split("; "))


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page and print where it is; 1, with one line, when that cannot be done."""
    flags = _flags().parse_args(argv)
    try:
        out = flags.out or store_at(flags.store).root / "report.html"
        page = report_page.page(collect(flags.store, flags.tracking_uri))
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(page, encoding="utf-8", errors="backslashreplace")
    except (Refused, OSError) as reason:
        print(" ".join(str(reason).split()), file=sys.stderr)
        return 1
    print(out)
    return 0


def _flags() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--store", default="runs", help="the sweeps' store, a folder or bucket (%(default)s)")
    flags.add_argument("--out", type=Path, help="the page; report.html in the store if not given")
    flags.add_argument("--tracking-uri", help="MLflow as the page names it; the database in the store if not given")
    return flags


if __name__ == "__main__":
    sys.exit(main())
