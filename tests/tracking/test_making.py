"""A database is made whole or not at all, whoever is killed and whoever else makes it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mi_ray.tracking.making import make_if_absent
from mi_ray.tracking.reach import sqlite_uri
from mi_ray.tracking.sqlite import condition

KILLS = Path(__file__).with_name("kills.py")


def seen(what: str, folder: Path, kills: int) -> dict[str, int]:
    """How often a killed maker left which state."""
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    command = [sys.executable, str(KILLS), what, str(folder), str(kills), "15"]
    ran = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE, text=True)
    assert ran.returncode == 0
    return dict(json.loads(ran.stdout))


@pytest.mark.slow
@pytest.mark.fault("F21", "two makers of one database, one of them killed, with what others left")
def test_of_two_that_make_a_database_the_one_that_is_not_killed_makes_it(tmp_path: Path) -> None:
    for left in ("mlflow.db", "mlflow.db.lock", "mlflow.db.making", "mlflow.db.making-journal"):
        (tmp_path / left).touch()
    states = seen("making", tmp_path, 4)
    assert sum(states.values()) == 4 and not [state for state in states if state.startswith("ruined")]


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("what", ["making", "running"])
@pytest.mark.fault("F9", "250 kills at random instants in which MLflow's database is made")
def test_no_kill_ruins_a_database(what: str, tmp_path: Path) -> None:
    states = seen(what, tmp_path / what, 250)
    assert sum(states.values()) == 250 and states.keys() <= {"absent", "ready"}


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
