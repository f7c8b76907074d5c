"""The Tune trial of a job: a `Trainable` in a Ray actor, which Tune reuses for the next trial (``reuse_actors``).

Tune unpickles the trainable several times per trial. An importable class pickles by name, and the data of all trials
is one value that the head keeps, so this costs little.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler

from mi_ray.experiments.plan.plan import Job
from mi_ray.orchestration.deaths import reason_of
from mi_ray.orchestration.shared import shared
from mi_ray.orchestration.silence import beating

FAILED = "failed"
"""Key of a trial's result: the error of a job that a retry would repeat, or ""."""

STOP = "stopped: "
"""How such an error begins if no other job can go on either."""

Work = Callable[[Job, Path], str]
"""Computes a job in a temporary node-local folder; returns the error, or "" on success."""


def config(job: Job, work: str) -> dict[str, Any]:
    """The configuration of a trial; ``work``: the name of the `Work` that all trials share."""
    return {"job": job, "work": work}


class JobTrial(tune.Trainable):
    """Computes one job in one step.

    An exception becomes the result `FAILED` and is not raised, because a retry would raise it again. Tune retries only
    trials whose process or node died.
    """

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        return True

    def step(self) -> dict[str, Any]:
        work, job = shared(self.config["work"]), self.config["job"]
        try:
            with beating(job.key):
                error_text = work(job, Path(self.logdir))
        except (Exception, SystemExit) as error:  # a question of a user's own may call exit()
            error_text = reason_of(error)
        return {FAILED: error_text, "done": True}


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
