"""The condition of MLflow's SQLite file, told in seconds, before MLflow opens it.

MLflow retries for minutes if SQLite cannot open a path, and makes its tables in any database that lacks one of them,
also in another program's and in one of a newer MLflow.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import mlflow
from mlflow.version import VERSION

from mi_ray.tracking.reach import ELSEWHERE, Unusable, moved_away, not_made, of_sqlite, sqlite_uri

Condition = Literal["absent", "unfinished", "ready"]
"""``unfinished``: tables or migrations are missing and there are no rows, as MLflow leaves it if it is killed."""

MAGIC = b"SQLite format 3\x00"
SEEDED = frozenset({"workspaces"})
"""Tables into which MLflow's migrations write. MLflow writes the first row of another one, its default experiment, when
all tables of its version are there."""
LOCK_SECONDS = 3.0
"""Time to wait for another program's lock; writes of other drivers take milliseconds."""
CHECK_SECONDS = 1.0
"""Longest time of SQLite's own check of a file; a large file is checked in part."""


@dataclass(frozen=True)
class Schema:
    """What a database holds: its tables, alembic's revisions, and whether there are rows that no migration wrote."""

    tables: frozenset[str]
    revisions: frozenset[str]
    has_rows: bool


def condition(file: Path, *, writes: bool = True) -> Condition:
    """The condition of a database file, after at most about five seconds.

    Raises `Unusable` if it is corrupt, another program's, a newer or older MLflow's, or may not be read (``writes``:
    or written); `Unreachable` if another program holds its lock.
    """
    if not _is_there(file, writes):
        return "absent"
    with explained(file), closing(_connected(file)) as connection:
        schema = schema_of(connection)
        _check(connection)
        if writes:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    return judged(file, schema)


@contextmanager
def explained(file: Path) -> Iterator[None]:
    """Turn SQLite's errors into `Unusable` and `Unreachable`."""
    try:
        yield
    except sqlite3.Error as error:
        raise of_sqlite(file, str(error)) from error


def _is_there(file: Path, writes: bool) -> bool:
    """Whether the file exists and is not empty; `Unusable` unless it is a regular file that may be used."""
    try:
        mode, size = file.stat().st_mode, file.stat().st_size
    except FileNotFoundError:
        return False
    except OSError as error:
        raise not_made(file, error.strerror or str(error)) from error
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        raise Unusable(f"{file} is {what}; {moved_away()}")
    if not os.access(file, os.R_OK | (os.W_OK if writes else 0)):
        raise of_sqlite(file, "readonly")
    if size and file.open("rb").read(len(MAGIC)) != MAGIC:
        raise Unusable(f"{file} is no SQLite database; {moved_away()}")
    return size > 0


def _connected(file: Path) -> sqlite3.Connection:
    mode = "rw" if os.access(file, os.W_OK) else "ro"
    address = f"file:{quote(str(file.absolute()))}?mode={mode}"
    return sqlite3.connect(address, uri=True, timeout=LOCK_SECONDS, isolation_level=None)


def schema_of(connection: sqlite3.Connection) -> Schema:
    """What a database holds. Reading rolls back what a killed process left half-written."""
    tables = frozenset(name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'"))
    versions = connection.execute("SELECT version_num FROM alembic_version") if "alembic_version" in tables else []
    own = frozenset(name for name in tables if not name.startswith(("alembic_", "_alembic_tmp_", "sqlite_")))
    asked = sorted(filter(str.isidentifier, own - SEEDED)) if "experiments" in own else []
    queries = (f"SELECT 1 FROM {name} LIMIT 1" for name in asked)  # noqa: S608  (names of tables)
    has_rows = any(connection.execute(query).fetchone() for query in queries)
    return Schema(own, frozenset(name for (name,) in versions), has_rows)


def _check(connection: sqlite3.Connection) -> None:
    """SQLite's check of the file's pages, for at most `CHECK_SECONDS`; sqlite3.DatabaseError names the first fault."""
    until = time.monotonic() + CHECK_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > until, 10_000)
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        found = "ok"
    finally:
        connection.set_progress_handler(None, 0)
    if found != "ok":
        raise sqlite3.DatabaseError(f"quick_check: {' '.join(found.split())}")


def _tables_and_revisions() -> tuple[frozenset[str], str | None, set[str]]:
    """Of the installed MLflow: its tables, its newest revision and all revisions. The imports take a second."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415
    from mlflow.store.db.base_sql_model import Base  # noqa: PLC0415
    from mlflow.store.tracking import sqlalchemy_store  # noqa: F401, PLC0415  (registers every table)

    scripts = ScriptDirectory(str(Path(str(mlflow.__file__)).with_name("store") / "db_migrations"))
    known = {script.revision for script in scripts.walk_revisions()}
    return frozenset(Base.metadata.tables), scripts.get_current_head(), known


def judged(file: Path, schema: Schema) -> Condition:
    """The condition of a file with that schema; `Unusable` as `condition`."""
    tables, head, known = _tables_and_revisions()
    missing = tables - schema.tables
    if schema.revisions == {head} and not missing:
        return "ready"
    is_mlflows = schema.tables <= tables or {"experiments", "runs"} <= schema.tables
    if not is_mlflows:
        names = ", ".join(sorted(schema.tables)[:3])
        raise Unusable(f"{file} is another program's database (tables {names}); allowed: {ELSEWHERE}")
    if unknown := schema.revisions - known:
        raise Unusable(
            f"{file} was made by another version of MLflow: {VERSION}, which is installed here, does not know its "
            f"schema {', '.join(unknown)}; install that version, or {moved_away()}"
        )
    if not schema.has_rows:
        return "unfinished"
    if schema.revisions == {head}:
        raise Unusable(f"{file} lacks MLflow's tables {', '.join(sorted(missing)[:3])}; {moved_away()}")
    raise Unusable(
        f"{file} was made by an older version of MLflow than {VERSION}, which is installed here; copy it, then run "
        f"`mlflow db upgrade {sqlite_uri(file)}`, or {moved_away()}"
    )
