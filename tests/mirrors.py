"""What an MLflow experiment holds, for comparing one mirror with another."""

from __future__ import annotations

from collections import Counter
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run

from mi_ray.tracking.claims import WRITER
from mi_ray.tracking.mirror import CELL_KEY, runs
from mi_ray.tracking.recorder import PARENT, Recorder


def held(recorder: Recorder) -> list[Run]:
    return list(runs(MlflowClient(recorder.tracking_uri), recorder.experiment_id))


def by_key(recorder: Recorder) -> dict[str, Run]:
    return {run.data.tags[CELL_KEY]: run for run in held(recorder) if CELL_KEY in run.data.tags}


def parents(recorder: Recorder) -> dict[str, str]:
    return {key: run.data.tags[PARENT] for key, run in by_key(recorder).items()}


def rows(recorder: Recorder, run: Run) -> list[tuple[Any, ...]]:
    """Every metric row of a run."""
    client = MlflowClient(recorder.tracking_uri)
    return [
        (row.key, row.value, row.step, row.timestamp)
        for name in sorted(run.data.metrics)
        for row in client.get_metric_history(run.info.run_id, name)
    ]


def everything(recorder: Recorder) -> dict[str, Any]:
    """All that the mirror holds of its cells, ids of runs and writers aside."""
    own = (PARENT, WRITER, "mlflow.user")
    return {
        key: (run.data.params, {n: v for n, v in run.data.tags.items() if n not in own}, rows(recorder, run))
        for key, run in by_key(recorder).items()
    }


def told_twice(recorder: Recorder) -> list[str]:
    """Cells with two runs, and metrics with two rows for one step."""
    cells = Counter(run.data.tags.get(CELL_KEY, "") for run in held(recorder))
    cells.pop("", None)
    steps = Counter((key, row[0], row[2]) for key, run in by_key(recorder).items() for row in rows(recorder, run))
    return [str(what) for what, times in (cells | steps).items() if times > 1]
