"""Kills at random instants in which MLflow's database is made: it is made whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = Path(__file__).with_name("kills.py")


def seen(what: str, folder: Path, kills: int) -> dict[str, int]:
    """How often a killed maker left which state."""
    path = os.pathsep.join([str(Path(__file__).parents[3]), *sys.path])
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
