"""Table III from the record: rows are the store's, differences are paired by seed, the verdict goes every way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis import verdict as verdicts
from analysis.cells import MissingCells
from analysis.objectives.printed import printed
from analysis.objectives.table import ACCURACY, ESTIMATE, differences, table
from analysis.objectives.verdict import verdict
from analysis.objectives_table import draw
from mi_ray.experiments.declare import training_of
from mi_ray.experiments.plan.plan import Cell, Plan, build
from sweeps.objectives import OBJECTIVES, STUDY, objective_of
from tests.committed import Result, estimate, result_of
from tests.made_up import mirrored_frame, mirrored_store

AS_PRINTED = {"simclr": 0.60, "class": 0.80, "augmented": 0.85, "supcon": 0.90}
FILES = {"objectives-table.csv", "objectives-differences.csv", "objectives-table.md", "verdict.json", "cells.csv"}


def plan_of(**axes: tuple[Any, ...]) -> Plan:
    return build(STUDY.questions(STUDY.grid("smoke", axes)), lambda data: "d" * 64)


PLAN, SMALL = plan_of(seed=(0, 1, 2)), plan_of(seed=(0,))


def accuracy(cell: Cell, accuracies: Mapping[str, float]) -> float:
    training = training_of(cell.declaration)
    slope = OBJECTIVES.index(objective_of(training))
    return accuracies[objective_of(training)] + 0.001 * slope * training.seed


def results(accuracies: Mapping[str, float]) -> Result:
    def result(cell: Cell) -> dict[str, Any]:
        if cell.kind == "evaluation":
            return {"linear_balanced_accuracy": accuracy(cell, accuracies), "linear_balanced_standard_error": 0.01}
        return estimate(accuracy(cell, accuracies), 6.0) if cell.kind == "estimation" else result_of(cell)

    return result


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return mirrored_store(SMALL, STUDY, tmp_path_factory.mktemp("printed"), results(AS_PRINTED))


@pytest.fixture(scope="module")
def mirrored() -> pd.DataFrame:
    return mirrored_frame(PLAN, results(AS_PRINTED))


def test_a_row_is_the_mean_over_seeds_with_its_spread(mirrored: pd.DataFrame) -> None:
    tidy = table(PLAN, mirrored).set_index(["quantity", "objective"])
    assert len(tidy) == 8 and set(tidy["data"]) == {"cdp-small"} and set(tidy["n_seeds"]) == {3}
    assert tidy.loc[(ACCURACY, "augmented"), "mean"] == pytest.approx(0.851)
    assert tidy.loc[(ACCURACY, "augmented"), "spread"] == pytest.approx(0.001)
    assert tidy.loc[(ESTIMATE, "supcon"), "mean"] == pytest.approx(6 * 0.903)
    assert set(tidy["class_entropy_bits"]) == {6.0} and tidy.loc[(ESTIMATE, "supcon"), "certified"]


def test_differences_are_paired_by_seed(mirrored: pd.DataFrame) -> None:
    compared = differences(PLAN, mirrored).set_index(["better", "worse"])
    spread, error = 0.002, 0.002 / 3**0.5
    assert compared.loc[("class", "simclr"), "mean"] == pytest.approx(0.2 + spread)
    assert compared.loc[("class", "simclr"), "high"] == pytest.approx(0.2 + spread + 4.3027 * error, abs=1e-6)
    assert compared["seeds"].tolist() == [3] * 4


@pytest.mark.parametrize(
    ("accuracies", "holds"),
    [
        (AS_PRINTED, True),
        (AS_PRINTED | {"supcon": 0.7}, False),
        (AS_PRINTED | {"augmented": 0.7}, False),
        (AS_PRINTED | {"simclr": 0.9}, False),
        (AS_PRINTED | {"supcon": 0.801, "augmented": 0.799}, None),
    ],
)
def test_the_verdict_follows_the_table(accuracies: dict[str, float], holds: bool | None) -> None:
    cells = mirrored_frame(PLAN, results(accuracies))
    given = verdict(table(PLAN, cells), differences(PLAN, cells))
    assert given.holds is holds and len(given.numbers) == 4 and "on CDP, small is " in given.sentence


def test_all_is_written_from_the_record(uri: str, tmp_path: Path) -> None:
    assert {path.name for path in draw(SMALL, uri, tmp_path)} == FILES
    text = (tmp_path / "objectives-table.md").read_text()
    assert "standard error over test images, one seed" in text and "| 60.0 ± 1.0 |" in text
    assert verdicts.read(tmp_path).holds is True


def test_missing_cells_are_named_or_printed_as_a_dash(uri: str, tmp_path: Path) -> None:
    with pytest.raises(MissingCells, match="seed=1"):
        draw(plan_of(seed=(0, 1)), uri, tmp_path)
    draw(plan_of(seed=(1,)), uri, tmp_path, partial=True)
    assert verdicts.read(tmp_path).holds is None and "8 of 8 cells" in verdicts.read(tmp_path).sentence
    assert "| \N{EN DASH} |" in (tmp_path / "objectives-table.md").read_text()


def test_axes_without_an_objective_leave_the_verdict_open(mirrored: pd.DataFrame) -> None:
    plan = plan_of(seed=(0, 1, 2), objective=("simclr", "class"))
    given = verdict(table(plan, mirrored), differences(plan, mirrored))
    assert given.holds is None and "leave out" in given.sentence


def test_a_second_setting_makes_rows_of_its_own() -> None:
    plan = plan_of(k_est=(512, 1024))
    cells = mirrored_frame(plan, results(AS_PRINTED))
    tidy, compared = table(plan, cells), differences(plan, cells)
    assert len(tidy[tidy["quantity"] == ESTIMATE]) == 8 and len(tidy[tidy["quantity"] == ACCURACY]) == 4
    assert [len(part.lines) for part in printed(tidy, compared)] == [1, 2, 4]


def test_class_folders_are_told_apart_by_root_and_side_and_have_the_entropy_that_was_counted() -> None:
    grid = STUDY.grid("smoke", {"seed": (0, 1), "data": ("folder",), "root": ("/a", "/b"), "side": (64, 224)})
    plan = build(STUDY.questions(grid), lambda data: f"{data.root}{data.side}")
    tidy = table(plan, cells := mirrored_frame(plan, results(AS_PRINTED)))
    estimates = tidy[tidy["quantity"] == ESTIMATE]
    assert len(estimates) == 4 * 4 and set(estimates["class_entropy_bits"]) == {6.0}
    titles = {line[0] for line in printed(tidy, differences(plan, cells))[0].lines}
    assert len(titles) == 4 and "class folders, resnet10t, side=64, root=/a" in titles


def test_a_missing_estimate_of_class_folders_is_printed_without_an_entropy() -> None:
    plan = plan_of(seed=(0,), data=("folder",))
    cells = mirrored_frame(plan, results(AS_PRINTED))
    part = printed(table(plan, cells[cells["kind"] != "estimation"]), differences(plan, cells))[1]
    assert [row[0] for row in part.lines] == ["class folders, resnet10t"]
