"""Run the jobs of a plan as trials of one Ray Tune run."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ray import tune

from mi_ray.experiments.declare.checks import Refused, Stopped, error_line
from mi_ray.experiments.plan.plan import Job
from mi_ray.experiments.run.failures import stop_of
from mi_ray.experiments.run.loop import STOPPING
from mi_ray.experiments.run.serial import DataByDigest, Listener
from mi_ray.experiments.store.store import Store
from mi_ray.orchestration.cluster import Capacity
from mi_ray.orchestration.deaths import surviving_every_death
from mi_ray.orchestration.dependent_trials import DependentTrials, Relay
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
