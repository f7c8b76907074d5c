"""What a job occupies while it runs, whether that fits the cluster at all, and how many jobs it holds at once.

Trainings by several workers are nested: a trial waits for Ray Train's workers, which stand beside it and not inside it.
A trial takes next to nothing of a core and its workers what is left of theirs, so that workers fill a cluster to the
last core; and no training starts before all of its workers fit beside what runs, so that none waits for another's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mi_ray.experiments.declare import Training
from mi_ray.experiments.declare.checks import Refused, refuse
from mi_ray.experiments.plan.plan import Job
from mi_ray.orchestration.cluster import Capacity, Share

ON_GPU = frozenset({"training", "embedding", "views"})
"""Kinds of job that use a GPU, on clusters that have any; others ask a processor core only."""

TRIAL = Share(cpus=0.01, gpus=0.0)
"""What a trial takes whose training runs in workers of its own."""


@dataclass(frozen=True)
class Team:
    """How a training is run: by how many workers, and what part of a GPU each of them (and each embedding) takes.

    ``gpus`` None: a whole one on clusters that have any.
    """

    workers: int = 1
    gpus: float | None = None

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise refuse("workers", self.workers, "1 or more")
        if self.gpus is not None and not (0 <= self.gpus <= 1 or (self.gpus > 1 and float(self.gpus).is_integer())):
            raise refuse("gpus", self.gpus, "0 to 1, or a whole number")


ONE_WORKER = Team()


def together(job: Job, team: Team) -> bool:
    """Whether several workers run this job."""
    return job.kind == "training" and team.workers > 1


def worker(capacity: Capacity, team: Team) -> Share:
    """What one worker of a training takes."""
    return Share(cpus=1.0 - TRIAL.cpus, gpus=_gpus(capacity, team))


def of_trial(job: Job, capacity: Capacity, team: Team) -> Share:
    """What the trial of ``job`` asks Ray for."""
    if together(job, team):
        return TRIAL
    return Share(cpus=1.0, gpus=_gpus(capacity, team) if job.kind in ON_GPU else 0.0)


def share(job: Job, capacity: Capacity, team: Team) -> Share:
    """What ``job`` occupies, its workers included."""
    own = of_trial(job, capacity, team)
    return own + team.workers * worker(capacity, team) if together(job, team) else own


def _gpus(capacity: Capacity, team: Team) -> float:
    if team.gpus is not None:
        return team.gpus
    return 1.0 if capacity.most.gpus else 0.0


def training_slots(capacity: Capacity, team: Team = ONE_WORKER) -> int:
    """How many trainings run side by side."""
    one = team.workers * (worker(capacity, team) if team.workers > 1 else Share(1.0, _gpus(capacity, team)))
    return max(1, capacity.most // one)


def refuse_what_cannot_fit(jobs: Iterable[Job], capacity: Capacity, team: Team) -> None:
    """Refuse, with the arithmetic, a plan of which some job would never start; and pairs that workers cannot share."""
    for job in jobs:
        _refuse_other_parts(job, team)
        if together(job, team):
            _refuse_uneven(job, team)
            _refuse_more_workers_than_places(job, capacity, team)
        elif not capacity.places(of_trial(job, capacity, team)):
            wanted = of_trial(job, capacity, team)
            raise Refused(f"gpus: a {job.kind} takes {wanted}; the cluster has {capacity}; allowed: what a node has")


def _refuse_other_parts(job: Job, team: Team) -> None:
    training = job.cells[0].declaration
    if isinstance(training, Training) and training.batch_norm_parts not in (1, team.workers):
        raise refuse("workers", team.workers, f"{training.batch_norm_parts}, the batch_norm_parts of a training")


def _refuse_uneven(job: Job, team: Team) -> None:
    training = job.cells[0].declaration
    assert isinstance(training, Training)
    if training.k_tr % team.workers:
        raise refuse("workers", team.workers, f"a divisor of k_tr, {training.k_tr}")
    if getattr(training.data, "negatives", None):
        raise refuse("workers", team.workers, "1 where negatives come from another data set")


def _refuse_more_workers_than_places(job: Job, capacity: Capacity, team: Team) -> None:
    one, whole = worker(capacity, team), share(job, capacity, team)
    places = capacity.places(one)
    if places < team.workers or not capacity.most // whole:
        raise Refused(
            f"workers: {team.workers} workers of {one} and a trial of {TRIAL} take {whole};"
            f" the cluster has {capacity}, room for {places}; allowed: {min(places, team.workers)} or fewer"
        )


class Occupancy:
    """Keeps count of what the running jobs occupy on a cluster whose ``capacity`` may change."""

    def __init__(self, capacity: Capacity, team: Team = ONE_WORKER) -> None:
        self.capacity, self.team = capacity, team
        self._taken: dict[str, Share] = {}
        self._total = Share(0.0, 0.0)

    def of_trial(self, job: Job) -> Share:
        """What the trial of ``job`` asks Ray for."""
        return of_trial(job, self.capacity, self.team)

    def fits(self, job: Job) -> bool:
        """Whether ``job`` fits beside those running. Where none runs, any does: it waits for nodes, which may come."""
        return not self._taken or bool(self.capacity.most // (self._total + share(job, self.capacity, self.team)))

    def take(self, job: Job) -> None:
        """``job`` starts."""
        self._taken[job.key] = share(job, self.capacity, self.team)
        self._add_up()

    def free(self, job: Job) -> None:
        """``job`` has ended."""
        self._taken.pop(job.key, None)
        self._add_up()

    def _add_up(self) -> None:
        """Anew each time, so that no rounding is left when all have ended."""
        self._total = sum(self._taken.values(), Share(0.0, 0.0))

    def wanted(self, job: Job) -> str:
        """What ``job`` waits for while it waits, in words."""
        if together(job, self.team):
            return f"{self.team.workers} workers of {worker(self.capacity, self.team)}"
        return str(of_trial(job, self.capacity, self.team))
