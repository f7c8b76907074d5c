"""A verdict is read back as it was written; that of Figs. 6 and 7 follows from the tables alone."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf, nan
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.infomin_grid.figure import draw_heatmap
from analysis.infomin_grid.table import ACCURACY, ESTIMATE, Heatmap, table
from analysis.infomin_grid.verdict import verdict as infomin_verdict
from analysis.verdict import FILE, UNMEASURED, Verdict, lacking, read, undecided, write
from mi_ray.experiments.declare.checks import Refused
from mi_ray.theory.tasks import Task
from tests.committed import plan_of

GIVEN = Verdict("a study", "a claim", True, "a sentence", {"lowest": 1.5, "certified": "3 of 4"})
PAIRINGS = ("color", "digit", "position", "all")
PLAN = plan_of(pairing=PAIRINGS, task=PAIRINGS)
Tables = dict[Heatmap, pd.DataFrame]


@pytest.mark.parametrize("holds", [True, False, None])
def test_a_verdict_is_read_back_as_it_was_written(tmp_path: Path, holds: bool | None) -> None:
    given = replace(GIVEN, holds=holds)
    assert write(given, tmp_path) == tmp_path / FILE
    assert read(tmp_path) == given and list(read(tmp_path).numbers) == list(given.numbers)


def test_numbers_of_numpy_are_kept_and_those_not_measured_are_words(tmp_path: Path) -> None:
    numbers = {"a": np.float32(0.5), "b": np.int64(3), "c": nan, "d": inf, "e": 7}
    write(Verdict("s", "c", np.bool_(False), "s", numbers), tmp_path)
    assert read(tmp_path).numbers == {"a": 0.5, "b": 3.0, "c": UNMEASURED, "d": UNMEASURED, "e": 7}
    assert read(tmp_path).holds is False


def test_no_verdict_is_a_file_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path)


@pytest.mark.parametrize(
    "change", [{"holds": "yes"}, {"holds": 2}, {"claim": 3}, {"numbers": [1]}, {"more": 1}, {"numbers": {"a": [1]}}]
)
def test_what_is_no_verdict_is_refused_in_one_line(tmp_path: Path, change: dict[str, object]) -> None:
    write(GIVEN, tmp_path)
    (tmp_path / FILE).write_text(json.dumps(json.loads((tmp_path / FILE).read_text()) | change))
    if change == {"numbers": {"a": [1]}}:
        assert read(tmp_path).numbers == {"a": "[1]"}
        return
    with pytest.raises(Refused, match=FILE) as refusal:
        read(tmp_path)
    assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "\x00"])
def test_what_is_not_even_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(Refused, match=FILE):
        read(tmp_path)


def test_a_verdict_that_cannot_be_given_says_why() -> None:
    given = undecided("s", "c", "2 of 4 cells are missing")
    assert (given.holds, given.sentence) == (None, "Cannot be judged: 2 of 4 cells are missing.")


def measured(low: float = 0.9, spread: float = 0.001, **at: float) -> Tables:
    """Tables in which every share is ``low``, but for those at ``task_pairing``."""
    rows = []
    for cell in PLAN.cells.values():
        if cell.kind in ("evaluation", "estimation"):
            place = f"{cell.parameters['task']}_{cell.parameters['pairing']}"
            rows.append({"key": cell.key, "kind": cell.kind, **_values(cell.parameters["task"], at.get(place, low))})
    mirrored = pd.DataFrame(rows).assign(linear_balanced_standard_error=spread, nominal_standard_error_bits=spread)
    return {heatmap: table(heatmap, PLAN, mirrored) for heatmap in (ACCURACY, ESTIMATE)}


def _values(name: str, share: float) -> dict[str, object]:
    task = Task(name)
    chance = 1 / task.n_classes
    accuracy, bits = chance + share * (1 - chance), share * task.entropy_bits
    return {
        ACCURACY.measure.name: accuracy,
        ESTIMATE.measure.name: bits,
        "certified": share > 0.85,
        "not_certified": "",
    }


def test_the_claim_holds_where_all_that_should_be_is_high() -> None:
    given = infomin_verdict(measured(color_digit=0.1, digit_color=0.0))
    assert (
        given.holds is True and "as the paper says: accuracy of color after pairing color is 90.0 %" in given.sentence
    )
    assert given.numbers["lowest share, estimate, task position"] == pytest.approx(0.9)
    assert given.numbers["estimates certified"] == "14 of 16"
    assert given.numbers["most lost to pairing all, accuracy"] == pytest.approx(0)


@pytest.mark.parametrize("place", ["digit_digit", "digit_all", "position_color"])
def test_the_claim_fails_by_the_name_of_what_is_low(place: str) -> None:
    given = infomin_verdict(measured(**{place: 0.31}))
    task, pairing = place.split("_")
    assert given.holds is False
    assert f"accuracy of {task} after pairing {pairing} is 31.0 %" in given.sentence
    assert f"estimate of {task} after pairing {pairing} is 31.0 %" in given.sentence


def test_what_irrelevant_information_costs_is_told() -> None:
    assert infomin_verdict(measured(digit_all=0.5)).numbers["most lost to pairing all, estimate"] == pytest.approx(0.4)


def test_a_share_within_its_spread_of_the_line_cannot_be_judged() -> None:
    given = infomin_verdict(measured(digit_digit=0.801, spread=0.05))
    assert given.holds is None and "digit after pairing digit is 80.1 %" in given.sentence
    assert "above 80 is claimed; on its limit)" in given.sentence or "would decide it)" in given.sentence


def test_pairing_all_may_lose_a_little_of_a_task_and_no_more() -> None:
    assert infomin_verdict(measured(0.99, digit_all=0.98)).holds is True
    given = infomin_verdict(measured(0.99, digit_all=0.85))
    assert (
        given.holds is False
        and "accuracy of digit after pairing all less after digit is -10.5 points" in given.sentence
    )
    assert infomin_verdict(measured(0.99, digit_all=0.95, spread=0.01)).holds is None


def test_missing_cells_cannot_be_judged_and_are_counted() -> None:
    tables = measured()
    tables[ESTIMATE].loc[[0, 3], ["value", "spread", "n_seeds"]] = (nan, nan, 0)
    given = infomin_verdict(tables)
    assert (given.holds, given.sentence) == (None, "Cannot be judged: 2 of 32 cells are missing.")
    assert lacking(*measured().values()) == ""


def test_axes_that_leave_out_a_part_cannot_be_judged() -> None:
    tables = measured()
    without = {heatmap: tidy[tidy["pairing"] != "all"].reset_index(drop=True) for heatmap, tidy in tables.items()}
    for part in (without, {ACCURACY: tables[ACCURACY]}, {}):
        given = infomin_verdict(part)
        assert given.holds is None and "leave out" in given.sentence


def test_redrawn_questions_are_shown_but_not_judged() -> None:
    tables = measured()
    redrawn = tables[ESTIMATE].assign(task=tables[ESTIMATE]["task"] + "~0.5", value=0.0)
    tables[ESTIMATE] = pd.concat([tables[ESTIMATE], redrawn], ignore_index=True)
    assert infomin_verdict(tables) == infomin_verdict(measured())
    plan = plan_of(redraw=(0.0, 0.5))
    tidy = table(ESTIMATE, plan, pd.DataFrame(columns=["key", "kind"]))
    assert dict(zip(tidy["task"], tidy["class_entropy_bits"], strict=True))["color~0.5"] == 2
    assert len(draw_heatmap(ESTIMATE, tidy).axes[0].get_yticks()) == 4
