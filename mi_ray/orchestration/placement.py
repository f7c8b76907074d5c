"""Resources of jobs: the share of the cluster that a job occupies, whether it fits, and how many jobs run at once.

A data-parallel training is a Tune trial that waits for Ray Train workers, whose resources are not part of the trial's.
So the trial takes 0.01 of a core and each worker 0.99, which lets workers use every core of a cluster. Where images are
streamed, a training worker and an embedding also take the cores of their loader processes. A training starts only if
all of its workers fit beside the running jobs; otherwise two trainings could each hold half of the cluster and wait for
the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mi_ray.experiments.declare import Training
from mi_ray.experiments.declare.checks import Refused, refuse
from mi_ray.experiments.plan.cost import DEFAULT_RATE, job_work
from mi_ray.experiments.plan.plan import Job
from mi_ray.experiments.plan.resources import loaders_needed
from mi_ray.orchestration.cluster import Capacity, Share

ON_GPU = frozenset({"training", "embedding", "views"})
"""Kinds of job that take a GPU, on clusters with GPUs, whatever their size."""

ON_GPU_IF_LONG = frozenset({"evaluation", "knn", "estimation", "geometry", "quality"})
"""Questions that take a GPU if their predicted work is above `LONG`; all other jobs take a CPU core only."""

LONG = 60 * DEFAULT_RATE
"""Operations of one CPU core in a minute. A shorter question leaves the GPUs to trainings: to start it there and to
copy its embeddings would take about as long as its answer on a core."""

TRIAL = Share(cpus=0.01, gpus=0.0)
"""The share of a trial whose training runs in Ray Train workers."""

WAIT_SECONDS = 60.0
"""Seconds that a job waits for resources before the listener is told, and between two such messages."""


@dataclass(frozen=True)
class Team:
    """The number of workers of a training, and the GPUs and loader processes of each worker and of each embedding.

    ``gpus``: a fraction or a whole number; None: 1 on clusters with GPUs, else 0. ``loaders`` None: as many as streamed
    images need and a node has for each GPU.
    """

    workers: int = 1
    gpus: float | None = None
    loaders: int | None = None

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise refuse("workers", self.workers, "1 or more")
        if self.loaders is not None and self.loaders < 0:
            raise refuse("loaders", self.loaders, "0 or more")
        if self.gpus is not None and not (0 <= self.gpus <= 1 or (self.gpus > 1 and float(self.gpus).is_integer())):
            raise refuse("gpus", self.gpus, "0 to 1, or a whole number")


ONE_WORKER = Team()


def together(job: Job, team: Team) -> bool:
    """Whether the job is a training by several workers."""
    return job.kind == "training" and team.workers > 1


def worker_share(capacity: Capacity, team: Team, loaders: int = 0) -> Share:
    """The share of one worker of a data-parallel training."""
    return Share(cpus=1.0 - TRIAL.cpus + loaders, gpus=_gpus(capacity, team))


def trial_share(job: Job, capacity: Capacity, team: Team) -> Share:
    """The share that the Tune trial of ``job`` requests."""
    if together(job, team):
        return TRIAL
    if is_long_question(job):
        return Share(cpus=1.0, gpus=min(1.0, _gpus(capacity, team)))
    on_gpu = _gpus(capacity, team) if job.kind in ON_GPU else 0.0
    return Share(cpus=1.0 + loaders(job, capacity, team), gpus=on_gpu)


def is_long_question(job: Job) -> bool:
    """Whether ``job`` is a question that takes a GPU, on clusters with GPUs."""
    return job.kind in ON_GPU_IF_LONG and job_work(job) > LONG


def job_share(job: Job, capacity: Capacity, team: Team) -> Share:
    """The share that ``job`` occupies: its trial and its workers."""
    trial = trial_share(job, capacity, team)
    if not together(job, team):
        return trial
    return trial + team.workers * worker_share(capacity, team, loaders(job, capacity, team))


def loaders(job: Job, capacity: Capacity, team: Team) -> int:
    """Loader processes of a job, or of each worker of its team; 0 unless it streams images.

    A number that ``team`` states is taken as it is. Else they are as many as needed, and fewer where the cores of a
    node, divided among its GPUs, or a place for all workers at once would not suffice.
    """
    gpus = _gpus(capacity, team)
    needed = loaders_needed(job.cells[0], on_gpu=gpus > 0)
    if not needed or team.loaders is not None:
        return team.loaders if needed and team.loaders else 0
    workers = team.workers if together(job, team) else 1
    most = min(needed, int(_cores(capacity, gpus)) - 1)
    fitting = (n for n in range(most, 0, -1) if _has_places(capacity, Share(1.0 + n, gpus), workers))
    return next(fitting, 0)


def _has_places(capacity: Capacity, part: Share, workers: int) -> bool:
    return capacity.places(part) >= workers


def _cores(capacity: Capacity, gpus: float) -> float:
    """Cores of a node for one job: all of them or, of a job with GPUs, those that each of its GPUs has."""
    if not gpus:
        return max(node.cpus for node in capacity.nodes)
    shares = [node.cpus / node.gpus for node in capacity.nodes if node.gpus]
    most = capacity.most
    return gpus * max(shares, default=most.cpus / most.gpus if most.gpus else 0.0)


def _gpus(capacity: Capacity, team: Team) -> float:
    """Number of GPUs that a training worker, or another job on a GPU, takes."""
    if team.gpus is not None:
        return team.gpus
    return 1.0 if capacity.most.gpus else 0.0


def training_slots(capacity: Capacity, team: Team = ONE_WORKER, jobs: Iterable[Job] = ()) -> int:
    """Number of trainings that run at the same time, each with the most loaders of all ``jobs``; at least 1."""
    most = max((loaders(job, capacity, team) for job in jobs), default=0)
    one = Share(1.0 + most, _gpus(capacity, team))
    return max(1, capacity.most // (team.workers * worker_share(capacity, team, most) if team.workers > 1 else one))


def refuse_what_cannot_fit(jobs: Iterable[Job], capacity: Capacity, team: Team) -> None:
    """Raise Refused if some job could never start on the cluster, or if ``team`` cannot share a training's pairs."""
    for job in jobs:
        training = job.cells[0].declaration
        if isinstance(training, Training):
            refuse_team(training, team)
        trial, whole = trial_share(job, capacity, team), job_share(job, capacity, team)
        if together(job, team):
            _refuse_too_many_workers(job, whole, capacity, team)
        elif trial.cpus > 1 and not capacity.places(trial):
            raise _too_many_loaders(job, capacity, team)
        elif not capacity.places(trial):
            raise Refused(f"gpus: a {job.kind} takes {trial}; the cluster has {capacity}; allowed: what a node has")


def refuse_team(training: Training, team: Team) -> None:
    """Raise Refused if the workers of ``team`` cannot share the pairs or batch-norm parts of ``training`` evenly."""
    if training.batch_norm_parts not in (1, team.workers):
        raise refuse("workers", team.workers, f"{training.batch_norm_parts}, the batch_norm_parts of a training")
    if training.k_tr % team.workers:
        raise refuse("workers", team.workers, f"a divisor of k_tr, {training.k_tr}")
    if team.workers > 1 and getattr(training.data, "negatives", None):
        raise refuse("workers", team.workers, "1 where negatives come from another data set")


def _too_many_loaders(job: Job, capacity: Capacity, team: Team) -> Refused:
    """The refusal of ``--loaders``, with the number that is taken without it."""
    fitting = loaders(job, capacity, replace(team, loaders=None))
    return Refused(
        f"loaders: a {job.kind} with {team.loaders} loaders takes {trial_share(job, capacity, team)}; the cluster has"
        f" {capacity}; allowed: {fitting} or fewer"
    )


def _refuse_too_many_workers(job: Job, whole: Share, capacity: Capacity, team: Team) -> None:
    """Raise Refused if the cluster has no room for all workers of a training at once; with their trial, they take
    ``whole``."""
    worker = worker_share(capacity, team, loaders(job, capacity, team))
    places = capacity.places(worker)
    if places < team.workers or not capacity.most // whole:
        raise Refused(
            f"workers: {team.workers} workers of {worker} and a trial of {TRIAL} take {whole};"
            f" the cluster has {capacity}, room for {places}; allowed: {min(places, team.workers)} or fewer"
        )


class Occupancy:
    """The shares of all running jobs, on a cluster whose ``capacity`` may change."""

    def __init__(self, capacity: Capacity, team: Team = ONE_WORKER) -> None:
        self.capacity, self.team = capacity, team
        self._taken: dict[str, Share] = {}
        self._total = Share(0.0, 0.0)

    def trial_share(self, job: Job) -> Share:
        """The share that the Tune trial of ``job`` requests."""
        return trial_share(job, self.capacity, self.team)

    def fits(self, job: Job) -> bool:
        """Whether ``job`` fits beside the running jobs. If none runs, any job may start and wait for new nodes."""
        return not self._taken or bool(self.capacity.most // (self._total + job_share(job, self.capacity, self.team)))

    def take(self, job: Job) -> None:
        """Add the share of a job that starts."""
        self._taken[job.key] = job_share(job, self.capacity, self.team)
        self._add_up()

    def free(self, job: Job) -> None:
        """Remove the share of a job that ended."""
        self._taken.pop(job.key, None)
        self._add_up()

    def _add_up(self) -> None:
        """Sum all shares anew, so that rounding errors do not accumulate."""
        self._total = sum(self._taken.values(), Share(0.0, 0.0))

    def wanted(self, job: Job) -> str:
        """The resources that a waiting ``job`` needs, in words."""
        if together(job, self.team):
            each = worker_share(self.capacity, self.team, loaders(job, self.capacity, self.team))
            return f"{self.team.workers} workers of {each}"
        return str(trial_share(job, self.capacity, self.team))


class Waits:
    """Since when jobs wait, and when to report it: after `WAIT_SECONDS`, and every `WAIT_SECONDS` again."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._reported: dict[str, float] = {}

    def update(self, key: str, waits: bool, now: float) -> float | None:
        """Record whether the job waits at time ``now``; returns its waiting time in seconds if it is to be reported."""
        if not waits:
            self._since.pop(key, None)
            self._reported.pop(key, None)
            return None
        since = self._since.setdefault(key, now)
        if now - self._reported.get(key, since) < WAIT_SECONDS:
            return None
        self._reported[key] = now
        return now - since
