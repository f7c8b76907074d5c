"""A database that cannot take the mirror is told as what it is, in seconds, and what the message advises helps."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.plan.plan import Plan
from mi_ray.experiments.store.store import Store
from mi_ray.launch import launch
from mi_ray.tracking.mirror import read_cells
from mi_ray.tracking.reach import Unreachable, Unusable, database, sqlite_uri
from mi_ray.tracking.recorder import Recorder
from sweeps.infomin_grid import STUDY

AWAY = "move it away, and the same command mirrors every finished cell into a new one"


def recorder_of(file: Path, is_own: bool = False) -> Recorder:
    return Recorder(sqlite_uri(file), experiment="e", sweep="e/s", artifacts=file.parent / "artifacts", is_own=is_own)


def execute(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def with_a_run(file: Path) -> None:
    MlflowClient(sqlite_uri(file)).create_run("0")


def garbled(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(3000)
        opened.write(os.urandom(200_000))


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def a_text(file: Path) -> None:
    file.write_text("no database at all, but long enough to be one\n" * 10)


def foreign(file: Path) -> None:
    file.unlink()
    execute(file, "CREATE TABLE moz_places (url)", "CREATE TABLE alembic_version (version_num)",
            "INSERT INTO alembic_version VALUES ('abc')")  # fmt: skip


def newer(file: Path) -> None:
    execute(file, "UPDATE alembic_version SET version_num = 'ffff00000000'")


def older(file: Path) -> None:
    with_a_run(file)
    execute(file, "UPDATE alembic_version SET version_num = '90e64c465722'")


def older_without_runs(file: Path) -> None:
    """As an older MLflow leaves it that was never used: its default experiment is there."""
    execute(file, "UPDATE alembic_version SET version_num = '90e64c465722'", "DROP TABLE latest_metrics")


def older_with_a_prompt(file: Path) -> None:
    """Rows of other tables than those of experiments and runs are also a user's."""
    execute(file, "DELETE FROM experiments", "UPDATE alembic_version SET version_num = '90e64c465722'",
            "INSERT INTO registered_models (name) VALUES ('a prompt')")  # fmt: skip


def without_a_table(file: Path) -> None:
    with_a_run(file)
    execute(file, "DROP TABLE latest_metrics")


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize(
    ("ruin", "told"),
    [
        (garbled, f"is damaged (.*; {AWAY}"),
        (cut, f"is damaged (.*; {AWAY}"),
        (a_text, f"is no SQLite database; {AWAY}"),
        (
            foreign,
            "is another program's database (tables moz_places); allowed: --tracking-uri sqlite:///FILE of another",
        ),
        (newer, "does not know its schema ffff00000000; install that version, or move it away"),
        (older, "was made by an older version of MLflow than"),
        (older_without_runs, "was made by an older version of MLflow than"),
        (older_with_a_prompt, "was made by an older version of MLflow than"),
        (without_a_table, f"lacks MLflow's tables latest_metrics; {AWAY}"),
        (a_folder, f"is a folder; {AWAY}"),
        (a_pipe, f"is no regular file; {AWAY}"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_in_seconds_and_left_as_it_is(
    ruin: Callable[[Path], None], told: str, tmp_path: Path, fresh_database: Path
) -> None:
    file = tmp_path / "mlflow.db"
    shutil.copy(fresh_database, file)
    ruin(file)
    before, began = (file.read_bytes() if file.is_file() else b""), time.monotonic()
    with pytest.raises(Unusable) as raised:
        recorder_of(file, is_own=True).begin()
    start, _, end = told.partition(".*")
    assert start in str(raised.value) and end in str(raised.value) and "\n" not in str(raised.value)
    assert time.monotonic() - began < 10
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]
    assert (file.read_bytes() if file.is_file() else b"") == before


@pytest.mark.slow
def test_moved_away_a_damaged_database_is_replaced_by_one_that_holds_every_finished_cell(
    tmp_path: Path, fresh_database: Path, plan: Plan, store: Store
) -> None:
    file = tmp_path / "mlflow.db"
    shutil.copy(fresh_database, file)
    cut(file)
    file.rename(tmp_path / "away")
    assert recorder_of(file).mirror_all(plan, store) == 0


def half_made(file: Path) -> None:
    """As MLflow leaves a database if it is killed after its first tables."""
    file.unlink()
    execute(file, *(f"CREATE TABLE {name} (id)" for name in ("experiments", "runs", "metrics", "params")))


def without_its_last_migrations(file: Path) -> None:
    execute(file, "UPDATE alembic_version SET version_num = '90e64c465722'", "DROP TABLE latest_metrics",
            "DELETE FROM experiments")  # fmt: skip


def with_an_old_journal(file: Path) -> None:
    """A journal of a database that is gone would be played into the new one."""
    half_made(file)
    Path(f"{file}-journal").write_bytes(os.urandom(4096))


@pytest.mark.parametrize(
    "ruin",
    [
        with_an_old_journal,
        pytest.param(half_made, marks=pytest.mark.slow),
        pytest.param(without_its_last_migrations, marks=pytest.mark.slow),
    ],
)
def test_an_unfinished_database_without_runs_is_made_anew_if_it_is_the_store_s_own(
    ruin: Callable[[Path], None], tmp_path: Path, fresh_database: Path
) -> None:
    file = tmp_path / "mlflow.db"
    shutil.copy(fresh_database, file)
    ruin(file)
    before = file.read_bytes()
    with pytest.raises(Unusable, match=f"unfinished: MLflow was stopped while it made it, and it holds no run; {AWAY}"):
        recorder_of(file).begin()
    assert file.read_bytes() == before
    recorder_of(file, is_own=True).begin()
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


def test_a_journal_beside_a_database_that_is_gone_is_not_played_into_the_new_one(tmp_path: Path) -> None:
    for ending in ("-journal", "-wal", "-shm"):
        (tmp_path / f"mlflow.db{ending}").write_bytes(os.urandom(4096))
    recorder_of(tmp_path / "mlflow.db").begin()
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


PLACES = ["100% of it", "a%20b?mode=ro", "number #1 isn't", "ä;b\\c", "u:p@h&x=y+z"]


@pytest.mark.fault("F28", "stores whose path has signs of an address")
@pytest.mark.parametrize("place", PLACES)
def test_a_path_may_have_any_sign(place: str, tmp_path: Path, fresh_database: Path) -> None:
    file = tmp_path / place / "mlflow.db"
    file.parent.mkdir()
    shutil.copy(fresh_database, file)
    recorder = recorder_of(file)
    recorder.begin()
    figure = tmp_path / "figure.csv"
    figure.write_text("task,value\n")
    recorder.attach([figure])
    figure.unlink()
    assert database(recorder.tracking_uri) == file
    assert [path.name for path in tmp_path.iterdir()] == [place]
    assert len(list((file.parent / "artifacts").rglob("figure.csv"))) == 1
    assert read_cells(recorder.tracking_uri, "e", []).empty


def test_a_database_is_made_below_a_path_with_signs_of_an_address(tmp_path: Path) -> None:
    recorder_of(tmp_path / "50%20?" / "mlflow.db").begin()
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["50%20?", "50%20?/mlflow.db"]


@pytest.mark.parametrize("parts", [3, 30])
def test_a_path_that_is_too_long_is_told_at_once(tmp_path: Path, parts: int) -> None:
    began = time.monotonic()
    with pytest.raises(Unusable, match=r"a path of \d+ bytes is too long for SQLite, which opens 500; allowed: --tr"):
        recorder_of(tmp_path / "/".join(["x" * 200] * parts) / "mlflow.db").begin()
    assert time.monotonic() - began < 5


@pytest.mark.slow
def test_the_command_refuses_a_database_that_cannot_be_used_before_anything_is_computed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_text(tmp_path / "mlflow.db")
    with pytest.raises(SystemExit) as left:
        launch(STUDY, ["--preset", "smoke", "--on", "here", "--store", str(tmp_path)])
    (line,) = capsys.readouterr().err.splitlines()
    assert left.value.code == 2
    assert line.startswith(f"infomin_grid: tracking-uri: {tmp_path}/mlflow.db is no SQLite database; move it away")
    assert not list(tmp_path.glob("data/*")) and not list(tmp_path.glob("cells/*"))


@pytest.mark.parametrize("uri", ["sqlite:///:memory:", "sqlite:///file:x.db?uri=true", "sqlite:///?x"])
def test_a_database_that_is_no_file_is_refused(uri: str) -> None:
    with pytest.raises(Refused, match=r"tracking-uri: .* is not allowed; allowed: sqlite:///FILE"):
        Recorder(uri, experiment="e", sweep="s", artifacts=None)


@pytest.mark.slow
def test_a_deleted_experiment_is_refused_and_the_command_that_is_advised_restores_it(
    tmp_path: Path, fresh_database: Path, plan: Plan, store: Store
) -> None:
    file = tmp_path / "mlflow.db"
    shutil.copy(fresh_database, file)
    recorder = recorder_of(file)
    assert recorder.mirror_all(plan, store) == 0
    MlflowClient(recorder.tracking_uri).delete_experiment(recorder.experiment_id)
    for use in (recorder_of(file).begin, lambda: read_cells(recorder.tracking_uri, "e", plan.cells.keys())):
        with pytest.raises(Unusable, match="experiment 'e' is deleted; restore it with `MLFLOW_") as raised:
            use()
    command = str(raised.value).split("`")[1].replace("mlflow ", f"{sys.executable} -m mlflow ")
    ran = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert recorder_of(file).mirror_all(plan, store) == 0
    assert len(read_cells(recorder.tracking_uri, "e", plan.cells.keys())) == len(plan.cells)


@pytest.mark.slow
def test_a_database_that_vanishes_while_a_driver_runs_is_made_again_and_holds_everything(
    tmp_path: Path, fresh_database: Path, plan: Plan, store: Store
) -> None:
    file = tmp_path / "mlflow.db"
    shutil.copy(fresh_database, file)
    recorder = recorder_of(file)
    recorder.begin()
    file.unlink()
    assert recorder.mirror_all(plan, store) == 0
    with closing(sqlite3.connect(file)) as read:
        (runs,) = read.execute("SELECT count(*) FROM runs").fetchone()
    assert runs == len(plan.cells) + 1


def test_a_locked_database_is_an_outage_and_may_be_read(tmp_path: Path, fresh_database: Path) -> None:
    file = tmp_path / "mlflow.db"
    shutil.copy(fresh_database, file)
    recorder_of(file).begin()
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unreachable, match="is locked by another program") as raised:
            recorder_of(file).begin()
        assert not isinstance(raised.value, Unusable)
        assert read_cells(sqlite_uri(file), "e", []).empty
