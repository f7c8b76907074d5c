"""Dependent trials: a Tune `SearchAlgorithm` that creates a job's trial once the upstream cell is committed.

Small questions, for which nothing waits, share a trial (`Pace`). If its process dies, those that are left get a trial
of their own each: only then is a death laid to one of them.

Tune has no dependencies between trials, but its search algorithm decides when a trial comes into being. Whether a cell
is done is read from the store, never from Tune's state, so a study is resumed by running its command again.

All code here runs in the driver process, in the thread of Tune's control loop.
"""

from __future__ import annotations

import math
import signal
import time
from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any

from ray.tune.execution.placement_groups import PlacementGroupFactory
from ray.tune.experiment import Trial
from ray.tune.search import SearchAlgorithm

from mi_ray.experiments.declare.checks import Stopped
from mi_ray.experiments.plan.plan import Job
from mi_ray.experiments.plan.queue import Queue
from mi_ray.experiments.run.loop import SAVE_SECONDS, STOPPING
from mi_ray.experiments.run.serial import Listener
from mi_ray.experiments.store.store import Store
from mi_ray.orchestration import silence
from mi_ray.orchestration.cluster import Share, capacity, free
from mi_ray.orchestration.deaths import PREEMPTED, JobTrialRecord
from mi_ray.orchestration.lifeline import cut, own_node_lives
from mi_ray.orchestration.placement import Occupancy, Waits
from mi_ray.orchestration.trial import FAILED, SECONDS, STOP, Pace, config

Batch = tuple[Job, ...]
"""The jobs of a trial, one after another; slot and signs of life go by the key of the first."""


class DependentTrials(SearchAlgorithm):
    """Turns jobs of a `Queue` into Tune trials, as many as fit the cluster, and tells a listener how each ends."""

    def __init__(
        self,
        jobs: Iterable[Job],
        slots: int,
        occupancy: Occupancy,
        store: Store,
        listener: Listener,
        *,
        work: str,
        retries: int,
    ) -> None:
        """``slots``: trainings side by side; ``work``: name of the `mi_ray.orchestration.trial.Work` that all jobs
        share; ``retries``: per trial."""
        self._slots, self._occupancy, self._store = slots, occupancy, store
        self._listener, self._work, self._retries = listener, work, retries
        self._experiment: Any = None
        self.jobs = {job.key: job for job in jobs}
        self._queue = Queue(self.jobs.values(), store, slots=slots)
        self._running: dict[str, JobTrialRecord] = {}
        self._batches: dict[str, Batch] = {}
        self._pace, self._alone = Pace(), set[str]()
        self._attempts: dict[str, int] = {}
        self._died: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._ended: set[str] = set()
        self._waits, self._still = Waits(), silence.Stillness()
        self._looked = time.monotonic()
        self._stops = math.inf
        self.fault: Exception | None = None

    def __getstate__(self) -> dict:
        return {}  # Tune pickles the search algorithm for `Tuner.restore`, which is never used

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict, **spec: Any) -> bool:
        return True

    def add_configurations(self, experiments: Any) -> None:
        self._experiment = experiments[0] if isinstance(experiments, list) else experiments

    def next_trial(self) -> Trial | None:
        """The trial of the next job whose upstream is committed and that fits the cluster, with others if they are
        small; None if no job may start."""
        job = None if STOPPING.asked else self._queue.take(self._occupancy.fits)
        if job is None:
            return None
        self._occupancy.take(job)
        batch = (job, *self._others(job))
        self._attempts |= {each.key: self._count(each) for each in batch}
        name = job.key if len(batch) == 1 else f"{job.key}-and-{len(batch) - 1}"
        spec = self._experiment.spec
        trial = self._running[name] = JobTrialRecord(
            spec["run"],
            config=config(batch, self._work),
            trial_id=name,
            storage=spec["storage"],
            placement_group_factory=placement_group(self._occupancy.trial_share(job)),
            experiment_tag=name,
            stopping_criterion={},
            max_failures=self._retries - self._lost[job.key] if len(batch) == 1 else 0,
        )
        self._batches[name] = batch
        return trial

    def _others(self, job: Job) -> list[Job]:
        """The jobs that share the trial of ``job``: of its kind and size, ready, and none of them waited for."""
        if job.key in self._alone or self._queue.is_waited_for(job):
            return []
        share, room = self._occupancy.trial_share(job), self._pace.room_beside(job)
        return self._queue.take_beside(
            job,
            lambda other: other.key not in self._alone and self._occupancy.trial_share(other) == share and room(other),
        )

    def first_of(self, trial: Trial) -> Job:
        """The job that a trial begins with."""
        return self._batches[trial.trial_id][0]

    def _count(self, job: Job) -> int:
        """Number of attempts in the store at the job's cells that are not committed."""
        return sum(self._store.attempts(cell.key) for cell in job.cells)

    def look(self, trials: Iterable[Trial]) -> None:
        """Read the cluster's capacity anew, report jobs that wait for resources, and watch over running ones.

        A job waits if its trial is pending: at first, or again after its node is gone. It also waits if the trial runs
        but has started no attempt in the store, as that of a data-parallel training whose workers find no room.
        """
        self._occupancy.capacity = capacity()
        if not own_node_lives():
            cut("this machine's raylet hangs: the cluster's head counts it as dead")
            return
        now = time.monotonic()
        if now - self._looked > silence.PAUSE_SECONDS:  # this process was stopped itself (Ctrl-Z)
            self._still = silence.Stillness()
        self._looked = now
        for trial in trials:
            if trial.status not in (Trial.PENDING, Trial.RUNNING):
                continue
            batch = self._batches[trial.trial_id]
            job = batch[0]
            if trial.status == Trial.RUNNING and trial.trial_id in self._running:
                self._watch(trial.trial_id, batch, now)
            waits = trial.status == Trial.PENDING or self._count(job) <= self._attempts[job.key]
            seconds = self._waits.update(job.key, waits, now)
            if seconds is not None:
                self._listener.waiting(job, f"{self._occupancy.wanted(job)} since {seconds:.0f} s; free: {free()}")

    def _watch(self, trial: str, batch: Batch, now: float) -> None:
        """Tell of a running trial whose process is silent or whose progress stands still, and end it if that lasts."""
        job, known = batch[0], silence.beats(batch[0].key)
        for name, beat in known.items():
            still = self._still.seconds(name, beat.count, now)
            who = f"process {beat.pid} gives no sign of life"
            if self._is_over(trial, name, who, still, silence.SILENT_SECONDS, silence.GIVEN_UP_SECONDS):
                silence.end(name, beat)
        shares = (self._store.progress(each.key) for each in batch) if job.kind in silence.TELLS_PROGRESS else ()
        share = next((share for share in shares if 0 < share < 1), 0.0)
        still = self._still.seconds(job.key, share, now) if share else 0.0
        who = f"its progress stands still at {share:.0%}"
        patience = max(silence.STILL_GIVEN_UP_SECONDS, silence.SLOWEST * self._still.longest(job.key))
        if self._is_over(trial, job.key, who, still, silence.STILL_SECONDS, patience):
            for name, beat in known.items():
                silence.end(name, beat)

    def _is_over(self, trial: str, name: str, who: str, still: float, told: float, given_up: float) -> bool:
        """Whether a silence has lasted ``given_up`` seconds; the listener is told of it once after ``told`` seconds."""
        job = self._batches[trial][0]
        if still >= told and self._still.tells(name):
            self._listener.silent(job, f"{who} since {still:.0f} s; it is ended and tried again after {given_up:.0f} s")
        if still < given_up:
            return False
        if name in (job.key, f"{job.key}/0"):  # the trial's own; of its workers, Ray Train starts others
            self._running[trial].hung = f"hung: {who} since {still:.0f} s, so it was ended"
        return True

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False) -> None:
        """Ask the store which of the trial's jobs are committed; the others have failed, whatever Tune says.

        Tune would take an error of the store's or of the listener's for one of the trial's: it is kept in ``fault``.
        """
        trial = self._running.pop(trial_id, None)
        if trial is None:
            return
        batch, told = self._batches[trial_id], result or {}
        errors = told.get(FAILED, [])
        self._forget(batch[0])
        if errors:
            self._pace.learn(batch[: len(errors)], told[SECONDS])
        try:
            for place, job in enumerate(batch):
                self._end(job, batch, "".join(errors[place : place + 1]), trial.death if error else "")
        except Exception as fault:
            self.fault = self.fault or fault

    def _end(self, job: Job, batch: Batch, reason: str, death: str) -> None:
        """A job's trial has ended: of ``death``, unless that is "". ``reason``: of the job's own failure, or ""."""
        is_done = all(self._store.has(cell.key) for cell in job.cells)
        if job is not batch[0] and (is_done or reason):
            self._listener.started(job)
        if is_done:
            self._ended.add(job.key)
            self._queue.done(job)
            self._listener.finished(job)
        elif STOPPING.asked:
            return
        elif reason.startswith(STOP):
            raise Stopped(reason.removeprefix(STOP))
        elif reason or len(batch) == 1:
            self._fail(job, reason or self._told(job, death))
        else:
            self._put_back(job, death, is_first=job is batch[0])

    def _put_back(self, job: Job, death: str, is_first: bool) -> None:
        """A job that its batch has left undone gets a trial of its own; ``death`` is its own if it had begun."""
        self._alone.add(job.key)
        if death and (is_first or self._count(job) > self._attempts[job.key]):
            self._lose(job, death)
        self._queue.put_back(job)

    def _told(self, job: Job, death: str) -> str:
        """The reason of a job's last death with the number of its tries; ``death``: "" if its last try did not die."""
        if not death:
            return "missing: its cells are not in the store"
        self._died[job.key] += 1
        tries = self._died[job.key]
        return f"{death} ({tries} {'try' if tries == 1 else 'tries'})"

    def _fail(self, job: Job, reason: str) -> None:
        blocked = self._queue.fail(job)
        self._ended |= {job.key, *(below.key for below in blocked)}
        self._listener.failed(job, reason)

    def _forget(self, job: Job) -> None:
        """The trial of ``job`` has ended."""
        self._occupancy.free(job)
        self._still.forget(job.key)
        silence.forget(job.key)

    def recover(self, trial: JobTrialRecord) -> None:
        """Tune tries a trial again: tell why."""
        job = self.first_of(trial)
        self._still.forget(job.key)
        silence.forget(job.key)
        self._lose(job, trial.death)

    def _lose(self, job: Job, death: str) -> None:
        """Count and tell a death after which the job is tried again."""
        self._died[job.key] += 1
        self._lost[job.key] += not death.startswith(PREEMPTED)
        self._listener.died(job, death)

    def stop(self) -> None:
        """End Tune's run once the running trainings have saved a checkpoint, or `SAVE_SECONDS` after the first call."""
        if math.isinf(self._stops):
            self._stops = time.monotonic() + SAVE_SECONDS
            silence.tell_to_stop()
        running = (self.first_of(trial) for trial in self._running.values() if trial.status == Trial.RUNNING)
        if time.monotonic() > self._stops or all(job.kind != "training" for job in running):
            signal.raise_signal(signal.SIGUSR1)  # whose handler is Tune's

    def begin_again(self, reason: str) -> None:
        """A Tune run has ended before its jobs: prepare another one over the rest. Its running jobs count as lost."""
        running, self._running = self._running, {}
        for batch in map(self._batches.__getitem__, running):
            job = batch[0]
            self._forget(job)
            self._alone |= {each.key for each in batch[1:]}
            self._lost[job.key] += 1
            if self._lost[job.key] > self._retries:
                self._fail(job, self._told(job, reason))
            else:
                self._died[job.key] += 1
                self._listener.died(job, reason)
        rest = [job for key, job in self.jobs.items() if key not in self._ended]
        self._queue = Queue(rest, self._store, slots=self._slots)

    @property
    def ended(self) -> int:
        """Number of jobs that are committed, failed or blocked."""
        return len(self._ended)

    def is_finished(self) -> bool:
        return self._queue.empty

    def save_to_dir(self, dirpath: str, **_: Any) -> None: ...  # the store knows which cells are done

    def restore_from_dir(self, dirpath: str) -> None:
        raise NotImplementedError("a study is resumed by running its command again")


@cache
def placement_group(share: Share) -> PlacementGroupFactory:
    """The placement group of a trial: one bundle. Cached, so that trials of one size share it."""
    return PlacementGroupFactory([{"CPU": share.cpus} | ({"GPU": share.gpus} if share.gpus else {})])
