"""A store that was moved or copied: its own MLflow database is told where the store's folder is now.

MLflow keeps the address of artifacts as an absolute path, in each experiment and in each run, and writes to it without
asking whether that folder is still the store's.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mi_ray.tracking.sqlite import LOCK_SECONDS, explained

ARTIFACTS = "artifacts"
"""The folder of figures in a store."""
CELLS = "/cells/"
EXPERIMENTS = """
SELECT experiment_id, artifact_location FROM experiments
WHERE artifact_location LIKE 'file:%/artifacts' AND artifact_location != ?
"""
RUNS = "SELECT run_uuid FROM runs WHERE experiment_id = ?"
MOVES = (
    "UPDATE experiments SET artifact_location = :new WHERE experiment_id = :id",
    """UPDATE runs SET artifact_uri = :new || substr(artifact_uri, length(:old) + 1)
    WHERE experiment_id = :id AND substr(artifact_uri, 1, length(:old) + 1) = :old || '/'""",
    """UPDATE tags SET value = :root || substr(value, length(:old_root) + 1)
    WHERE key = 'store' AND substr(value, 1, length(:old_cells)) = :old_cells
    AND run_uuid IN (SELECT run_uuid FROM runs WHERE experiment_id = :id)""",
)
"""What is changed of an experiment: its address of artifacts, those of its runs, and the place of each run's cell."""


def follow(file: Path) -> int:
    """Make a store's own database ``file`` name the folder that it lies in; returns the number of experiments changed.

    An experiment is left alone whose artifacts are still where it says and not here: another store's, which mirrors
    into this database. Raises `Unusable` or `Unreachable` as `condition` does.
    """
    root = file.resolve().parent
    new = root / ARTIFACTS
    changed = 0
    with explained(file), closing(sqlite3.connect(file, timeout=LOCK_SECONDS)) as connection, connection:
        for number, old in connection.execute(EXPERIMENTS, [new.as_uri()]).fetchall():
            before = Path(unquote(urlsplit(old).path))
            runs = [run for (run,) in connection.execute(RUNS, [number])]
            if before.is_dir() and not any((new / run).is_dir() for run in runs):
                continue
            place = {"id": number, "old": old, "new": new.as_uri(), "root": str(root)}
            place |= {"old_root": str(before.parent), "old_cells": f"{before.parent}{CELLS}"}
            for move in MOVES:
                connection.execute(move, place)
            changed += 1
    return changed
