"""Runs of trainings that have not ended: their values of the moment, for people who watch.

A live run has the tag ``live`` with its cell's key, and no ``cell_key``: no reader of cells sees it. It is deleted when
the cell is mirrored. A training that goes on, also in another process, goes on in its live run, from the step after
the last.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run

from mi_ray.experiments.plan.plan import Cell
from mi_ray.tracking.entries import LONGEST_PARAM, is_finite_number, run_name, run_params
from mi_ray.tracking.mirror import HISTORY

LIVE = "live"
"""Tag of a live run: the key of its cell."""

STEP, PROBED = "step", "probed_step"
"""Metrics with the last step that was logged, of the training's own values and of its probes."""


@dataclass
class LiveRuns:
    """The live runs of an experiment. ``held``: cell key -> run id and the last step that was logged."""

    client: MlflowClient
    experiment_id: str
    held: dict[str, tuple[str, int]] = field(default_factory=dict)
    probed: dict[str, int] = field(default_factory=dict)
    """Cell key -> the last probed step that was logged."""
    logged: set[str] = field(default_factory=set)
    """Keys of the live runs that this process has logged to."""

    def taking_over(self, runs: Iterable[Run]) -> Self:
        """Itself, with the live runs that earlier processes have left."""
        for run in runs:
            if key := run.data.tags.get(LIVE):
                self.held[key] = run.info.run_id, int(run.data.metrics.get(HISTORY + STEP, 0))
                self.probed[key] = int(run.data.metrics.get(HISTORY + PROBED, 0))
        return self

    def log(
        self, cell: Cell, values: Mapping[str, float], probes: Iterable[Mapping[str, float]], tags: Mapping[str, str]
    ) -> None:
        """Log the values of the moment, and what probes have found, if their steps are new; ``tags``: of a new run."""
        step = int(values.get(STEP, 0))
        if not step:
            return
        run_id, last = self.held.get(cell.key) or (self._created(cell, tags), 0)
        metrics = points(values, step) if step > last else []
        new = [found for found in probes if found[STEP] > self.probed.get(cell.key, 0)]
        for found in new:
            at = int(found[STEP])
            metrics += points({name: value for name, value in found.items() if name != STEP} | {PROBED: at}, at)
        if metrics:
            self.client.log_batch(run_id, metrics=metrics)
            self.probed |= {cell.key: int(new[-1][STEP])} if new else {}
        if cell.key not in self.logged:
            self.client.update_run(run_id, status="RUNNING")
            self.logged.add(cell.key)
        self.held[cell.key] = run_id, max(step, last)

    def end(self) -> None:
        """End the live runs of this process's trainings that were not mirrored: they failed, or were interrupted."""
        for key in self.logged & self.held.keys():
            self.client.set_terminated(self.held[key][0], "KILLED")

    def remove(self, key: str) -> None:
        """Delete the live run of a cell that has been mirrored."""
        if key in self.held:
            run_id, _ = self.held.pop(key)
            self.client.delete_run(run_id)

    def _created(self, cell: Cell, tags: Mapping[str, str]) -> str:
        name = f"running: {run_name(cell)}"
        run = self.client.create_run(self.experiment_id, tags={LIVE: cell.key, "kind": LIVE, **tags}, run_name=name)
        params = {**run_params(cell), "kind": LIVE}
        self.client.log_batch(run.info.run_id, params=[Param(n, v[:LONGEST_PARAM]) for n, v in params.items()])
        return run.info.run_id


def points(values: Mapping[str, float], step: int) -> list[Metric]:
    """The finite values as points of curves at a step."""
    at_ms = round(time.time() * 1000)
    return [Metric(HISTORY + name, value, at_ms, step) for name, value in values.items() if is_finite_number(value)]
