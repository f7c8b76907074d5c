"""A screen that shows jobs whose results are given and whose time passes by a clock of the test's own."""

import io

from mi_ray.experiments.declare import (
    CDP,
    Embedding,
    Estimation,
    LinearEvaluation,
    SameClass,
    Training,
)
from mi_ray.experiments.declare.measures import ACCURACY, NOMINAL
from mi_ray.experiments.plan.cost import job_work
from mi_ray.experiments.plan.plan import build
from mi_ray.experiments.plan.study import Matrix, Study
from mi_ray.experiments.store.files import write_json
from mi_ray.running.screen import Screen

TASKS = ("color", "digit", "position", "all")


RESULTS = {
    "training": {"in_training_bits": 5.125},
    "embedding": {},
    "evaluation": {"linear_accuracy": 0.914, "linear_standard_error": 0.021},
    "estimation": {
        "nominal_bits": 1.975, "nominal_standard_error_bits": 0.031, "lower_bits": 1.93, "upper_bits": 2.0,
        "certified": True, "not_certified": "",
    },
}  # fmt: skip


def trial(*, pairing: str, task: str, seed: int = 0):
    training = Training(data=CDP(), pairing=SameClass(task=pairing), arch="test_resnet", seed=seed)
    frozen = Embedding(encoder=training)
    return LinearEvaluation(embedding=frozen, task=task), Estimation(
        embedding=frozen, steps=70, pairing=SameClass(task=task)
    )


def trial_over(
    *, pairing: str, task: str, seed: int = 0, k_tr: int = 64, arch: str = "test_resnet", digits: str = "/a"
):
    data = CDP(digits=digits)
    training = Training(data=data, pairing=SameClass(task=pairing), arch=arch, seed=seed, k_tr=k_tr)
    frozen = Embedding(encoder=training)
    asked = Estimation(embedding=frozen, steps=70, pairing=SameClass(task=task), seed=seed)
    return LinearEvaluation(embedding=frozen, task=task), asked


STUDY = Study(
    name="example",
    trial=trial,
    axes={"pairing": TASKS, "task": TASKS},
    presets={"laptop": {}},
    default_preset="laptop",
    matrix=Matrix(row="task", column="pairing", panels={"evaluation": ACCURACY, "estimation": NOMINAL}),
)


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def plan_of(study=STUDY, **axes):
    """Images are told apart by their folder."""
    return build(study.questions(study.grid("laptop", axes)), lambda data: data.digits[-1] * 64)


SMALL = {"pairing": ("color", "all"), "task": ("color", "digit")}


class Rehearsal:
    """A screen told of jobs whose numbers are given and whose time passes by the clock alone."""

    def __init__(self, store, *, study=STUDY, slots=1, stream=None, **axes):
        self.clock, self.store, self.stream = Clock(), store, stream or io.StringIO()
        self.plan = plan_of(study, **axes)
        self.jobs = self.plan.missing_jobs(store)
        self.screen = Screen(study, self.plan, store, slots=slots, stream=self.stream, clock=self.clock)
        self.attempts = {}

    def job(self, kind, **parameters):
        return next(j for j in self.jobs if j.kind == kind and parameters.items() <= j.cells[0].parameters.items())

    def start(self, job):
        self.attempts[job.key] = [self.store.attempt(cell.key) for cell in job.cells]
        self.screen.started(job)

    def progress(self, job, share):
        (self.attempts[job.key][0].path / "progress").write_text(f"{share:.4f}")

    def commit(self, job, seconds, **changed):
        for attempt in self.attempts.pop(job.key):
            write_json(attempt.payload / "result.json", RESULTS[job.kind] | changed)
            share = 1 / len(job.cells)
            attempt.publish({"kind": job.kind, "work": job_work(job) * share, "seconds": seconds * share})
        self.screen.finished(job)

    def run(self, job, seconds=2.0, **changed):
        self.start(job)
        self.clock.now += seconds
        self.commit(job, seconds, **changed)

    def run_all(self):
        for job in self.jobs:
            self.run(job)

    @property
    def lines(self):
        return self.stream.getvalue().splitlines()

    def row(self, panel=0, row=0):
        """One row of a matrix as it stands."""
        progress = self.screen._progress()
        shares = {cell.key: progress[job.key][0] for job, _ in self.screen._running.values() for cell in job.cells}
        return self.screen._grid(self.screen._panels[panel], shares)[row + 1][1:]


HEADING = (
    "post-training estimate, bits (nominal unless a bracket is shown, ± standard error); rows: task, columns: pairing"
)
