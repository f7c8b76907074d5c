"""The search's record: stages told by the plan, winners by validation, the verdict by fresh seeds on test images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis import command
from analysis.augmentation import figure as augmentation_figure
from analysis.augmentation.comparison import comparison, printed
from analysis.augmentation.figure import figure
from analysis.augmentation.table import ACCURACY, ESTIMATE, STRENGTHS, SearchOutcome, outcome
from analysis.augmentation.verdict import verdict
from analysis.augmentation_search import draw
from analysis.cells import MissingCells
from analysis.style import save
from analysis.verdict import read
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.declare.identity import story
from mi_ray.experiments.plan.plan import Cell, Plan
from mi_ray.experiments.plan.study import parse_axes
from mi_ray.experiments.store.files import append_line, write_json
from mi_ray.experiments.store.store import Store
from mi_ray.running.order import plan_of
from mi_ray.tracking.recorder import Recorder
from sweeps.augmentation_search import STUDY
from tests.committed import DIGEST, _manifest

Answer = Callable[[Cell], dict[str, Any]]


def answer(cell: Cell, *, gain: float = 0.3, noise: float = 0.01) -> dict[str, Any]:
    """Every reading rises with crop_min_scale by ``gain``, on test and validation alike, and seeds differ a little."""
    crop, seed = float(cell.parameters["crop_min_scale"]), int(cell.parameters["seed"])
    value = 0.4 + gain * crop + noise * np.sin(10 * seed + 7 * crop)
    if cell.kind == "evaluation":
        return {
            "linear_balanced_validation_accuracy": value,
            "linear_balanced_accuracy": value - 0.02,
            "linear_balanced_standard_error": 0.01,
        }
    if cell.kind == "estimation":
        return {"validation_bits": 2 * value, "nominal_bits": 2 * value - 0.1, "nominal_standard_error_bits": 0.02,
                "certified": False, "not_certified": "a critic is overfitted"}  # fmt: skip
    return {"in_training_bits": value, "loss_nats": 1.0} if cell.kind == "training" else {"width": 512}


def commit(cell: Cell, store: Store, result: dict[str, Any]) -> None:
    attempt = store.attempt(cell.key)
    write_json(attempt.payload / "result.json", result)
    write_json(attempt.payload / "declaration.json", story(cell.declaration))
    append_line(attempt.payload / "history.jsonl", {"step": 1, "loss_nats": 1.0})
    attempt.publish(_manifest(cell))


def played(folder: Path, *axes: str, answers: Answer = answer, rounds: int = 100) -> tuple[Plan, Store]:
    """A smoke search whose every round was answered, as far as ``rounds``; its plan, and its store."""
    store = Store(folder)
    store.prepare()
    grid = STUDY.grid("smoke", parse_axes(STUDY, axes))
    for _ in range(rounds):
        plan = plan_of(STUDY, grid, lambda data: DIGEST, store)
        missing = [cell for cell in plan.cells.values() if not store.has(cell.key)]
        for cell in missing:
            commit(cell, store, answers(cell))
        if not missing:
            break
    return plan, store


def recorded(plan: Plan, store: Store) -> SearchOutcome:
    """The record as MLflow would give it, of what the store holds."""
    rows = [
        {"key": cell.key, "kind": cell.kind, **cell.parameters, **store.read(cell.key).result}
        for cell in plan.cells.values()
        if store.has(cell.key)
    ]
    return outcome(plan, pd.DataFrame(rows))


@pytest.fixture(scope="module")
def over(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Store]:
    return played(tmp_path_factory.mktemp("over"), "objective=both", "candidates=6")


# The record


def test_candidates_are_numbered_in_the_order_of_proposal_and_the_default_is_the_first(over):
    search = recorded(*over)
    assert search.default == {"crop_min_scale": 0.2, "jitter_strength": 0.5, "jitter": 0.8, "grayscale": 0.2,
                             "flip": 0.5}  # fmt: skip
    assert list(search.candidates["candidate"]) == list(range(len(search.candidates)))
    assert (search.short_views, search.views, search.seed, search.task) == (500, 1000, 0, "digit")


def test_the_objectives_are_what_candidates_are_asked(over, tmp_path):
    assert recorded(*over).objectives == (ACCURACY, ESTIMATE)
    assert recorded(*played(tmp_path, "objective=estimate", rounds=1)).objectives == (ESTIMATE,)


def test_the_best_is_the_best_of_those_promoted_on_validation_images(over):
    search = recorded(*over)
    promoted = search.candidates[search.candidates["promoted"]]
    best = int(promoted.loc[promoted["linear_balanced_validation_accuracy"].idxmax(), "candidate"])
    assert search.best == {"accuracy": best, "estimate": best} and best != 0
    assert search.challengers == [best]
    assert search.candidates.set_index("candidate").loc[best, "best_for"] == "accuracy and estimate"


def test_differences_pair_each_fresh_seed_with_the_default_of_that_seed(over):
    plan, store = over
    search = recorded(plan, store)
    accuracies = {}
    for cell in plan.cells.values():
        if cell.kind == "evaluation" and cell.parameters["views"] == "1000":
            accuracies[cell.parameters["crop_min_scale"], int(cell.parameters["seed"])] = store.read(cell.key).result
    (winner,) = search.challengers
    crop = f"{search.candidates.set_index('candidate').loc[winner, 'crop_min_scale']:g}"
    differences = [
        accuracies[crop, seed]["linear_balanced_accuracy"] - accuracies["0.2", seed]["linear_balanced_accuracy"]
        for seed in (1, 2)
    ]
    assert search.difference(winner, ACCURACY).mean == pytest.approx(np.mean(differences))
    assert search.difference(winner, ACCURACY).n == 2
    assert set(search.fresh["seed"]) == {1, 2}


def test_the_comparison_has_the_default_and_every_winner_in_units(over):
    search = recorded(*over)
    compared = comparison(search)
    assert list(compared["role"]) == ["default", "best accuracy, best estimate"]
    own = search.fresh[search.fresh["candidate"] == 0]["linear_balanced_accuracy"]
    assert compared["linear_balanced_accuracy"][0] == pytest.approx(own.mean())
    table = printed(search, compared)
    assert f"| {100 * own.mean():.2f} ± {100 * own.std():.2f} |" in table
    assert table.count("\n|") == 3 and "2 fresh seeds" in table


# The verdict, in every direction


def test_a_winner_far_beyond_seed_noise_is_better_than_the_default(tmp_path):
    given = verdict(recorded(*played(tmp_path, answers=lambda cell: answer(cell, noise=1e-4))))
    assert given.holds is True
    assert "is better than the default beyond seed noise" in given.sentence and "2 fresh seeds" in given.sentence


def test_a_winner_within_seed_noise_is_said_not_to_differ(tmp_path):
    given = verdict(recorded(*played(tmp_path, answers=lambda cell: answer(cell, gain=0.01, noise=0.05))))
    assert given.holds is None and given.sentence.startswith("Cannot be judged; too close to tell: accuracy, best less")
    assert "does not differ from the default beyond seed noise" in given.sentence


def test_a_winner_of_the_validation_images_can_lose_on_test_images(tmp_path):
    def overfitted(cell: Cell) -> dict[str, Any]:
        result = answer(cell, noise=1e-4)
        return (
            result | {"linear_balanced_accuracy": -result["linear_balanced_validation_accuracy"]}
            if cell.kind == "evaluation"
            else result
        )

    given = verdict(recorded(*played(tmp_path, answers=overfitted)))
    assert given.holds is False and "is worse than the default beyond seed noise" in given.sentence


def test_a_default_that_nothing_beats_is_said_to_be_the_best(tmp_path):
    def worse_than_default(cell: Cell) -> dict[str, Any]:
        far = sum(abs(float(cell.parameters[name]) - value) for name, value in found_default().items())
        return answer(cell) | (
            {"linear_balanced_validation_accuracy": 0.9 - 0.1 * far} if cell.kind == "evaluation" else {}
        )

    search = recorded(*played(tmp_path, answers=worse_than_default))
    given = verdict(search)
    assert given.holds is False and "none of 3 candidates does better" in given.sentence
    assert search.challengers == [] and "no fresh seeds" in printed(search, comparison(search))
    assert figure(search).axes


def found_default() -> dict[str, float]:
    return dict(zip(STRENGTHS, (0.2, 0.5, 0.8, 0.2, 0.5), strict=True))


@pytest.mark.parametrize("rounds", [1, 2, 3, 4])
def test_a_search_that_is_not_over_is_not_judged(tmp_path, rounds):
    plan, store = played(tmp_path, rounds=rounds)
    if rounds < 4:
        plan = plan_of(STUDY, STUDY.grid("smoke", {}), lambda data: DIGEST, store)
    else:
        for key in list(plan.cells)[-2:]:
            (store.cells / key).rename(store.root / key)
    given = verdict(recorded(plan, store))
    assert given.holds is None and given.sentence.startswith("Cannot be judged")
    assert figure(recorded(plan, store)).axes


# From the record to files


def test_everything_is_drawn_from_mlflow_and_drawn_again_the_same(over, tmp_path):
    plan, store = over
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    recorder = Recorder(uri, experiment=STUDY.name, sweep="augmentation_search/smoke", artifacts=tmp_path / "artifacts")
    assert recorder.mirror_all(plan, store) == 0
    written = draw(plan, uri, tmp_path / "one")
    assert {path.name for path in written} == {
        "augmentation-candidates.csv", "augmentation-seeds.csv", "augmentation-search.csv", "augmentation-search.md",
        "augmentation-search.png", "augmentation-search.pdf", "verdict.json", "cells.csv",
    }  # fmt: skip
    for path, again in zip(written, draw(plan, uri, tmp_path / "two"), strict=True):
        assert path.read_bytes() == again.read_bytes()
    assert read(tmp_path / "one") == verdict(recorded(plan, store))
    further, _ = played(tmp_path / "other", "objective=both", "candidates=6", "seed=1", rounds=1)
    with pytest.raises(MissingCells, match="missing: evaluation"):
        draw(further, uri, tmp_path / "three")


def test_which_cells_a_search_asks_for_is_replayed_from_the_store(over, monkeypatch):
    plan, store = over
    axes = ["objective=both", "candidates=6"]
    with pytest.raises(Refused, match="holds no images"):
        command.planned(STUDY, "smoke", axes, store)
    monkeypatch.setattr(command, "prepared", lambda data, store: type("Images", (), {"digest": DIGEST}))
    assert command.planned(STUDY, "smoke", axes, store).cells.keys() == plan.cells.keys()


def test_the_figure_has_a_panel_per_objective_and_no_text_outside_it(over, tmp_path):
    for search in (recorded(*over), recorded(*played(tmp_path))):
        drawn = figure(search)
        assert len(drawn.axes) == len(search.objectives) + 3
        save(lambda drawn=drawn: drawn, tmp_path / "figure", **augmentation_figure.STYLE)
        wide, high = drawn.get_size_inches() * drawn.dpi
        for text in [*drawn.texts, *(axes.yaxis.label for axes in drawn.axes)]:
            box = text.get_window_extent()
            assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= wide and box.y1 <= high, text.get_text()
