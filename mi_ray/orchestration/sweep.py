"""Run the jobs of a plan as trials of one Ray Tune run."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune import Callback
from ray.tune.experiment import Trial

from mi_ray.experiments.declare.checks import Refused, Stopped, error_line
from mi_ray.experiments.plan.plan import Job
from mi_ray.experiments.run.failures import stop_of
from mi_ray.experiments.run.loop import STOPPING
from mi_ray.experiments.run.serial import DataByDigest, Listener
from mi_ray.experiments.store.store import Store
from mi_ray.orchestration.cluster import Capacity
from mi_ray.orchestration.deaths import JobTrialRecord, surviving_every_death
from mi_ray.orchestration.dependent_trials import DependentTrials
from mi_ray.orchestration.lifeline import Interrupted, refuse_if_cut
from mi_ray.orchestration.placement import (
    ONE_WORKER,
    Occupancy,
    Team,
    loaders,
    refuse_what_cannot_fit,
    together,
    training_slots,
    worker_share,
)
from mi_ray.orchestration.preemption import is_preempted, leaving_in_order
from mi_ray.orchestration.shared import pickle_own_by_value, sharing
from mi_ray.orchestration.silence import forget_stop
from mi_ray.orchestration.trial import STOP, JobTrial, NewestFirst, Work

RETRIES = 2
"""Retries of a job whose process or node died. A job that raises an exception is not retried."""

LOOK_SECONDS = 5.0
"""Seconds between two looks at the cluster: nodes that came or went, and trials that have not begun."""


def run_on_ray(
    jobs: Iterable[Job],
    data: DataByDigest,
    store: Store,
    listener: Listener,
    *,
    capacity: Capacity,
    team: Team = ONE_WORKER,
) -> None:
    """Run every job, each after its upstream cell is committed; returns when all have ended.

    A failed job blocks only the jobs that depend on it. Once the run is to stop (`STOPPING`), running trainings save a
    checkpoint and all else ends; returns then too. Refused, before any job starts, if one cannot fit the cluster.
    Should Tune's run end by an error of Tune's, another one takes the jobs that are left; Stopped if that happens more
    than `RETRIES` times before another job has ended.
    """
    work = Computing(dict(data), store, team, capacity)
    run_trials(jobs, work, store, listener, capacity=capacity, team=team)


@dataclass(frozen=True)
class Computing:
    """Computes a job inside its Tune trial: in the trial's process, or with Ray Train workers.

    One object in Ray's object store serves all trials.
    """

    data: DataByDigest
    store: Store
    team: Team
    capacity: Capacity

    def __call__(self, job: Job, folder: Path) -> str:
        """Compute a job; returns "" or an error that a retry would repeat. ``folder``: node-local scratch folder.

        An error that means the end of the run, such as a full disk, is returned with `STOP` before it.
        """
        try:
            return self._computed(job, folder)
        except Exception as error:
            if stop := stop_of(error, self.store, job.cells):
                return f"{STOP}{stop}"
            raise

    def _computed(self, job: Job, folder: Path) -> str:
        images, decoding = self.data[job.cells[0].data_digest], loaders(job, self.capacity, self.team)
        if together(job, self.team):
            from mi_ray.orchestration.data_parallel import train_together

            each = worker_share(self.capacity, self.team, decoding)
            return train_together(
                job, images, self.store, workers=self.team.workers, each=each, loaders=decoding, retries=RETRIES,
                folder=folder,
            )  # fmt: skip
        import torch

        from mi_ray.experiments.run.job import compute

        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
        on_gpu = torch.cuda.is_available() and os.environ.get("CUDA_VISIBLE_DEVICES")
        device = torch.device("cuda" if on_gpu else "cpu")
        with leaving_in_order():
            compute(job, images, self.store, device=device, leaving=is_preempted, loaders=decoding)
        return ""


def run_trials(
    jobs: Iterable[Job],
    work: Work,
    store: Store,
    listener: Listener,
    *,
    capacity: Capacity,
    team: Team = ONE_WORKER,
) -> None:
    """As `run_on_ray`, with any function ``work`` in place of the computation."""
    table = {job.key: job for job in jobs}
    if not table:
        return
    refuse_what_cannot_fit(table.values(), capacity, team)
    pickle_own_by_value(table.values())
    slots = training_slots(capacity, team, table.values())
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(max(slots, int(capacity.most.cpus)))
    occupancy = Occupancy(capacity, team)
    with sharing(work) as name:
        trials = DependentTrials(table.values(), slots, occupancy, store, listener, work=name, retries=RETRIES)
        _run(trials, listener, store)
        if STOPPING.asked:
            forget_stop()


def _run(trials: DependentTrials, listener: Listener, store: Store) -> None:
    """Tune runs over the trials, one after another, until one has ended in order."""
    without_progress = 0
    while True:
        ended = trials.ended
        try:
            with scratch_folder(store) as scratch, surviving_every_death(), STOPPING.heeded():
                return _fit(trials, listener, scratch)
        except Interrupted as cut:
            raise Stopped(str(cut)) from None
        except (Stopped, Refused):
            raise
        except Exception as error:
            refuse_if_cut()
            if trials.fault:
                raise trials.fault from None
            if stop := stop_of(error, store):
                raise stop from error
            without_progress = 0 if trials.ended > ended else without_progress + 1
            if without_progress > RETRIES:
                raise Stopped(f"Ray Tune: {error_line(error)[:300]}; look at Ray's log files") from error
            trials.begin_again(f"tune: its run ended ({error_line(error)[:300]})")


def _fit(trials: DependentTrials, listener: Listener, scratch: Path) -> None:
    """One Tune run over the trials that are left. Tune's own handler of Ctrl-C would end them before they are saved."""
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    tune.Tuner(
        JobTrial,
        tune_config=tune.TuneConfig(search_alg=trials, scheduler=NewestFirst(), reuse_actors=True),
        run_config=tune.RunConfig(
            name="trials", storage_path=str(scratch), verbose=0, callbacks=[Relay(trials, listener)]
        ),
    ).fit()


class Relay(Callback):
    """A Tune callback that tells the listener of started trials and of passing time, and looks at the cluster."""

    def __init__(self, trials: DependentTrials, listener: Listener) -> None:
        self._dependent, self._listener = trials, listener
        self._looked = time.monotonic()

    def __getstate__(self) -> dict:
        return {}

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._listener.started(self._dependent.first_of(trial))

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        assert isinstance(trial, JobTrialRecord)
        self._dependent.recover(trial)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Drop the results that Tune keeps of each trial: nobody reads them, and they grow with the plan."""
        metadata = trial.run_metadata
        for results in (metadata.metric_analysis, metadata.metric_n_steps, metadata.last_result):
            results.clear()

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        if self._dependent.fault:
            raise self._dependent.fault
        self._listener.tick()
        if STOPPING.asked:
            self._dependent.stop()
        if time.monotonic() - self._looked > LOOK_SECONDS:
            with suppress(Exception):  # a head or a store that does not answer now; the next look asks again
                self._dependent.look(trials)
            self._looked = time.monotonic()


@contextmanager
def scratch_folder(store: Store) -> Iterator[Path]:
    """A folder for Tune's own state, removed after the block; also removes folders of runs that were killed."""
    for leftover in store.work.glob("tune-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix="tune-", dir=store.work))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
