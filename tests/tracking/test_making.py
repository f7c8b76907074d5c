"""A database is made whole or not at all, whoever is killed and whoever else makes it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mi_ray.tracking import making
from mi_ray.tracking.making import make_if_absent
from mi_ray.tracking.reach import Unreachable, Unusable, of_sqlite, sqlite_uri
from mi_ray.tracking.sqlite import condition


def test_a_database_may_be_written_by_whom_the_umask_lets(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        assert make_if_absent(tmp_path / "mlflow.db", may_replace=False)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "mlflow.db").stat().st_mode) == 0o664
    assert not make_if_absent(tmp_path / "mlflow.db", may_replace=False)


def test_a_link_to_a_database_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "mlflow.db").symlink_to("elsewhere/real.db")
    make_if_absent(tmp_path / "mlflow.db", may_replace=False)
    assert (tmp_path / "mlflow.db").is_symlink() and condition(tmp_path / "elsewhere" / "real.db") == "ready"
    assert MlflowClient(sqlite_uri(tmp_path / "mlflow.db")).search_experiments()


def nothing(file: Path) -> None: ...


def half_made(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE experiments (id)")


def meanwhile(monkeypatch: pytest.MonkeyPatch, fresh_database: Path, happens: Callable[[], object]) -> None:
    """While a database is made aside, something happens to its place."""

    def make_tables(aside: Path) -> None:
        shutil.copy(fresh_database, aside)
        happens()

    monkeypatch.setattr(making, "_make_tables", make_tables)
    monkeypatch.setattr(making, "STILL", 0.0)


@pytest.mark.parametrize("before", [nothing, half_made])
def test_a_database_that_another_program_has_made_meanwhile_is_not_replaced(
    before: Callable[[Path], None], tmp_path: Path, fresh_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, made = tmp_path / "mlflow.db", list[int]()

    def make() -> None:
        shutil.copy(fresh_database, file)
        made.append(file.stat().st_ino)

    before(file)
    meanwhile(monkeypatch, fresh_database, make)
    assert not make_if_absent(file, may_replace=True)
    assert condition(file) == "ready" and [file.stat().st_ino] == made
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


def test_a_database_that_another_program_began_meanwhile_is_left_to_it(
    tmp_path: Path, fresh_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, fresh_database, lambda: half_made(tmp_path / "mlflow.db"))
    with pytest.raises(Unusable, match="is unfinished"):
        make_if_absent(tmp_path / "mlflow.db", may_replace=False)


def no_second_names(source: Path, target: Path) -> None:
    raise PermissionError("a file system without hard links")


@pytest.mark.parametrize("link", [os.link, no_second_names])
def test_a_database_is_made_where_an_empty_file_is_and_where_files_have_one_name(
    link: Callable[..., None], tmp_path: Path, fresh_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", link)
    meanwhile(monkeypatch, fresh_database, lambda: None)
    (tmp_path / "empty.db").touch()
    for name in ("empty.db", "new.db"):
        assert make_if_absent(tmp_path / name, may_replace=False) and condition(tmp_path / name) == "ready"


@pytest.mark.parametrize(
    ("reason", "is_lasting", "told"),
    [
        ("database disk image is malformed", True, "is damaged (database disk image is malformed); move it away"),
        ("no such column: full_name", True, "is damaged (no such column: full_name); move it away"),
        ("UNIQUE constraint failed: runs.run_uuid", False, ": UNIQUE constraint failed: runs.run_uuid"),
        ("interrupted", False, ": interrupted"),
        ("disk I/O error", False, ": disk I/O error"),
    ],
)
def test_only_a_damaged_database_is_told_as_damaged(reason: str, is_lasting: bool, told: str, tmp_path: Path) -> None:
    failure: Unreachable = of_sqlite(tmp_path / "mlflow.db", reason)
    assert isinstance(failure, Unusable) == is_lasting and told in str(failure)
