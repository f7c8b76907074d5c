"""Table X from the record: differences to own are paired by seed, the verdict goes every way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from analysis import verdict as verdicts
from analysis.cells import MissingCells
from analysis.negatives.table import table
from analysis.negatives.verdict import verdict
from analysis.negatives_table import draw
from mi_ray.experiments.declare import data_of
from mi_ray.experiments.plan.plan import Cell, Plan, build
from sweeps.negatives import STUDY, names_of
from tests.committed import Result, result_of
from tests.made_up import mirrored_frame, mirrored_store

AS_PRINTED = {"own": 0.80, "apart": 0.80, "sibling": 0.82, "crops": 0.75, "noise": 0.70}
FILES = {"negatives-table.csv", "negatives-table.md", "verdict.json", "cells.csv"}


def plan_of(**axes: tuple[Any, ...]) -> Plan:
    return build(STUDY.questions(STUDY.grid("smoke", axes)), lambda data: f"{data}")


PLAN, SMALL = plan_of(seed=(0, 1, 2)), plan_of(seed=(0,))


def results(accuracies: Mapping[str, float]) -> Result:
    def result(cell: Cell) -> dict[str, Any]:
        if cell.kind != "evaluation":
            return result_of(cell)
        against, seed = names_of(data_of(cell.declaration))[1], int(cell.parameters["seed"])
        moved = 0.1 * seed + 0.001 * seed * list(AS_PRINTED).index(against)
        return {"linear_accuracy": accuracies[against] - moved, "linear_standard_error": 0.02}

    return result


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return mirrored_store(SMALL, STUDY, tmp_path_factory.mktemp("printed"), results(AS_PRINTED))


def test_a_row_has_accuracy_and_its_difference_to_own_within_seeds() -> None:
    tidy = table(PLAN, mirrored_frame(PLAN, results(AS_PRINTED))).set_index("negatives")
    assert list(tidy.index) == list(AS_PRINTED) and tidy.loc["own", "spread"] == pytest.approx(0.1)
    sibling = tidy.loc["sibling"]
    assert sibling["less_own_mean"] == pytest.approx(0.02 - 0.002) and sibling["less_own_seeds"] == 3
    assert 0 < sibling["less_own_low"] < sibling["less_own_high"] < 0.03
    assert sibling["less_apart_mean"] == pytest.approx(0.02 - 0.001)
    assert tidy.loc["own", "less_own_mean"] == 0


@pytest.mark.parametrize(
    ("accuracies", "holds"),
    [
        (AS_PRINTED, True),
        (AS_PRINTED | {"sibling": 0.7}, False),
        (AS_PRINTED | {"noise": 0.9}, False),
        (AS_PRINTED | {"sibling": 0.806}, None),
        (AS_PRINTED | {"sibling": 0.802}, False),
    ],
)
def test_the_verdict_follows_the_table(accuracies: dict[str, float], holds: bool | None) -> None:
    given = verdict(table(PLAN, mirrored_frame(PLAN, results(accuracies))))
    assert given.holds is holds and "Control: " in given.sentence
    assert [name for name in given.numbers if "sibling" in name] == [
        "digits-5A, resnet10t, sibling less own, points",
        "digits-5A, resnet10t, sibling less apart, points",
    ]


def test_all_is_written_from_the_record_and_one_seed_says_what_its_interval_is(uri: str, tmp_path: Path) -> None:
    assert {path.name for path in draw(SMALL, uri, tmp_path)} == FILES
    assert "normal over test images, one seed" in (tmp_path / "negatives-table.md").read_text()
    assert verdicts.read(tmp_path).holds is None


def test_missing_cells_are_named_or_printed_as_a_dash(uri: str, tmp_path: Path) -> None:
    with pytest.raises(MissingCells, match="seed=3"):
        draw(plan_of(seed=(0, 3)), uri, tmp_path)
    draw(plan_of(seed=(3,)), uri, tmp_path, partial=True)
    assert verdicts.read(tmp_path).holds is None and "5 of 5 cells" in verdicts.read(tmp_path).sentence
    assert "| uniform noise | \N{EN DASH} |" in (tmp_path / "negatives-table.md").read_text()


@pytest.mark.parametrize("negatives", [("sibling", "noise"), ("own", "sibling", "apart")])
def test_axes_without_own_or_others_leave_the_verdict_open(negatives: tuple[str, ...]) -> None:
    plan = plan_of(negatives=negatives)
    given = verdict(table(plan, mirrored_frame(plan, results(AS_PRINTED))))
    assert given.holds is None and "leave out" in given.sentence
