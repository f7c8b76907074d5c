"""Dependent trials: a Tune `SearchAlgorithm` that creates a job's trial once the upstream cell is committed.

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
from contextlib import suppress
from functools import cache
from typing import Any

from ray.tune import Callback
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
from mi_ray.orchestration.trial import FAILED, STOP, config

LOOK_SECONDS = 5.0
"""Seconds between two looks at the cluster: nodes that came or went, and trials that have not begun."""


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
        """The trial of the next job whose upstream is committed and that fits the cluster; None if no job may start."""
        job = None if STOPPING.asked else self._queue.take(self._occupancy.fits)
        if job is None:
            return None
        self._occupancy.take(job)
        self._attempts[job.key] = self._count(job)
        spec = self._experiment.spec
        trial = self._running[job.key] = JobTrialRecord(
            spec["run"],
            config=config(job, self._work),
            trial_id=job.key,
            storage=spec["storage"],
            placement_group_factory=placement_group(self._occupancy.trial_share(job)),
            experiment_tag=job.key,
            stopping_criterion={},
            max_failures=self._retries - self._lost[job.key],
        )
        return trial

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
            job = self.jobs[trial.trial_id]
            if trial.status == Trial.RUNNING and job.key in self._running:
                self._watch(job, now)
            waits = trial.status == Trial.PENDING or self._count(job) <= self._attempts[job.key]
            seconds = self._waits.update(job.key, waits, now)
            if seconds is not None:
                self._listener.waiting(job, f"{self._occupancy.wanted(job)} since {seconds:.0f} s; free: {free()}")

    def _watch(self, job: Job, now: float) -> None:
        """Tell of a running job whose process is silent or whose progress stands still, and end it if that lasts."""
        known = silence.beats(job.key)
        for name, beat in known.items():
            still = self._still.seconds(name, beat.count, now)
            who = f"process {beat.pid} gives no sign of life"
            if self._is_over(job, name, who, still, silence.SILENT_SECONDS, silence.GIVEN_UP_SECONDS):
                silence.end(name, beat)
        share = self._store.progress(job.key) if job.kind in silence.TELLS_PROGRESS else 0.0
        still = self._still.seconds(job.key, share, now) if 0 < share < 1 else 0.0
        who = f"its progress stands still at {share:.0%}"
        patience = max(silence.STILL_GIVEN_UP_SECONDS, silence.SLOWEST * self._still.longest(job.key))
        if self._is_over(job, job.key, who, still, silence.STILL_SECONDS, patience):
            for name, beat in known.items():
                silence.end(name, beat)

    def _is_over(self, job: Job, name: str, who: str, still: float, told: float, given_up: float) -> bool:
        """Whether a silence has lasted ``given_up`` seconds; the listener is told of it once after ``told`` seconds."""
        if still >= told and self._still.tells(name):
            self._listener.silent(job, f"{who} since {still:.0f} s; it is ended and tried again after {given_up:.0f} s")
        if still < given_up:
            return False
        if name in (job.key, f"{job.key}/0"):  # the trial's own; of its workers, Ray Train starts others
            self._running[job.key].hung = f"hung: {who} since {still:.0f} s, so it was ended"
        return True

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False) -> None:
        """Ask the store whether the job's cells are committed; if not, the job has failed, whatever Tune says.

        Tune would take an error of the store's or of the listener's for one of the trial's: it is kept in ``fault``.
        """
        job, trial = self.jobs[trial_id], self._running.pop(trial_id, None)
        if trial is None:
            return
        self._forget(job)
        try:
            if all(self._store.has(cell.key) for cell in job.cells):
                self._ended.add(job.key)
                self._queue.done(job)
                self._listener.finished(job)
            elif not STOPPING.asked:
                reason = (result or {}).get(FAILED) or self._told(job, trial.death if error else "")
                if reason.startswith(STOP):
                    raise Stopped(reason.removeprefix(STOP))
                self._fail(job, reason)
        except Exception as fault:
            self.fault = self.fault or fault

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
        self._still.forget(trial.trial_id)
        silence.forget(trial.trial_id)
        self._died[trial.trial_id] += 1
        self._lost[trial.trial_id] += not trial.death.startswith(PREEMPTED)
        self._listener.died(self.jobs[trial.trial_id], trial.death)

    def stop(self) -> None:
        """End Tune's run once the running trainings have saved a checkpoint, or `SAVE_SECONDS` after the first call."""
        if math.isinf(self._stops):
            self._stops = time.monotonic() + SAVE_SECONDS
            silence.tell_to_stop()
        running = (self.jobs[key] for key, trial in self._running.items() if trial.status == Trial.RUNNING)
        if time.monotonic() > self._stops or all(job.kind != "training" for job in running):
            signal.raise_signal(signal.SIGUSR1)  # whose handler is Tune's

    def begin_again(self, reason: str) -> None:
        """A Tune run has ended before its jobs: prepare another one over the rest. Its running jobs count as lost."""
        running, self._running = self._running, {}
        for key in running:
            job = self.jobs[key]
            self._forget(job)
            self._lost[key] += 1
            if self._lost[key] > self._retries:
                self._fail(job, self._told(job, reason))
            else:
                self._died[key] += 1
                self._listener.died(job, reason)
        rest = [job for key, job in self.jobs.items() if key not in self._ended]
        self._queue = Queue(rest, self._store, slots=self._slots)

    @property
    def ended(self) -> int:
        """Number of jobs that are committed, failed or blocked."""
        return len(self._ended)

    def is_finished(self) -> bool:
        return self._queue.empty

    def save_to_dir(self, dirpath: str, **_: Any) -> None:
        """Does nothing: the store knows which cells are done."""

    def restore_from_dir(self, dirpath: str) -> None:
        raise NotImplementedError("a study is resumed by running its command again")


@cache
def placement_group(share: Share) -> PlacementGroupFactory:
    """The placement group of a trial: one bundle. Cached, so that trials of one size share it."""
    return PlacementGroupFactory([{"CPU": share.cpus} | ({"GPU": share.gpus} if share.gpus else {})])


class Relay(Callback):
    """A Tune callback that tells the listener of started trials and of passing time, and looks at the cluster."""

    def __init__(self, trials: DependentTrials, listener: Listener) -> None:
        self._dependent, self._listener = trials, listener
        self._looked = time.monotonic()

    def __getstate__(self) -> dict:
        return {}

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._listener.started(self._dependent.jobs[trial.trial_id])

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
