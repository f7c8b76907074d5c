"""The screen: a line for each event, a summary at the end, and the number of cells computed."""

import io
import re

from mi_ray.experiments.declare import (
    Embedding,
    Labelled,
    LinearEvaluation,
    Noise,
    SimCLR,
    Training,
)
from mi_ray.experiments.plan.plan import build
from mi_ray.experiments.results.statement import LEGEND
from mi_ray.running.screen import Screen
from tests.running.rehearsal import HEADING, SMALL, STUDY, Clock, Rehearsal


def test_a_finished_job_is_one_line_with_its_time_its_number_and_what_is_left(store):
    rehearsal = Rehearsal(store)
    rehearsal.run(rehearsal.job("training", pairing="color"), seconds=191)
    assert len(rehearsal.lines) == 2
    shown, left = r"in-training estimate, bits: 5.12", r"\[1/40, about .* to go\]"
    line = rf"\d\d:\d\d:\d\d  done    training pairing=color  in 191 s  {shown}   {left}"
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
    line = r"evaluation pairing=color task=color,digit.*  in 2.0 s  linear accuracy: 0.91, 0.91   \[4/12"
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
    rehearsal.screen.summary([("store", "/tmp/store"), ("verdict", "Holds."), ("open it", "mlflow ui")])
    assert rehearsal.lines[before:] == [
        "",
        "verdict: Holds.",
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
