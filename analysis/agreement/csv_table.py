"""Tables of encoders: a csv with one row per encoder, its linear accuracy and its measures, as Tables IV-IX print them.

A sweep that asks the same of its encoders writes the same columns, and is read by the same code.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path

import pandas as pd

from mi_ray.experiments.declare.checks import Refused, refuse

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Measure:
    """A column of the csv, what it is called, and the sign that makes larger mean better."""

    column: str
    label: str
    sign: int = 1


MEASURES = (
    Measure("i_class_bits", "estimate, class pairs"),
    Measure("i_simclr_bits", "estimate, SimCLR pairs"),
    Measure("alignment", f"{MINUS}alignment", -1),
    Measure("uniformity", f"{MINUS}uniformity", -1),
    Measure("tolerance", "tolerance"),
    Measure("contrastive_loss_nats", f"{MINUS}contrastive loss", -1),
)
OF_VIEWS = (
    Measure("alignment_simclr", f"{MINUS}alignment, SimCLR pairs", -1),
    Measure("uniformity_simclr", f"{MINUS}uniformity, SimCLR views", -1),
)
"""What a sweep measures beside: the unsupervised versions that the paper tells of in words (Sec. IV-B)."""

NAMES, ACCURACY = ("table", "dataset", "pool", "model"), "acc"
COLUMNS = (*NAMES, ACCURACY, *(measure.column for measure in MEASURES))


def read(path: Path) -> pd.DataFrame:
    """One row per encoder, columns `COLUMNS`: accuracy in percent, NaN for a measure that its table lacks.

    `Refused`, naming place and column, on anything that is not such a table.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.DictReader(file, strict=True)
            _check_header(path, lines.fieldnames or ())
            rows = [_row(f"{path.name}, line {lines.line_num}", line) for line in lines]
    except (OSError, UnicodeDecodeError, csv.Error) as reason:
        raise Refused(f"table: {path} cannot be read: {getattr(reason, 'strerror', None) or reason}") from reason
    encoders = pd.DataFrame(rows, columns=list(COLUMNS))
    if encoders.empty:
        raise Refused(f"table: {path} has no rows")
    for name, table_rows in encoders.groupby("table", sort=False):
        _check_table(str(name), table_rows)
    return encoders


def _check_header(path: Path, header: Sequence[str]) -> None:
    lacking = [column for column in COLUMNS if column not in header]
    if lacking:
        raise Refused(f"{path.name}: column {', '.join(lacking)} is missing; needed: {', '.join(COLUMNS)}")
    for column in header:
        if column not in COLUMNS or list(header).count(column) > 1:
            raise refuse(f"{path.name}: column", column, f"each once: {', '.join(COLUMNS)}")


def _row(place: str, line: Mapping[str, str | None]) -> dict[str, object]:
    if None in line or None in line.values():
        raise Refused(f"{place}: must have {len(COLUMNS)} fields, as the header")
    told = {column: str(value).strip() for column, value in line.items()}
    for column in NAMES:
        if not told[column]:
            raise refuse(f"{place}, {column}", told[column], "a name")
    numbers = {column: _number(f"{place}, {column}", told[column]) for column in COLUMNS if column not in NAMES}
    if not 0 <= numbers[ACCURACY] <= 100:
        raise refuse(f"{place}, {ACCURACY}", told[ACCURACY], "a percentage from 0 to 100")
    return {**told, **numbers}


def _number(field: str, text: str) -> float:
    if not text:
        return nan
    try:
        value = float(text)
    except ValueError:
        value = nan
    if not isfinite(value):
        raise refuse(field, text, "a finite number, or nothing where the table lacks the measure")
    return value


def _check_table(name: str, rows: pd.DataFrame) -> None:
    twice = rows["model"][rows["model"].duplicated()]
    if len(twice):
        raise refuse(f"table {name}, model", twice.iloc[0], "each encoder once")
    for column in ("dataset", "pool"):
        if rows[column].nunique() > 1:
            raise refuse(f"table {name}, {column}", ", ".join(rows[column].unique()), "one for the whole table")
    for measure in MEASURES:
        absent = rows["model"][rows[measure.column].isna()]
        if 0 < len(absent) < len(rows):
            raise refuse(f"table {name}, {measure.column}", "", f"a number for {absent.iloc[0]}, as others have one")
    if not measures_of(rows):
        raise Refused(f"table {name}: has no measure; at least one of {', '.join(m.column for m in MEASURES)}")


def measures_of(rows: pd.DataFrame) -> list[Measure]:
    """The measures that a table's rows have."""
    known = [measure for measure in (*MEASURES, *OF_VIEWS) if measure.column in rows]
    return [measure for measure in known if rows[measure.column].notna().any()]
