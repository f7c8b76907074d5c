"""The screen: what came out, what runs and how long it will take, on a terminal and in a log."""

import io
import os
import pty
import re
import sys
import time
from dataclasses import replace

import pytest

from mi_ray.experiments.declare import (
    CDP,
    Embedding,
    Estimation,
    Labelled,
    LinearEvaluation,
    Noise,
    SameClass,
    SimCLR,
    Training,
)
from mi_ray.experiments.plan.cost import job_work
from mi_ray.experiments.plan.plan import Plan, build
from mi_ray.experiments.plan.queue import Queue
from mi_ray.experiments.plan.sheets import Sheet
from mi_ray.experiments.plan.study import Matrix, Study
from mi_ray.experiments.results.statement import LEGEND, SEVERAL
from mi_ray.experiments.store.files import write_json
from mi_ray.experiments.store.store import Store
from mi_ray.running.clock import Accounting, Forecast, roughly, to_go
from mi_ray.running.panels import Panel, aligned, certificates, panels
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
    matrix=Matrix(row="task", column="pairing", panels={"evaluation": "linear_accuracy", "estimation": "nominal_bits"}),
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
    assert rehearsal.screen.failures == {job.key: ("training pairing=all", "Diverged: loss is nan at step 7")}


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
    assert (first.heading, second.heading) == ("linear accuracy", "post-training estimate, bits")
    assert first.sheet.rows == first.sheet.columns == second.sheet.rows == TASKS
    assert panels(STUDY, plan_of().only("training *")) == []


@pytest.mark.parametrize(
    ("value", "heading"),
    [("linear_accuracy", "linear accuracy"), ("loss_nats", "loss nats"), ("ceiling_bits", "ceiling, bits")],
)
def test_a_heading_names_the_value_and_its_unit(value, heading):
    assert Panel(value, Sheet("", (), (), {})).heading == heading
    assert Panel(value, Sheet("k_tr=8", (), (), {})).heading == f"{heading}; k_tr=8"


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
    assert rehearsal.row(panel=1) == ["1.93–2.00 ✓", "·"]


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


HEADING = (
    "post-training estimate, bits (nominal unless a bracket is shown, ± standard error); rows: task, columns: pairing"
)


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
        HEADING,
        "",
        "       color        all",
        "color  1.93–2.00 ✓  1.93–2.00 ✓",
        "digit  1.93–2.00 ✓  1.93–2.00 ✓",
        "",
        LEGEND,
        "",
        "store:   /tmp/store",
        "open it: mlflow ui",
    ]


WHY = "the true value is between 0.40 and 2.00 bits: 1.60 bits wide, 0.1 allowed"
DOUBTED = {"certified": False, "not_certified": WHY, "lower_bits": 0.4}


def test_the_summary_marks_what_is_certified_and_says_of_every_other_cell_why_not(store):
    rehearsal = Rehearsal(store, **SMALL)
    for job in rehearsal.jobs:
        place = {"pairing": "color", "task": "digit"}.items()
        rehearsal.run(job, **(DOUBTED if place <= job.cells[0].parameters.items() else {}))
    before = len(rehearsal.lines)
    rehearsal.screen.summary([("store", "here")])
    assert rehearsal.lines[before + 7 : -1] == [
        HEADING,
        "",
        "       color        all",
        "color  1.93–2.00 ✓  1.93–2.00 ✓",
        "digit  1.98 ± 0.03  1.93–2.00 ✓",
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
    assert certificates(accuracy, rehearsal.screen._results) == ""


def test_an_accuracy_on_images_that_the_probe_saw_says_so(store):
    touched = "test images are not untouched: 1 in train (test/red/a.png = train/red/b.png)"
    rehearsal = Rehearsal(store, pairing=("color",), task=("color", "digit"))
    rehearsal.run_all()
    accuracy, _ = rehearsal.screen._panels
    (digit,) = [cell for cell in accuracy.cells if cell.parameters["task"] == "digit"]
    told = certificates(accuracy, rehearsal.screen._results | {digit.key: {"note": touched}}).splitlines()
    assert told == ["note:", f"  task=digit  {touched}"]


def test_seeds_are_certified_together_or_not_at_all(store):
    rehearsal = Rehearsal(store, seed=(0, 1), pairing=("color",), task=("color", "digit"))
    for job in rehearsal.jobs:
        doubted = {"seed": "1", "task": "digit"}.items() <= job.cells[0].parameters.items()
        rehearsal.run(job, **(DOUBTED if doubted else {}))
    estimate = rehearsal.screen._panels[1]
    grid = rehearsal.screen._grid(estimate, {}, final=True)
    assert grid == [["", "color"], ["color", "1.93–2.00 ✓"], ["digit", "1.98"]]
    told = certificates(estimate, rehearsal.screen._results).splitlines()
    assert told[:2] == [LEGEND + SEVERAL, "not certified:"] and told[2:] == [f"  task=digit seed=1  {WHY}"]


def test_all_reasons_are_told(store):
    rehearsal = Rehearsal(store, pairing=("color",), task=("color",))
    for job in rehearsal.jobs:
        rehearsal.run(job, certified=False, not_certified=f"a leak; {WHY}; and so on")
    told = certificates(rehearsal.screen._panels[1], rehearsal.screen._results).splitlines()
    assert told == ["not certified:", f"  estimation  a leak; {WHY}; and so on"]


def test_the_legend_stands_only_where_an_entry_has_the_tick(store):
    """Two seeds of one entry, one certified: the entry has no tick, so nothing is said of ticks."""
    rehearsal = Rehearsal(store, seed=(0, 1), pairing=("color",), task=("color",))
    for job in rehearsal.jobs:
        rehearsal.run(job, **(DOUBTED if job.cells[0].parameters["seed"] == "1" else {}))
    told = certificates(rehearsal.screen._panels[1], rehearsal.screen._results)
    assert "✓" not in told and told.splitlines() == ["not certified:", f"  seed=1  {WHY}"]


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ({"nominal_bits": 1.40}, "1.93–2.00 ✓, nominal 1.40 below"),
        ({"nominal_bits": 2.31}, "1.93–2.00 ✓, nominal 2.31 above"),
        ({"nominal_bits": 2.0003}, "1.93–2.00 ✓, nominal 2.0003 above"),
        ({"nominal_bits": 1.40} | {"certified": False, "not_certified": "a leak"}, "1.40 ± 0.03, below 1.93–2.00"),
    ],
)
def test_a_nominal_value_outside_its_bracket_says_so_and_has_no_tick_of_its_own(store, told, shown):
    rehearsal = Rehearsal(store, pairing=("color",), task=("color",))
    for job in rehearsal.jobs:
        rehearsal.run(job, **told)
    assert rehearsal.screen._grid(rehearsal.screen._panels[1], {}, final=True)[1] == ["color", shown]
    said = shown.replace(" ± 0.03", "")
    assert any(re.search(f"done    estimation .*estimate, bits: {re.escape(said)} ", line) for line in rehearsal.lines)


def test_a_value_that_no_bracket_is_about_has_no_tick_and_no_legend(store):
    searching = replace(STUDY, matrix=replace(STUDY.matrix, panels={"estimation": "validation_bits"}))
    rehearsal = Rehearsal(store, study=searching, pairing=("color",), task=("color",))
    for job in rehearsal.jobs:
        rehearsal.run(job, validation_bits=1.25)
    rehearsal.screen.summary([])
    assert "color  1.25" in rehearsal.stream.getvalue() and "✓" not in rehearsal.stream.getvalue()


# Only replicates share an entry


def axes_of(rehearsal):
    return [(panel.heading, panel.sheet.rows, panel.depth) for panel in rehearsal.screen._panels]


def test_an_axis_under_study_makes_panels_and_not_a_mean(store):
    wide = replace(STUDY, trial=trial_over)
    rehearsal = Rehearsal(store, study=wide, k_tr=(8, 32), seed=(0, 1), **SMALL)
    assert axes_of(rehearsal) == [
        ("linear accuracy; k_tr=8", ("color", "digit"), 2),
        ("linear accuracy; k_tr=32", ("color", "digit"), 2),
        ("post-training estimate, bits; k_tr=8", ("color", "digit"), 2),
        ("post-training estimate, bits; k_tr=32", ("color", "digit"), 2),
    ]
    for job in rehearsal.jobs:
        rehearsal.run(job, **({"linear_accuracy": 0.5} if job.cells[0].parameters["k_tr"] == "8" else {}))
    assert [rehearsal.row(panel) for panel in (0, 1)] == [["0.50", "0.50"], ["0.91", "0.91"]]


def test_two_folders_and_two_encoders_are_panels_too(store):
    wide = replace(STUDY, trial=trial_over)
    rehearsal = Rehearsal(store, study=wide, digits=("/a", "/b"), arch=("test_resnet", "resnet10t"), **SMALL)
    assert [heading for heading, *_ in axes_of(rehearsal)[:4]] == [
        f"linear accuracy; arch={arch}, digits={folder}"
        for folder in ("/a", "/b")
        for arch in ("test_resnet", "resnet10t")
    ]


def test_settings_that_rows_do_not_share_make_rows_of_their_own(store):
    """As in a search, whose candidates differ in all strengths at once: a panel each would be a panel of one row."""
    plan = plan_of(study=replace(STUDY, trial=trial_over), **SMALL)
    other = plan_of(study=replace(STUDY, trial=trial_over), k_tr=(8,), pairing=("color", "all"), task=("color",))
    both = Plan({**plan.cells, **other.cells})
    (accuracy, _) = panels(STUDY, both)
    assert accuracy.sheet.rows == ("color, k_tr=64", "digit, k_tr=64", "color, k_tr=8") and accuracy.depth == 1


# What is counted


def test_only_cells_that_jobs_here_committed_are_counted_as_computed(store):
    before = Rehearsal(store, pairing=("color",), task=("color",))
    before.run(before.job("training"))
    rehearsal = Rehearsal(store, pairing=("color",), task=("color",))
    assert rehearsal.screen.committed == set()
    rehearsal.run(rehearsal.job("embedding"))
    rehearsal.start(rehearsal.job("estimation"))
    rehearsal.screen.failed(rehearsal.job("estimation"), "gone")
    rehearsal.screen.look_again()
    assert rehearsal.screen.committed == {rehearsal.job("embedding").cells[0].key}


def test_what_is_in_the_store_is_neither_blocked_nor_failed(store):
    """A training that was removed from a store which still holds what was asked of it."""
    before = Rehearsal(store, pairing=("color",), task=("color",))
    below = before.job("estimation").cells[0].key
    before.run(before.job("estimation"))
    rehearsal = Rehearsal(store, pairing=("color",), task=("color",))
    job = rehearsal.job("training")
    rehearsal.screen.failed(job, "gone")
    assert below not in rehearsal.screen._lost and rehearsal.screen._counts().startswith("1/4, 1 failed, 2 blocked")
    rehearsal.run(job)
    assert rehearsal.screen.failures == {} and rehearsal.screen._lost == {}


def test_failures_of_cells_that_are_named_alike_are_all_told(store):
    """Seeds of two sets of noise: their names differ, and so do their entries among the failures."""
    asked = [
        LinearEvaluation(embedding=Embedding(encoder=training), task="class")
        for seed in (0, 1)
        for training in [
            Training(
                data=Labelled(name="digits", negatives=Noise(seed=seed)),
                pairing=SimCLR(),
                arch="test_resnet",
                views=512,
            )
        ]
    ]
    plan = build(asked, lambda data: f"{data.negatives.seed}" * 64)
    screen = Screen(STUDY, plan, store, slots=1, stream=io.StringIO(), clock=Clock())
    for job in plan.missing_jobs(store):
        if job.kind == "training":
            screen.failed(job, "gone")
    assert [name for name, _ in screen.failures.values()] == [
        "training negatives_seed=0", "training negatives_seed=1"
    ]  # fmt: skip


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
