"""A trial: one job, computed in the process of its actor, which the next job then takes over.

Tune unpickles a trainable several times for every trial that it keeps books on. A class that is found by its name costs
next to nothing there, and what all trials share lies once in Ray's object store.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler

from mi_ray.experiments.plan.plan import Job

FAILED = "failed"
"""Name of the result by which a trial says that its job cannot succeed, however often it is tried."""

Work = Callable[[Job, Path], str]
"""Computes a job, given a folder of its node for what is over with it; returns why that failed, nothing where it did
not."""


def config(job: Job, work: ray.ObjectRef) -> dict[str, Any]:
    """What a trial is told; ``work`` is a reference, the same for all."""
    return {"job": job, "work": [work]}


class JobTrial(tune.Trainable):
    """Computes one job. What the mathematics raises is told, not raised: a retry would do the same."""

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        return True

    def step(self) -> dict[str, Any]:
        work = _fetched(self.config["work"][0])
        try:
            failed = work(self.config["job"], Path(self.logdir))
        except Exception as error:
            failed = f"{type(error).__name__}: {error}"
        return {FAILED: failed, "done": True}


class NewestFirst(FIFOScheduler):
    """Gives an actor that has become free to the trial that was offered last. One that was offered before waits for an
    actor of its own, which Tune would end, while it still starts, to give the trial the free one."""

    def __init__(self) -> None:
        super().__init__()
        self._offered: list[Trial] = []

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        self._offered.append(trial)

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        while self._offered and self._offered[-1].status != Trial.PENDING:
            self._offered.pop()
        return self._offered[-1] if self._offered else None


@lru_cache(maxsize=1)
def _fetched(reference: ray.ObjectRef) -> Work:
    """What all trials share, fetched once by a process."""
    return ray.get(reference)
