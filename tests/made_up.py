"""The table that MLflow would give for a plan, with results made up by a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from mi_ray.experiments.plan.plan import Cell, Plan
from mi_ray.experiments.plan.study import Study
from mi_ray.experiments.store.store import Store
from mi_ray.tracking.recorder import Recorder
from tests.committed import commit_all

Result = Callable[[Cell], dict[str, Any]]
KEPT = (int, float, bool, str)


def mirrored_frame(plan: Plan, result: Result) -> pd.DataFrame:
    """The cells of ``plan`` as `mi_ray.tracking.mirror.read_cells` gives them."""
    rows = [{"key": cell.key, "kind": cell.kind} | _flat(result(cell)) for cell in plan.cells.values()]
    return pd.DataFrame(rows)


def _flat(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if isinstance(value, KEPT)}


def mirrored_store(plan: Plan, study: Study, folder: Path, result: Result) -> str:
    """A store in ``folder`` with the cells of ``plan``, mirrored into its own MLflow database; returns the URI."""
    store, uri = Store(folder), f"sqlite:///{folder}/mlflow.db"
    commit_all(plan.cells.values(), store, result)
    recorder = Recorder(uri, experiment=study.name, sweep=f"{study.name}/smoke", artifacts=folder / "artifacts")
    assert recorder.mirror_all(plan, store) == 0
    return uri
