"""Certificates on the screen: ticks, legends, and every reason against a certificate."""

import re
from dataclasses import replace

import pytest

from mi_ray.experiments.results.statement import LEGEND, SEVERAL
from mi_ray.running.panels import certificates
from tests.running.rehearsal import HEADING, SMALL, STUDY, Rehearsal

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
    assert any(
        re.search(f"done    estimation .*post-training estimate, bits: {re.escape(said)} ", line)
        for line in rehearsal.lines
    )


def test_a_value_that_no_bracket_is_about_has_no_tick_and_no_legend(store):
    searching = replace(STUDY, matrix=replace(STUDY.matrix, panels={"estimation": "validation_bits"}))
    rehearsal = Rehearsal(store, study=searching, pairing=("color",), task=("color",))
    for job in rehearsal.jobs:
        rehearsal.run(job, validation_bits=1.25)
    rehearsal.screen.summary([])
    assert "color  1.25" in rehearsal.stream.getvalue() and "✓" not in rehearsal.stream.getvalue()
