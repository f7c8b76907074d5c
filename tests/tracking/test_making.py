"""A database is made whole or not at all, whoever is killed and whoever else makes it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from mlflow import MlflowClient

from mi_ray.tracking.making import make_if_absent
from mi_ray.tracking.reach import sqlite_uri
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
