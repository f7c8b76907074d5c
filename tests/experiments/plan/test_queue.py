"""The queue: each job once, never before its upstream, and a failure costs exactly what rests on it."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from mi_ray.experiments.declare import CDP, Embedding, Estimation, LinearEvaluation, SameClass, Training
from mi_ray.experiments.plan.plan import build
from mi_ray.experiments.plan.queue import Queue
from mi_ray.experiments.store.files import write_json
from mi_ray.experiments.store.store import Store

TASKS = ("color", "digit", "position", "all")
some_tasks = st.lists(st.sampled_from(TASKS), min_size=1, unique=True)


def plan_of(pairings, tasks, steps=400):
    frozen = [
        Embedding(encoder=Training(data=CDP(), pairing=SameClass(task=pairing), arch="test_resnet"))
        for pairing in pairings
    ]
    evaluations = [LinearEvaluation(embedding=h, task=task) for h in frozen for task in tasks]
    estimations = [Estimation(embedding=h, pairing=SameClass(task=task), steps=steps) for h in frozen for task in tasks]
    return build([*evaluations, *estimations], lambda data: "0" * 64)


def commit(store, cells):
    for cell in cells:
        attempt = store.attempt(cell.key)
        write_json(attempt.payload / "result.json", {})
        attempt.publish({})


class Run:
    """A simulated run: `slots` jobs side by side; which of them ends next, and how, is drawn."""

    def __init__(self, plan, store, slots, data):
        self.plan, self.store, self.slots, self.data = plan, store, slots, data
        self.jobs = plan.missing_jobs(store)
        self.queue = Queue(self.jobs, store, slots=slots)
        self.running, self.taken, self.blocked = [], [], []

    def to_the_end(self, may_fail=False):
        while True:
            self._fill()
            if not self.running:
                return self
            self._end(self.running.pop(self.data.draw(st.integers(0, len(self.running) - 1))), may_fail)

    def _fill(self):
        while len(self.running) < self.slots and (job := self.queue.take()) is not None:
            assert job.needs is None or self.store.has(job.needs)
            self.running.append(job)
            self.taken.append(job.key)

    def _end(self, job, may_fail):
        if may_fail and self.data.draw(st.booleans()):
            self._fail(job)
        else:
            commit(self.store, job.cells)
            self.queue.done(job)

    def _fail(self, job):
        below = {cell.key for lost in job.cells for cell in self.plan.downstream(lost.key)}
        blocked = self.queue.fail(job)
        assert {cell.key for other in blocked for cell in other.cells} == below
        self.blocked += [other.key for other in blocked]


@settings(max_examples=25, deadline=None)
@given(pairings=some_tasks, tasks=some_tasks, slots=st.integers(1, 4), data=st.data())
def test_each_job_is_taken_exactly_once_and_never_before_its_upstream(pairings, tasks, slots, data):
    with TemporaryDirectory() as folder:
        run = Run(plan_of(pairings, tasks), prepared(folder), slots, data).to_the_end()
        assert sorted(run.taken) == sorted(job.key for job in run.jobs)
        assert run.queue.empty and run.plan.missing_jobs(run.store) == []


@settings(max_examples=25, deadline=None)
@given(pairings=some_tasks, tasks=some_tasks, slots=st.integers(1, 4), data=st.data())
def test_a_failed_job_blocks_exactly_what_is_below_it(pairings, tasks, slots, data):
    with TemporaryDirectory() as folder:
        run = Run(plan_of(pairings, tasks), prepared(folder), slots, data).to_the_end(may_fail=True)
        assert sorted(run.taken + run.blocked) == sorted(job.key for job in run.jobs)
        assert run.queue.empty


def prepared(folder):
    store = Store(Path(folder))
    store.prepare()
    return store


def test_while_all_upstream_is_running_nothing_may_start(tmp_path):
    store = prepared(tmp_path)
    queue = Queue(plan_of(["color"], ["color"]).missing_jobs(store), store, slots=2)
    assert queue.take().kind == "training"
    assert queue.take() is None and not queue.empty


def test_what_is_committed_already_is_no_job_and_its_downstream_starts_at_once(tmp_path):
    store, plan = prepared(tmp_path), plan_of(["color"], ["color"])
    commit(store, [cell for cell in plan.cells.values() if cell.kind in ("training", "embedding")])
    queue = Queue(plan.missing_jobs(store), store, slots=2)
    assert {queue.take().kind, queue.take().kind} == {"evaluation", "estimation"}


def test_only_a_job_that_fits_is_taken(tmp_path):
    store = prepared(tmp_path)
    queue = Queue(plan_of(["color", "all"], ["color"]).missing_jobs(store), store, slots=2)
    assert queue.take(lambda job: job.kind == "embedding") is None
    assert queue.take(lambda job: job.kind == "training").kind == "training"


def test_a_study_of_many_encoders_asks_the_first_before_the_last_is_trained(tmp_path):
    store = prepared(tmp_path)
    queue = Queue(plan_of(TASKS, ["color"]).missing_jobs(store), store, slots=2)
    order = []
    while (job := queue.take()) is not None:
        commit(store, job.cells)
        queue.done(job)
        order.append(job.kind)
    last_training = max(index for index, kind in enumerate(order) if kind == "training")
    assert order.index("estimation") < last_training
