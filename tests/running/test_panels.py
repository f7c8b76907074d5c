"""The matrices of a study: headings, entries from pending to a mean over seeds, one matrix per setting."""

from dataclasses import replace

import pytest

from mi_ray.experiments.declare.measures import measure_named
from mi_ray.experiments.plan.plan import Plan
from mi_ray.experiments.plan.sheets import Sheet
from mi_ray.running.panels import Panel, aligned, panels
from tests.running.rehearsal import SMALL, STUDY, TASKS, Rehearsal, plan_of, trial_over


def test_there_is_a_panel_per_kind_in_the_order_of_the_axes():
    first, second = panels(STUDY, plan_of())
    assert (first.heading, second.heading) == ("linear accuracy", "post-training estimate, bits")
    assert first.sheet.rows == first.sheet.columns == second.sheet.rows == TASKS
    assert panels(STUDY, plan_of().only("training *")) == []


@pytest.mark.parametrize(
    ("value", "heading"),
    [("linear_accuracy", "linear accuracy"), ("loss_nats", "loss, nats"), ("ceiling_bits", "ceiling, bits")],
)
def test_a_heading_names_the_value_and_its_unit(value, heading):
    assert Panel(measure_named(value), Sheet("", (), (), {})).heading == heading
    assert Panel(measure_named(value), Sheet("k_tr=8", (), (), {})).heading == f"{heading}; k_tr=8"


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


def test_columns_are_aligned():
    assert aligned([["", "a"], ["long", "b"]]) == "      a\nlong  b"
