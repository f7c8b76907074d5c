"""Linear accuracy stands beside an estimate or a geometry with the class weights that these have."""

from __future__ import annotations

from importlib import import_module

import pytest

from analysis.agreement.columns import ACCURACY
from analysis.infomin_grid import table as infomin_grid
from analysis.infomin_strength import table as infomin_strength
from analysis.objectives import table as objectives
from analysis.small_batch import table as small_batch
from mi_ray.experiments.declare import Estimation, Geometry, SameClass, SimCLR
from mi_ray.experiments.plan.plan import build
from mi_ray.experiments.results.accuracy import accuracy_beside

SWEEPS = ("infomin_grid", "small_batch", "infomin_strength", "temperature", "objectives", "encoder_zoo")
BALANCED = ("linear_balanced_accuracy", "linear_balanced_standard_error")


def test_a_uniform_prior_stands_beside_balanced_accuracy_and_any_other_beside_the_plain_one() -> None:
    uniform = [SameClass(task="class"), SameClass(task="digit", redraw=0.5)]
    assert {accuracy_beside(pairing) for pairing in uniform} == {"linear_balanced_accuracy"}
    others = [SameClass(task="class", prior="empirical"), SimCLR()]
    assert {accuracy_beside(pairing) for pairing in others} == {"linear_accuracy"}


@pytest.mark.parametrize("name", SWEEPS)
def test_the_screen_shows_the_accuracy_whose_classes_count_as_in_the_same_class_pairs_asked_about(name: str) -> None:
    study = import_module(f"sweeps.{name}").STUDY
    plan = build(study.questions(study.grid("smoke", {})), lambda data: None)
    asked = [cell.declaration for cell in plan.cells.values() if isinstance(cell.declaration, Estimation | Geometry)]
    same_class = {question.pairing for question in asked if isinstance(question.pairing, SameClass)}
    beside = {accuracy_beside(pairing) for pairing in same_class or {question.pairing for question in asked}}
    assert beside == {study.matrix.measures["evaluation"].name}


def test_figures_and_tables_of_same_class_estimates_read_the_balanced_accuracy() -> None:
    read = [(ACCURACY.measure.name, ACCURACY.measure.error)]
    measures = [module.QUANTITIES[module.ACCURACY][1] for module in (objectives, small_batch)]
    measures += [infomin_grid.ACCURACY.measure]
    read += [(measure.name, measure.error) for measure in measures]
    assert set(read) == {BALANCED} and BALANCED[0] == accuracy_beside(SameClass(task="all"))
    assert infomin_strength.ACCURACY.name == "linear_accuracy"
