"""The screen: what came out, what runs and how long it will take, on a terminal and in a log."""

import io
import os
import pty
import re
import sys
import time

import pytest

from mi_ray.accounting import Accounting, Forecast, roughly, to_go
from mi_ray.experiments.cells import Store
from mi_ray.experiments.cost import job_work
from mi_ray.experiments.declare import CDP, Embedding, Estimation, LinearEvaluation, SameClass, Training
from mi_ray.experiments.files import write_json
from mi_ray.experiments.plan import build
from mi_ray.experiments.queue import Queue
from mi_ray.experiments.study import Matrix, Study
from mi_ray.matrices import LEGEND, Panel, aligned, certificates, panels
from mi_ray.screen import Screen

TASKS = ("color", "digit", "position", "all")
RESULTS = {
    "training": {"in_training_bits": 5.125},
    "embedding": {},
    "evaluation": {"linear_accuracy": 0.914, "linear_standard_error": 0.021},
    "estimation": {"nominal_bits": 1.875, "nominal_standard_error_bits": 0.031, "certified": True, "not_certified": ""},
}


def trial(*, pairing: str, task: str, seed: int = 0):
    training = Training(data=CDP(), pairing=SameClass(task=pairing), arch="test_resnet", seed=seed)
    frozen = Embedding(encoder=training)
    return LinearEvaluation(embedding=frozen, task=task), Estimation(
        embedding=frozen, steps=70, pairing=SameClass(task=task)
    )


STUDY = Study(
    name="example",
    trial=trial,
    axes={"pairing": TASKS, "task": TASKS},
    presets={"laptop": {}},
    default_preset="laptop",
    matrix=Matrix(row="task", column="pairing", panels={"evaluation": "linear_accuracy", "estimation": "nominal_bits"}),
    analysis="none",
)


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    store.prepare()
    return store


def plan_of(**axes):
    return build(STUDY.questions(STUDY.grid("laptop", axes)), lambda data: "0" * 64)


SMALL = {"pairing": ("color", "all"), "task": ("color", "digit")}


class Rehearsal:
    """A screen told of jobs whose numbers are given and whose time passes by the clock alone."""

    def __init__(self, store, *, slots=1, stream=None, **axes):
        self.clock, self.store, self.stream = Clock(), store, stream or io.StringIO()
        self.plan = plan_of(**axes)
        self.jobs = self.plan.missing_jobs(store)
        self.screen = Screen(STUDY, self.plan, store, slots=slots, stream=self.stream, clock=self.clock)
        self.attempts = {}

    def job(self, kind, **parameters):
        return next(j for j in self.jobs if j.kind == kind and parameters.items() <= j.cells[0].parameters.items())

    def start(self, job):
        self.attempts[job.key] = [self.store.attempt(cell.key) for cell in job.cells]
        self.screen.started(job)

    def progress(self, job, share):
        (self.attempts[job.key][0].path / "progress").write_text(f"{share:.4f}")

    def commit(self, job, seconds, **told):
        for attempt in self.attempts.pop(job.key):
            write_json(attempt.payload / "result.json", RESULTS[job.kind] | told)
            share = 1 / len(job.cells)
            attempt.publish({"kind": job.kind, "work": job_work(job) * share, "seconds": seconds * share})
        self.screen.finished(job)

    def run(self, job, seconds=2.0, **told):
        self.start(job)
        self.clock.now += seconds
        self.commit(job, seconds, **told)

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


def test_a_finished_job_is_one_line_with_its_time_its_number_and_what_is_left(store):
    rehearsal = Rehearsal(store)
    rehearsal.run(rehearsal.job("training", pairing="color"), seconds=191)
    assert len(rehearsal.lines) == 2
    line = r"\d\d:\d\d:\d\d  done    training pairing=color  in 191 s  in_training_bits 5.12   \[1/40, about .* to go\]"
    assert re.fullmatch(line, rehearsal.lines[1])


def test_a_failed_job_is_one_line_with_its_reason_and_what_it_blocks(store):
    rehearsal = Rehearsal(store, **SMALL)
    job = rehearsal.job("training", pairing="all")
    rehearsal.start(job)
    rehearsal.screen.failed(job, "Diverged: loss is nan at step 7")
    assert (
        "failed  training pairing=all  Diverged: loss is nan at step 7   [0/12, 1 failed, 5 blocked"
        in (rehearsal.lines[-1])
    )
    assert rehearsal.screen.failures == {"training pairing=all": "Diverged: loss is nan at step 7"}


def test_progress_and_ticks_print_nothing(store):
    rehearsal = Rehearsal(store)
    job = rehearsal.job("training", pairing="color")
    rehearsal.start(job)
    for share in (0.1, 0.2, 0.3):
        rehearsal.progress(job, share)
        rehearsal.clock.now += 1
        rehearsal.screen.tick()
    assert len(rehearsal.lines) == 1


def test_the_evaluations_of_an_encoder_share_a_line(store):
    rehearsal = Rehearsal(store, **SMALL)
    for kind in ("training", "embedding", "evaluation"):
        rehearsal.run(rehearsal.job(kind, pairing="color"))
    line = r"evaluation pairing=color task=color,digit.*  in 2.0 s  linear_accuracy 0.91, 0.91   \[4/12"
    assert re.search(line, rehearsal.lines[-1])


def test_a_tick_never_raises_and_costs_little(store):
    rehearsal = Rehearsal(store)
    rehearsal.start(rehearsal.job("training"))
    rehearsal.clock = rehearsal.screen._forecast._clock = None
    rehearsal.screen.tick()


def test_a_stream_that_is_closed_does_not_stop_the_study(store):
    stream = io.StringIO()
    rehearsal = Rehearsal(store, stream=stream, **SMALL)
    stream.close()
    rehearsal.run(rehearsal.job("training"))
    rehearsal.screen.summary([("store", "here")])


def test_there_is_a_panel_per_kind_in_the_order_of_the_axes():
    first, second = panels(STUDY, plan_of())
    assert (first.heading, second.heading) == ("linear accuracy", "nominal estimate, bits")
    assert first.rows == first.columns == second.rows == TASKS
    assert panels(STUDY, plan_of().only("training *")) == []


@pytest.mark.parametrize(
    ("value", "heading"),
    [("linear_accuracy", "linear accuracy"), ("loss_nats", "loss nats"), ("ceiling_bits", "ceiling, bits")],
)
def test_a_heading_names_the_value_and_its_unit(value, heading):
    assert Panel(value, (), (), {}).heading == heading


def test_an_entry_goes_from_pending_over_running_to_its_value(store):
    rehearsal = Rehearsal(store, **SMALL)
    assert rehearsal.row(panel=1) == ["·", "·"]
    for kind in ("training", "embedding"):
        rehearsal.run(rehearsal.job(kind, pairing="color"))
    job = rehearsal.job("estimation", pairing="color", task="color")
    rehearsal.start(job)
    assert rehearsal.row(panel=1) == ["…", "·"]
    rehearsal.progress(job, 0.4)
    assert rehearsal.row(panel=1) == ["40%", "·"]
    rehearsal.commit(job, 2.0)
    assert rehearsal.row(panel=1) == ["1.88", "·"]


def test_a_failure_marks_its_entries_and_those_it_blocks(store):
    rehearsal = Rehearsal(store, **SMALL)
    rehearsal.screen.failed(rehearsal.job("training", pairing="all"), "gone")
    assert rehearsal.row(panel=0) == rehearsal.row(panel=1) == ["·", "blocked"]
    rehearsal.run(rehearsal.job("training", pairing="color"))
    rehearsal.run(rehearsal.job("embedding", pairing="color"))
    rehearsal.screen.failed(rehearsal.job("evaluation", pairing="color"), "gone")
    assert rehearsal.row(panel=0) == ["failed", "blocked"]


def test_seeds_that_share_an_entry_are_averaged_as_they_arrive(store):
    rehearsal = Rehearsal(store, seed=(0, 1), **SMALL)
    for seed, shown in (("0", "0.91 (1/2)"), ("1", "0.91")):
        for kind in ("training", "embedding", "evaluation"):
            rehearsal.run(rehearsal.job(kind, pairing="color", seed=seed))
        assert rehearsal.row() == [shown, "·"]


def test_what_an_earlier_run_committed_is_there_from_the_start(store):
    Rehearsal(store, **SMALL).run_all()
    again = Rehearsal(store, **SMALL)
    assert again.jobs == [] and again.row() == ["0.91", "0.91"]
    assert again.screen._counts() == "12/12"


def test_the_summary_is_aligned_tables_and_labelled_lines(store):
    rehearsal = Rehearsal(store, **SMALL)
    with rehearsal.screen:
        rehearsal.run_all()
    before = len(rehearsal.lines)
    rehearsal.screen.summary([("store", "/tmp/store"), ("open it", "mlflow ui")])
    assert rehearsal.lines[before:] == [
        "",
        "linear accuracy (± standard error); rows: task, columns: pairing",
        "",
        "       color        all",
        "color  0.91 ± 0.02  0.91 ± 0.02",
        "digit  0.91 ± 0.02  0.91 ± 0.02",
        "",
        "nominal estimate, bits (± standard error); rows: task, columns: pairing",
        "",
        "       color          all",
        "color  1.88 ± 0.03 ✓  1.88 ± 0.03 ✓",
        "digit  1.88 ± 0.03 ✓  1.88 ± 0.03 ✓",
        "",
        LEGEND,
        "",
        "store:   /tmp/store",
        "open it: mlflow ui",
    ]


WHY = "the true value is between 0.40 and 2.00 bits: 1.60 bits wide, 0.1 allowed"
DOUBTED = {"certified": False, "not_certified": WHY}


def test_the_summary_marks_what_is_certified_and_says_of_every_other_cell_why_not(store):
    rehearsal = Rehearsal(store, **SMALL)
    for job in rehearsal.jobs:
        place = {"pairing": "color", "task": "digit"}.items()
        rehearsal.run(job, **(DOUBTED if place <= job.cells[0].parameters.items() else {}))
    before = len(rehearsal.lines)
    rehearsal.screen.summary([("store", "here")])
    assert rehearsal.lines[before + 7 : -1] == [
        "nominal estimate, bits (± standard error); rows: task, columns: pairing",
        "",
        "       color          all",
        "color  1.88 ± 0.03 ✓  1.88 ± 0.03 ✓",
        "digit  1.88 ± 0.03    1.88 ± 0.03 ✓",
        "",
        LEGEND,
        "not certified:",
        f"  pairing=color task=digit  {WHY}",
        "",
    ]


def test_nothing_certified_needs_no_legend_and_no_certificates_no_words(store):
    rehearsal = Rehearsal(store, **SMALL)
    assert [certificates(panel, {}) for panel in rehearsal.screen._panels] == ["", ""]
    for job in rehearsal.jobs:
        rehearsal.run(job, **DOUBTED)
    accuracy, estimate = rehearsal.screen._panels
    told = certificates(estimate, rehearsal.screen._results).splitlines()
    assert told[0] == "not certified:" and len(told) == 1 + 4
    assert certificates(Panel("x", accuracy.rows, accuracy.columns, {}), rehearsal.screen._results) == ""


def test_seeds_are_certified_together_or_not_at_all(store):
    rehearsal = Rehearsal(store, seed=(0, 1), pairing=("color",), task=("color", "digit"))
    for job in rehearsal.jobs:
        doubted = {"seed": "1", "task": "digit"}.items() <= job.cells[0].parameters.items()
        rehearsal.run(job, **(DOUBTED if doubted else {}))
    estimate = rehearsal.screen._panels[1]
    assert rehearsal.screen._grid(estimate, {}, final=True) == [["", "color"], ["color", "1.88 ✓"], ["digit", "1.88"]]
    told = certificates(estimate, rehearsal.screen._results).splitlines()
    assert told[:2] == [LEGEND, "not certified:"] and told[2:] == [f"  task=digit seed=1  {WHY}"]


def test_of_several_reasons_the_first_is_told(store):
    rehearsal = Rehearsal(store, pairing=("color",), task=("color",))
    for job in rehearsal.jobs:
        rehearsal.run(job, certified=False, not_certified=f"a leak; {WHY}; and so on")
    told = certificates(rehearsal.screen._panels[1], rehearsal.screen._results).splitlines()
    assert told == ["not certified:", "  estimation  a leak; …"]


def test_columns_are_aligned():
    assert aligned([["", "a"], ["long", "b"]]) == "      a\nlong  b"


def simulate(rehearsal, slots, seconds_of):
    """Run everything on ``slots`` slots; yields (now, time to go as told, training done) after every job."""
    queue, running = Queue(rehearsal.jobs, rehearsal.store, slots=slots), {}
    while True:
        while len(running) < slots and (job := queue.take()) is not None:
            rehearsal.start(job)
            running[job.key] = job, rehearsal.clock.now + seconds_of(job)
        if not running:
            return
        job, end = min(running.values(), key=lambda entry: entry[1])
        del running[job.key]
        rehearsal.clock.now = end
        rehearsal.commit(job, seconds_of(job))
        queue.done(job)
        yield rehearsal.clock.now, rehearsal.screen._seconds_to_go(), job.kind


@pytest.mark.parametrize("slots", [1, 2, 3, 8])
@pytest.mark.parametrize("rate", [1e9, 7e10, 1e13], ids=["slow machine", "this machine", "fast machine"])
def test_once_a_training_is_done_the_time_to_go_is_within_half_of_the_truth(store, slots, rate):
    rehearsal = Rehearsal(store, slots=slots)
    off = {"training": 1.2, "embedding": 0.8, "estimation": 0.7, "evaluation": 1.5}
    told = list(simulate(rehearsal, slots, lambda job: off[job.kind] * job_work(job) / rate))
    first = next(index for index, (_, _, kind) in enumerate(told) if kind == "training")
    end = told[-1][0]
    for now, seconds, _ in told[first:-1]:
        assert seconds == pytest.approx(end - now, rel=0.5, abs=0.05 * (end - 1000))
    assert told[-1][1] is None


def test_before_a_training_is_done_its_progress_tells_its_rate(store):
    rehearsal = Rehearsal(store, pairing=("color",), task=("color",))
    job = rehearsal.job("training")
    rehearsal.start(job)
    for second in range(100):
        rehearsal.clock.now += 1
        rehearsal.progress(job, second / 1000)
        rehearsal.screen.tick()
    assert rehearsal.screen._seconds_to_go() == pytest.approx(900, rel=0.2)


def test_a_resumed_training_does_not_look_fast(store):
    rehearsal = Rehearsal(store, pairing=("color",), task=("color",))
    job = rehearsal.job("training")
    rehearsal.start(job)
    for second in range(100):
        rehearsal.clock.now += 1
        rehearsal.progress(job, 0.5 + second / 1000)
        rehearsal.screen.tick()
    assert rehearsal.screen._seconds_to_go() == pytest.approx(400, rel=0.3)


def test_the_time_to_go_is_never_below_the_longest_chain(store):
    jobs = plan_of(**SMALL).missing_jobs(store)
    forecast = Forecast(jobs, Clock())
    chain = [next(job for job in jobs if job.kind == kind) for kind in ("training", "embedding")]
    last = max(job_work(job) for job in jobs if job.needs == chain[1].key)
    longest = (sum(job_work(job) for job in chain) + last) / 7e10
    assert forecast.seconds([job.key for job in jobs], {}, slots=1000) == pytest.approx(longest)


def test_the_time_to_go_settles_on_a_new_forecast_rather_than_jumping(store):
    jobs, clock = plan_of(**SMALL).missing_jobs(store), Clock()
    forecast = Forecast(jobs, clock)
    everything = [job.key for job in jobs]
    before = forecast.seconds(everything, {}, slots=1)
    clock.now += 1
    after = forecast.seconds(everything, {}, slots=2)
    assert before / 2 < after < before - 1
    clock.now += 60
    assert forecast.seconds(everything, {}, slots=2) == pytest.approx(before / 2, rel=0.1)


def test_nothing_is_told_when_nothing_is_left(store):
    assert Forecast([], Clock()).seconds([], {}, slots=2) is None
    assert to_go(None) == ""


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(1, "5 s"), (42, "40 s"), (61, "1 min"), (170, "3 min"), (5390, "90 min"), (9000, "2.5 h"), (260_000, "3.0 days")],
)
def test_durations_are_told_roughly(seconds, told):
    assert roughly(seconds) == told


def test_orchestration_is_the_wall_without_the_busiest_slots_work(store):
    jobs, clock = plan_of(**SMALL).missing_jobs(store), Clock()
    accounting = Accounting(2, clock)
    one, two = (job for job in jobs if job.kind == "training")
    clock.now += 5
    accounting.started(one)
    accounting.started(two)
    clock.now += 100
    assert accounting.ended(two, worked=98.0) == 100
    clock.now += 20
    accounting.ended(one)
    assert accounting.report() == "orchestration 5 s of 125 s wall (busiest slot worked 120 s)"


def test_a_job_takes_the_slot_that_was_freed(store):
    jobs, clock = plan_of(**SMALL).missing_jobs(store), Clock()
    accounting = Accounting(2, clock)
    accounting.started(jobs[0])
    for job in jobs[1:4]:
        accounting.started(job)
        clock.now += 10
        accounting.ended(job)
    assert accounting.busiest_seconds == 30


@pytest.mark.parametrize(("late", "told"), [(30, "30 s before"), (-20, "20 s after")])
def test_the_account_tells_whether_estimation_overlapped_with_training(store, late, told):
    jobs, clock = plan_of(**SMALL).missing_jobs(store), Clock()
    accounting = Accounting(2, clock)
    training, estimation = (next(job for job in jobs if job.kind == kind) for kind in ("training", "estimation"))
    events = [(0, accounting.started, training), (50, accounting.ended, training)]
    for at, event, job in sorted([*events, (50 - late, accounting.started, estimation)], key=lambda event: event[0]):
        clock.now = 1000 + at
        event(job)
    assert f"first estimation began {told} the last training ended" in accounting.report()


def seen_on_a_terminal(store, *, without_rich=False):
    """What a terminal of 120 columns is sent while a training fails, without its colours."""
    child, terminal = pty.fork()
    if not child:
        os.environ.update(COLUMNS="120", TERM="xterm")
        sys.modules |= {"rich.live": None} if without_rich else {}
        os._exit(_rehearse_a_failure(store))
    sent = b""
    while chunk := _read(terminal):
        sent += chunk
    assert os.waitpid(child, 0)[1] == 0, sent.decode()
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", sent.decode()).replace("\r", "")


def _rehearse_a_failure(store):
    with os.fdopen(1, "w") as stream:
        rehearsal = Rehearsal(store, stream=stream, **SMALL)
        with rehearsal.screen:
            rehearsal.run(rehearsal.job("training", pairing="color"))
            rehearsal.start(rehearsal.job("embedding", pairing="color"))
            rehearsal.screen.failed(rehearsal.job("training", pairing="all"), "Diverged: [red]loss[/red]")
            time.sleep(1.5)
        rehearsal.screen.summary([("store", "here")])
    return 0


def _read(descriptor):
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


def test_a_terminal_shows_matrices_what_runs_and_failures(store):
    sent = seen_on_a_terminal(store)
    assert "failed  training pairing=all  Diverged: [red]loss[/red]" in sent
    assert "example   1/12, 1 failed, 5 blocked, about" in sent and "elapsed" in sent
    assert re.search(r"color +· +blocked", sent)
    assert "… embedding pairing=color  0:0" in sent
    assert sent.rstrip().endswith("store: here")


def test_without_rich_a_terminal_gets_plain_lines(store):
    sent = seen_on_a_terminal(store, without_rich=True)
    assert re.search(r"\d  done    training pairing=color  in 2.0 s  in_training_bits 5.12   \[1/12", sent)
