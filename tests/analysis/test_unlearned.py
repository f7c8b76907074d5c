"""No study is judged by encoders that did not learn: each of the eight says which, and why."""

from __future__ import annotations

import csv
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pandas as pd
import pytest

import analysis
from analysis import augmentation_search
from analysis.augmentation.table import outcome
from analysis.cells import cells_of, mirrored_cells
from analysis.verdict import CELLS, Verdict, publish, read, resting_on
from mi_ray.experiments.declare.measures import NOT_LEARNED
from mi_ray.experiments.plan.plan import Plan
from mi_ray.experiments.run.learning import Doubt
from mi_ray.experiments.store.store import Store
from mi_ray.running.order import plan_of
from tests.committed import plan_of as plan_of_grid
from tests.committed import result_of
from tests.made_up import mirrored_store

STUDIES = (
    "infomin_grid",
    "small_batch",
    "infomin_strength",
    "temperature",
    "objectives",
    "negatives",
    "encoder_zoo",
    "augmentation_search",
)
WHY = "learned nothing: the loss ended 0.00 ± 0.00 bits below chance"
GIVEN = Verdict("a study", "a claim", False, "It does not hold.", {"lowest share": 0.1})


@pytest.fixture(scope="module", autouse=True)
def everything_imported() -> None:
    """What is imported while a function is patched would keep the patch."""
    for found in walk_packages(analysis.__path__, "analysis."):
        import_module(found.name)


def planned(name: str, folder: Path) -> tuple[object, Plan]:
    study = import_module(f"sweeps.{name}").STUDY
    return study, plan_of(study, study.grid("smoke", {}), lambda data: "d" * 64, Store(folder))


@pytest.mark.parametrize("kind", ["training", "embedding"])
@pytest.mark.parametrize("name", STUDIES)
def test_every_study_cannot_be_judged_by_an_encoder_that_did_not_learn(
    name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, plan = planned(name, tmp_path)
    (cell, *_) = cells_of(plan, kind)
    frame = pd.DataFrame([{"key": cell.key, "kind": kind, NOT_LEARNED: WHY}])
    monkeypatch.setattr(augmentation_search, "judged", lambda plan, rows: plan)
    module, _, function = str(study.draw).partition(":")
    monkeypatch.setattr("analysis.cells.mirrored_cells", lambda *_, **__: frame)
    monkeypatch.setattr("analysis.style.save", lambda *_, **__: [])
    getattr(import_module(module), function)(plan, "", tmp_path, partial=True)
    given = read(tmp_path)
    assert given.holds is None and given.study == name
    assert given.sentence == f"Cannot be judged: encoders did not learn: {plan.name(cell)} {WHY}."
    assert given.numbers[plan.name(cell)] == WHY
    with (tmp_path / CELLS).open(newline="") as file:
        reasons = {row["key"]: row[NOT_LEARNED] for row in csv.DictReader(file)}
    below = {cell.key, *(downstream.key for downstream in plan.downstream(cell.key))}
    assert reasons == {key: WHY if key in below else "" for key in plan.cells}


def test_a_verdict_by_encoders_that_learned_is_as_it_was() -> None:
    assert resting_on(GIVEN, []) is GIVEN


@pytest.mark.parametrize("holds", [True, False, None])
def test_numbers_are_kept_beside_the_reasons(holds: bool | None) -> None:
    given = resting_on(
        Verdict("s", "c", holds, "It.", {"a": 1.0}), [Doubt(key="k", name="training seed=0", reason=WHY)]
    )
    assert given.holds is None and given.numbers == {"a": 1.0, "training seed=0": WHY}


def test_a_store_of_an_earlier_version_is_judged_by_its_history_and_results(tmp_path: Path) -> None:
    plan = plan_of_grid()
    (untrained, other) = cells_of(plan, "training")

    def earlier(cell):
        values = {name: value for name, value in result_of(cell).items() if name != NOT_LEARNED}
        chance = {"in_training_bits": 0.0, "loss_nats": 4.844} if cell.key == untrained.key else {"in_training_bits": 1}
        return values | chance if cell.kind == "training" else values

    study = import_module("sweeps.infomin_grid").STUDY
    uri = mirrored_store(plan, study, tmp_path, earlier)
    cells = mirrored_cells(study, plan, uri, ["estimation"], partial=False)
    reasons = dict(zip(cells["key"], cells[NOT_LEARNED], strict=True))
    assert reasons[untrained.key].startswith("learned nothing") and reasons[other.key] == ""
    publish(plan, tmp_path, [], GIVEN, mirrored=cells)
    assert read(tmp_path).holds is None and plan.name(untrained) in read(tmp_path).sentence


def test_a_candidate_of_a_search_that_did_not_learn_did_not_win(tmp_path: Path) -> None:
    _, plan = planned("augmentation_search", tmp_path)
    result = outcome(plan, pd.DataFrame(columns=["key", "kind"]))
    kept = augmentation_search.judged(plan, result)
    trained = {cell.parameters["views"] for cell in cells_of(kept, "training")}
    assert trained <= {str(result.views)} and set(kept.cells) < set(plan.cells)
