"""The Tune trial of a job, or of a batch of small questions: a `Trainable` in a Ray actor, which Tune reuses for the
next trial (``reuse_actors``).

Tune unpickles the trainable several times per trial. An importable class pickles by name, and the data of all trials
is one value that the head keeps, so this costs little.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler

from mi_ray.experiments.plan.cost import job_work
from mi_ray.experiments.plan.plan import Job
from mi_ray.experiments.run.loop import STOPPING
from mi_ray.orchestration.deaths import reason_of
from mi_ray.orchestration.shared import shared
from mi_ray.orchestration.silence import beating

FAILED = "failed"
"""Key of a trial's result: for each of its jobs that ended, in order, the error that a retry would repeat, or ""."""

SECONDS = "seconds"
"""Key of a trial's result: how long its jobs took."""

STOP = "stopped: "
"""How such an error begins if no other job can go on either."""

Work = Callable[[Job, Path], str]
"""Computes a job in a temporary node-local folder; returns the error, or "" on success."""


BATCH_SECONDS, MOST_IN_BATCH = 0.5, 16
"""Most seconds, as predicted, and most questions of a batch. Tune's control loop needs several milliseconds for a
trial, however short."""


class Pace:
    """How long a job takes: by its work, and by the time that the latest jobs of its kind took for theirs."""

    def __init__(self) -> None:
        self._rates: dict[str, float] = {}

    def learn(self, jobs: Sequence[Job], seconds: float) -> None:
        """Jobs of one kind took ``seconds`` in all."""
        rate = seconds / max(1.0, sum(map(job_work, jobs)))
        self._rates[jobs[0].kind] = (self._rates.get(jobs[0].kind, rate) + rate) / 2

    def seconds(self, job: Job) -> float:
        """The predicted time of a job; infinite until one of its kind has ended."""
        return self._rates[job.kind] * job_work(job) if job.kind in self._rates else math.inf

    def room_beside(self, job: Job) -> Callable[[Job], bool]:
        """A function that takes one job after another into a batch with ``job``, and returns whether it still fits."""
        seconds, jobs = self.seconds(job), 1

        def fits(other: Job) -> bool:
            nonlocal seconds, jobs
            seconds, jobs = seconds + self.seconds(other), jobs + 1
            return seconds <= BATCH_SECONDS and jobs <= MOST_IN_BATCH

        return fits


def config(jobs: Sequence[Job], work: str) -> dict[str, Any]:
    """The configuration of a trial; ``work``: the name of the `Work` that all trials share."""
    return {"jobs": tuple(jobs), "work": work}


class JobTrial(tune.Trainable):
    """Computes the jobs of a trial in one step, one after another.

    An exception becomes the result `FAILED` and is not raised, because a retry would raise it again. Tune retries only
    trials whose process or node died.
    """

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        return True

    def step(self) -> dict[str, Any]:
        work, jobs, began = shared(self.config["work"]), self.config["jobs"], time.monotonic()
        errors = list[str]()
        with beating(jobs[0].key):
            for job in jobs:
                errors.append(self._error_of(work, job))
                if STOPPING.asked or errors[-1].startswith(STOP):
                    break
        return {FAILED: errors, SECONDS: time.monotonic() - began, "done": True}

    def _error_of(self, work: Work, job: Job) -> str:
        try:
            return work(job, Path(self.logdir))
        except (Exception, SystemExit) as error:  # a question of a user's own may call exit()
            return reason_of(error)


class NewestFirst(FIFOScheduler):
    """A Tune scheduler that gives a free actor to the newest pending trial.

    An older pending trial waits for an actor of its own that is already starting. If the free actor went to that trial,
    Tune would end the starting one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._offered: list[Trial] = []

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        self._offered.append(trial)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """A trial whose actor died while it was reset for the trial would wait for that reset for ever."""
        tune_controller._resetting_trials.discard(trial)

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        while self._offered and self._offered[-1].status != Trial.PENDING:
            self._offered.pop()
        return self._offered[-1] if self._offered else None
