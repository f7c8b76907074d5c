"""Read a table of encoders from a csv: one row per encoder, its linear accuracy and its measures (Tables IV to IX)."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from math import isfinite, nan
from pathlib import Path

import pandas as pd

from analysis.agreement.columns import ACCURACY, COLUMNS, MEASURES, NAMES, OTHERS, measures_of
from mi_ray.experiments.declare.checks import Refused, refuse

ALLOWED = (*COLUMNS, *(column.name for column in OTHERS))


def read(path: Path) -> pd.DataFrame:
    """One row per encoder, columns `COLUMNS` and those of `OTHERS` that the file has: accuracy in percent, NaN for a
    measure that its table lacks.

    `Refused`, naming place and column, on anything that is not such a table.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.DictReader(file, strict=True)
            header = list(lines.fieldnames or ())
            lacking = [column for column in COLUMNS if column not in header]
            if lacking:
                raise Refused(f"{path.name}: column {', '.join(lacking)} is missing; needed: {', '.join(COLUMNS)}")
            for column in header:
                if column not in ALLOWED or header.count(column) > 1:
                    raise refuse(f"{path.name}: column", column, f"each once: {', '.join(ALLOWED)}")
            rows = [_encoder_row(f"{path.name}, line {lines.line_num}", line) for line in lines]
    except (OSError, UnicodeDecodeError, csv.Error) as reason:
        raise Refused(f"table: {path} cannot be read: {getattr(reason, 'strerror', None) or reason}") from reason
    encoders = pd.DataFrame(rows, columns=[column for column in ALLOWED if column in header])
    if encoders.empty:
        raise Refused(f"table: {path} has no rows")
    for name, table_rows in encoders.groupby("table", sort=False):
        _refuse_bad_table(str(name), table_rows)
    return encoders


def _encoder_row(place: str, line: Mapping[str, str | None]) -> dict[str, object]:
    """The names and numbers of one line, NaN for an empty number; `Refused`, naming ``place``, where one is not."""
    if None in line or None in line.values():
        raise Refused(f"{place}: must have {len(line) - (None in line)} fields, as the header")
    texts = {column: str(value).strip() for column, value in line.items()}
    for column in NAMES:
        if not texts[column]:
            raise refuse(f"{place}, {column}", texts[column], "a name")
    row: dict[str, object] = {**texts}
    for column in (column for column in texts if column not in NAMES):
        try:
            number = float(texts[column]) if texts[column] else nan
        except ValueError:
            number = nan
        if texts[column] and not isfinite(number):
            allowed = "a finite number, or nothing where the table lacks the measure"
            raise refuse(f"{place}, {column}", texts[column], allowed)
        if column == ACCURACY.name and not 0 <= number <= 100:
            raise refuse(f"{place}, {column}", texts[column], "a percentage from 0 to 100")
        row[column] = number
    return row


def _refuse_bad_table(name: str, rows: pd.DataFrame) -> None:
    """Raise `Refused` if a table names an encoder twice, has several data sets or pools, has no measure, or lacks a
    value of a measure for some encoder."""
    twice = rows["model"][rows["model"].duplicated()]
    if len(twice):
        raise refuse(f"table {name}, model", twice.iloc[0], "each encoder once")
    for column in ("dataset", "pool"):
        if rows[column].nunique() > 1:
            raise refuse(f"table {name}, {column}", ", ".join(rows[column].unique()), "one for the whole table")
    for measure in (*MEASURES, *(column for column in OTHERS if column.name in rows)):
        absent = rows["model"][rows[measure.name].isna()]
        if 0 < len(absent) < len(rows):
            raise refuse(f"table {name}, {measure.name}", "", f"a number for {absent.iloc[0]}, as others have one")
    if not measures_of(rows):
        raise Refused(f"table {name}: has no measure; at least one of {', '.join(m.name for m in MEASURES)}")
