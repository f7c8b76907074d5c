"""Tables IV and V from the record: rows are the store's, agreement is that of Table II, few encoders are said to be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis import verdict as verdicts
from analysis.agreement.columns import MEASURES, OTHERS
from analysis.agreement.csv_table import read
from analysis.agreement.ranking import ranked
from analysis.cells import MissingCells
from analysis.temperature.printed import HEADS
from analysis.temperature.table import rows
from analysis.temperature.verdict import verdict
from analysis.temperature_table import draw
from analysis.verdict import Verdict
from mi_ray.experiments.declare import training_of
from mi_ray.experiments.plan.plan import Cell, Plan, build
from sweeps.temperature import STUDY
from tests.committed import estimate, result_of
from tests.made_up import mirrored_frame, mirrored_store

TABLES = {"temperature-table.csv", "temperature-table.md", "encoders.csv", "verdict.json", "cells.csv"}
FIGURE = {f"measure-agreement.{suffix}" for suffix in ("csv", "png", "pdf")}
RANK = {("resnet10t", 0.1): 0, ("resnet10t", 0.2): 1, ("resnet10t", 0.5): 2}
RANK |= {("resnet18", 0.1): 3, ("resnet18", 0.2): 4, ("resnet18", 0.5): 5}
SHUFFLED = (0.3, 0.9, 0.2, 0.5, 0.8, 0.1)
WAYS = {"best": (1.0, 0.0), "worst": (-1.0, 1.0), "none": (0.0, 0.0)}
"""What I_class and tolerance follow of accuracy; both are `SHUFFLED` where they do not."""


def plan_of(**axes: tuple[Any, ...]) -> Plan:
    return build(STUDY.questions(STUDY.grid("smoke", axes)), lambda data: "d" * 64)


PLAN = plan_of()


def number(cell: Cell, follows: float) -> float:
    training = training_of(cell.declaration)
    rank = RANK[training.arch, training.temperature]
    return 0.5 + 0.08 * follows * (rank - 2.5) if follows else SHUFFLED[rank]


def made_up_result(cell: Cell, way: tuple[float, float]) -> dict[str, Any]:
    if cell.kind == "training":
        return result_of(cell) | {"loss_nats": 1 + number(cell, 0)}
    if cell.kind == "evaluation":
        return {"linear_balanced_accuracy": number(cell, 1), "linear_balanced_standard_error": 0.01}
    if cell.kind == "geometry":
        tolerance = number(cell, way[1])
        values = {"tolerance": tolerance, "alignment": 2 - 2 * tolerance, "uniformity": -number(cell, 0)}
        return values | {f"{name}_standard_error": 0.01 for name in values}
    if cell.kind == "estimation":
        return estimate(number(cell, 0 if cell.parameters["task"] == "simclr" else way[0]), 6.0)
    if cell.kind == "knn":
        return {"knn_balanced_accuracy": number(cell, 1), "knn_balanced_accuracy_standard_error": 0.01}
    if cell.kind == "quality":
        return {"rank_me": 20 * number(cell, 0), "bao_upper_nats": 3 - number(cell, 0)}
    return {"width": 512, "images": 4096}


def mirrored(plan: Plan, way: str = "best") -> pd.DataFrame:
    return mirrored_frame(plan, lambda cell: made_up_result(cell, WAYS[way]))


def judged(plan: Plan, cells: pd.DataFrame) -> Verdict:
    tidy = rows(plan, cells)
    return verdict(tidy, *ranked(tidy.dropna(subset=list(HEADS))))


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return mirrored_store(PLAN, STUDY, tmp_path_factory.mktemp("best"), lambda cell: made_up_result(cell, WAYS["best"]))


@pytest.fixture(scope="module")
def drawn(uri: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("drawn")
    assert {path.name for path in draw(PLAN, uri, out)} == TABLES | FIGURE
    return out


def values_of(cells: Mapping[str, Cell], kind: str, task: str | None = None) -> list[Cell]:
    return [c for c in cells.values() if c.kind == kind and task in (None, c.parameters.get("task"))]


def test_a_row_holds_what_the_cells_of_its_encoder_say(drawn: Path) -> None:
    tidy = pd.read_csv(drawn / "temperature-table.csv").set_index(["arch", "temperature"])
    assert len(tidy) == 6 and set(tidy["n_seeds"]) == {1}
    for kind, task, value, column in (
        ("training", None, "loss_nats", "contrastive_loss_nats"),
        ("geometry", "all", "alignment", "alignment"),
        ("estimation", "simclr", "nominal_bits", "i_simclr_bits"),
        ("estimation", "all", "nominal_bits", "i_class_bits"),
        ("quality", "all", "bao_upper_nats", "bao_upper_nats"),
    ):
        for cell in values_of(PLAN.cells, kind, task):
            training = training_of(cell.declaration)
            row = tidy.loc[(training.arch, training.temperature)]
            assert row[column] == pytest.approx(made_up_result(cell, WAYS["best"])[value])


def test_encoders_are_a_table_that_measure_agreement_reads(drawn: Path) -> None:
    encoders = read(drawn / "encoders.csv")
    assert len(encoders) == 6 and encoders[[measure.name for measure in MEASURES]].notna().all(axis=None)


def test_measures_beside_the_paper_s_are_columns_where_they_were_asked_for(drawn: Path) -> None:
    asked = {measure.name for measure in OTHERS} - {"effective_rank"}
    assert asked == set(read(drawn / "encoders.csv").columns) & {measure.name for measure in OTHERS}
    assert asked < set(pd.read_csv(drawn / "measure-agreement.csv")["measure"])
    text = (drawn / "temperature-table.md").read_text()
    assert "kNN accuracy, % ↑ | RankMe ↑ | bound of Bao et al. ↓ |" in text
    assert "Not asked of these encoders yet: effective rank; run the study again to ask." in text


def test_the_print_has_every_encoder_and_each_correlation_with_its_interval(drawn: Path) -> None:
    lines = (drawn / "temperature-table.md").read_text().splitlines()
    assert [line.split(" | ")[0] for line in lines if line.startswith("| ")][2:] == [
        *(f"| {arch}, τ {temperature:g}" for arch, temperature in RANK),
        "| Pearson's r with accuracy",
        "| 95 %",
        "| Kendall's tau-b with accuracy",
        "| 95 %",
    ]


@pytest.mark.parametrize(("way", "holds"), [("best", True), ("worst", False), ("none", None)])
def test_the_verdict_follows_the_agreement(way: str, holds: bool | None) -> None:
    given = judged(PLAN, mirrored(PLAN, way))
    assert given.holds is holds and "I_class has r" in given.sentence


def test_three_encoders_are_too_few_whatever_they_say() -> None:
    few = plan_of(arch=("resnet18",))
    given = judged(few, mirrored(few))
    assert given.holds is None and "3 encoders are too few" in given.sentence and "r 1.00 (" in given.sentence


def test_seeds_are_averaged_before_anything_is_ranked() -> None:
    seeds = plan_of(seed=(0, 1))
    tidy = rows(seeds, mirrored(seeds))
    assert len(tidy) == 6 and set(tidy["n_seeds"]) == {2}


def test_two_encoders_have_no_correlation_and_no_figure(uri: str, tmp_path: Path) -> None:
    two = plan_of(arch=("resnet18",), temperature=(0.1, 0.2))
    assert {path.name for path in draw(two, uri, tmp_path)} == TABLES
    assert verdicts.read(tmp_path).holds is None and "needs at least 3" in verdicts.read(tmp_path).sentence


def test_missing_cells_are_named_or_printed_as_a_dash(uri: str, tmp_path: Path) -> None:
    more = plan_of(temperature=(0.1, 0.2, 0.3, 0.5))
    with pytest.raises(MissingCells, match=r"temperature=0\.3"):
        draw(more, uri, tmp_path)
    assert {path.name for path in draw(more, uri, tmp_path, partial=True)} == TABLES | FIGURE
    assert verdicts.read(tmp_path).holds is None and "are missing" in verdicts.read(tmp_path).sentence
    assert "| resnet10t, τ 0.3 | \N{EN DASH} |" in (tmp_path / "temperature-table.md").read_text()
