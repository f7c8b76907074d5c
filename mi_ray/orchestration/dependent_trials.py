"""Dependent trials: a Tune search algorithm that offers a trial the moment the cell it needs is committed.

Tune has no dependencies between trials; its search algorithm, though, decides what exists. Ours never guesses from
Tune's state: whether a cell is done is read from the store, so resuming is running the same command again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import cache
from typing import Any

import ray
from ray.tune import Callback
from ray.tune.execution.placement_groups import PlacementGroupFactory
from ray.tune.experiment import Trial
from ray.tune.search import SearchAlgorithm

from mi_ray.experiments.plan.plan import Job
from mi_ray.experiments.plan.queue import Queue
from mi_ray.experiments.run.serial import Listener
from mi_ray.experiments.store.store import Store
from mi_ray.orchestration.cluster import Share, capacity, free
from mi_ray.orchestration.placement import Occupancy
from mi_ray.orchestration.trial import FAILED, config

WAIT_SECONDS = 60.0
"""How long a job may wait for room on the cluster before that is said, and said again."""

LOOK_SECONDS = 5.0
"""How often is looked whether nodes have come or gone, and whether what was offered has begun."""


class DependentSearch(SearchAlgorithm):
    """Offers jobs from a `Queue` as trials, as many as fit the cluster, and tells a listener how they end."""

    def __init__(
        self,
        queue: Queue,
        occupancy: Occupancy,
        store: Store,
        listener: Listener,
        *,
        work: ray.ObjectRef,
        retries: int,
    ) -> None:
        """``work``: a reference to what computes a job (see `trial`)."""
        self._queue, self._occupancy, self._store = queue, occupancy, store
        self._listener, self._work, self._retries = listener, work, retries
        self._experiment: Any = None
        self.jobs: dict[str, Job] = {}
        self._attempts: dict[str, int] = {}
        self._waits = Waits()

    def __getstate__(self) -> dict:
        return {}  # Tune pickles its configuration for `Tuner.restore`, which is never used

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict, **spec: Any) -> bool:
        return True

    def add_configurations(self, experiments: Any) -> None:
        self._experiment = experiments[0] if isinstance(experiments, list) else experiments

    def next_trial(self) -> Trial | None:
        """The next job that may start and fits, as a trial; None while nothing may."""
        job = self._queue.take(self._occupancy.fits)
        if job is None:
            return None
        self._occupancy.take(job)
        self.jobs[job.key] = job
        self._attempts[job.key] = self._count(job)
        return self._trial(job)

    def _count(self, job: Job) -> int:
        """How many attempts at the job's cells have begun that are not over."""
        return sum(self._store.attempts(cell.key) for cell in job.cells)

    def look(self, trials: Iterable[Trial]) -> None:
        """See what the cluster has become, and tell of jobs that wait for room on it: at first, or once more because
        their node is gone."""
        self._occupancy.capacity = capacity()
        for trial in trials:
            if trial.status not in (Trial.PENDING, Trial.RUNNING):
                continue
            job = self.jobs[trial.trial_id]
            waits = trial.status == Trial.PENDING or self._count(job) <= self._attempts[job.key]
            seconds = self._waits.seen(job.key, waits, time.monotonic())
            if seconds is not None:
                self._listener.waiting(job, f"{self._occupancy.wanted(job)} since {seconds:.0f} s; free: {free()}")

    def _trial(self, job: Job) -> Trial:
        spec = self._experiment.spec
        return Trial(
            spec["run"],
            config=config(job, self._work),
            trial_id=job.key,
            storage=spec["storage"],
            placement_group_factory=_bundle(self._occupancy.of_trial(job)),
            experiment_tag=job.key,
            stopping_criterion={},
            max_failures=self._retries,
        )

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False) -> None:
        """Ask the store whether the trial's cells are there: a trial that ended without them has failed."""
        job = self.jobs[trial_id]
        self._occupancy.free(job)
        if all(self._store.has(cell.key) for cell in job.cells):
            self._queue.done(job)
            self._listener.finished(job)
            return
        self._queue.fail(job)
        reason = (result or {}).get(FAILED) or f"its worker died {self._retries + 1} times"
        self._listener.failed(job, reason)

    def is_finished(self) -> bool:
        return self._queue.empty

    def save_to_dir(self, dirpath: str, **_: Any) -> None:
        """Nothing to save: the store is the truth."""

    def restore_from_dir(self, dirpath: str) -> None:
        raise NotImplementedError("a study is resumed by running its command again")


@cache
def _bundle(share: Share) -> PlacementGroupFactory:
    """What a trial asks Ray for."""
    return PlacementGroupFactory([{"CPU": share.cpus} | ({"GPU": share.gpus} if share.gpus else {})])


class Waits:
    """Since when jobs wait, and when that is to be said: after `WAIT_SECONDS`, and as often again."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._said: dict[str, float] = {}

    def seen(self, key: str, waits: bool, now: float) -> float | None:
        """Whether the job waits at ``now``; returns the seconds that it has waited where that is to be said."""
        if not waits:
            self._since.pop(key, None)
            self._said.pop(key, None)
            return None
        since = self._since.setdefault(key, now)
        if now - self._said.get(key, since) < WAIT_SECONDS:
            return None
        self._said[key] = now
        return now - since


class Relay(Callback):
    """Tells the listener when trials really start, and that time passes; has the search look at the cluster."""

    def __init__(self, search: DependentSearch, listener: Listener) -> None:
        self._search, self._listener = search, listener
        self._looked = time.monotonic()

    def __getstate__(self) -> dict:
        return {}

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._listener.started(self._search.jobs[trial.trial_id])

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Forget what Tune keeps of a trial's results, which nobody will ask for: it would grow with the plan."""
        kept = trial.run_metadata
        for numbers in (kept.metric_analysis, kept.metric_n_steps, kept.last_result):
            numbers.clear()

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        self._listener.tick()
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._search.look(trials)
            self._looked = time.monotonic()
