"""Fig. 5 from the record: accuracies stand at their own encoder's estimate, and peaks are judged beyond noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.cells import MissingCells
from analysis.infomin_curves import draw
from analysis.infomin_strength.figure import LABEL_GAP, caption, draw_curves, spaced
from analysis.infomin_strength.table import table
from analysis.infomin_strength.verdict import curves_of, verdict
from mi_ray.experiments.plan.plan import Cell, Plan, build
from mi_ray.experiments.store.store import Store
from mi_ray.tracking.mirror import read_cells
from mi_ray.tracking.recorder import Recorder
from sweeps.infomin_strength import STUDY, TASKS
from tests.committed import DIGEST, commit_all, estimate, made_up, result_of

AUGMENTATIONS = ("jitter 2", "jitter 0.5", "jitter 0.25", "crop 0.2", "crop 1", "crop 0.5")
FILES = {"infomin-curves.csv", "infomin-curves.png", "infomin-curves.pdf", "verdict.json", "cells.csv"}


def plan_of(**axes: tuple[Any, ...]) -> Plan:
    values = {"augmentation": AUGMENTATIONS, **axes}
    return build(STUDY.questions(STUDY.grid("smoke", values)), lambda data: DIGEST)


def results(cell: Cell) -> dict[str, Any]:
    """Made-up results, also of views and of estimates of what they share."""
    if cell.kind == "estimation":
        return estimate(made_up(cell), 6.0)
    return {"width": 512, "images": 8192} if cell.kind == "views" else result_of(cell)


PLAN, SEEDS = plan_of(), plan_of(seed=(0, 1))


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("mirrored")
    store, uri = Store(folder), f"sqlite:///{folder}/mlflow.db"
    commit_all(SEEDS.cells.values(), store, results)
    recorder = Recorder(uri, experiment=STUDY.name, sweep="infomin_strength/smoke", artifacts=folder / "artifacts")
    assert recorder.mirror_all(SEEDS, store) == 0
    return uri


def tidy_of(plan: Plan, uri: str) -> pd.DataFrame:
    return table(plan, read_cells(uri, STUDY.name, plan.cells.keys()))


def cells_at(plan: Plan, kind: str, row: pd.Series, **more: str) -> list[Cell]:
    place = {"pairing": f"{row['augmentation']} {row['strength']:g}", **more}
    return [cell for cell in plan.cells.values() if cell.kind == kind and place.items() <= cell.parameters.items()]


def test_strengths_ascend_and_every_task_is_there(uri: str) -> None:
    tidy = tidy_of(PLAN, uri)
    places = tidy.drop_duplicates(["augmentation", "strength"])
    assert list(places["augmentation"]) == 3 * ["jitter"] + 3 * ["crop"]
    assert list(places["strength"]) == [0.25, 0.5, 2.0, 0.2, 0.5, 1.0]
    assert len(tidy) == 6 * 4 and set(tidy["task"]) == set(TASKS)


def test_an_accuracy_stands_beside_the_estimate_of_its_own_encoder(uri: str) -> None:
    for _, row in tidy_of(PLAN, uri).iterrows():
        (evaluation,) = cells_at(PLAN, "evaluation", row, task=row["task"])
        (estimation,) = cells_at(PLAN, "estimation", row)
        assert row["accuracy"] == results(evaluation)["linear_accuracy"]
        assert row["spread"] == results(evaluation)["linear_standard_error"]
        assert row["estimate_bits"] == results(estimation)["nominal_bits"]
        assert row["estimate_spread_bits"] == results(estimation)["nominal_standard_error_bits"]


def test_several_seeds_show_means_and_standard_deviations_of_both(uri: str) -> None:
    for _, row in tidy_of(SEEDS, uri).iterrows():
        accuracies = [results(cell)["linear_accuracy"] for cell in cells_at(SEEDS, "evaluation", row, task=row["task"])]
        estimates = [results(cell)["nominal_bits"] for cell in cells_at(SEEDS, "estimation", row)]
        assert (row["accuracy"], row["spread"]) == pytest.approx((np.mean(accuracies), np.std(accuracies, ddof=1)))
        estimate = row["estimate_bits"], row["estimate_spread_bits"]
        assert estimate == pytest.approx((np.mean(estimates), np.std(estimates, ddof=1)))
        assert (row["spread_is"], row["n_seeds"], row["n_estimates"]) == ("sd over seeds", 2, 2)


@pytest.mark.parametrize(("axis", "values"), [("temperature", (0.2, 0.5)), ("k_est", (256, 1024))])
def test_another_axis_makes_panels_of_its_own(axis: str, values: tuple[Any, ...], uri: str) -> None:
    tidy = tidy_of(plan_of(**{axis: values}), uri)
    assert len(tidy.groupby(["arch", axis])) == 2 and len(tidy) == 2 * 6 * 4


def shaped(height: Callable[[str, float], float], spread: float = 0.005) -> pd.DataFrame:
    """A table of five strengths 1 to 5 of both augmentations, with accuracies of some height at a task and strength."""
    rows = [
        {"arch": "resnet10t", "augmentation": kind, "strength": strength, "task": task,
         "accuracy": height(task, strength), "spread": spread, "n_seeds": 1, "n_seeds_asked": 1,
         "estimate_bits": 6 - strength, "estimate_spread_bits": 0.1, "n_estimates": 1}
        for kind in ("jitter", "crop") for strength in (1.0, 2.0, 3.0, 4.0, 5.0) for task in TASKS
    ]  # fmt: skip
    return pd.DataFrame(rows)


def hill(task: str, strength: float) -> float:
    return 0.9 - 0.1 * abs(strength - 3)


def apart(task: str, strength: float) -> float:
    return 0.9 - 0.1 * abs(strength - (2 if task == "color" else 4))


def a_bit_apart(task: str, strength: float) -> float:
    return hill(task, strength) + (0.105 if task == "color" and strength == 2 else 0)


def further_apart(task: str, strength: float) -> float:
    return hill(task, strength) + (0.127 if task == "color" and strength == 2 else 0)


def flat(task: str, strength: float) -> float:
    return 0.9


def falling(task: str, strength: float) -> float:
    return 0.9 - 0.1 * strength


def plateau(task: str, strength: float) -> float:
    return hill(task, strength) + (0.19 if strength == 1 else 0)


@pytest.mark.parametrize(
    ("height", "holds", "words"),
    [
        (hill, True, "every task peaks at 3"),
        (apart, False, "peaks at 2 (color) and 4 (digit, position, task all)"),
        (a_bit_apart, True, "peaks at 2 (color) and 3 (digit, position, task all)"),
        (further_apart, None, "peaks at 2 (color) and 3 (digit, position, task all)"),
        (falling, False, "every task peaks at 1"),
        (plateau, None, "every task peaks at 3"),
        (flat, None, "every task peaks at 1"),
    ],
)
def test_peaks_are_told_and_judged_beyond_noise(
    height: Callable[[str, float], float], holds: bool | None, words: str
) -> None:
    given = verdict(shaped(height))
    assert given.holds is holds
    assert f"jitter (resnet10t): {words}" in given.sentence and f"crop (resnet10t): {words}" in given.sentence
    assert "With one seed intervals cover other test images, not other trainings" in given.sentence


def test_curves_that_are_surely_flat_are_no_reverse_u() -> None:
    assert verdict(shaped(flat, spread=0.001)).holds is False


def test_one_curve_that_peaks_elsewhere_is_enough_against_the_claim() -> None:
    tidy = shaped(hill)
    there = (tidy["augmentation"] == "crop") & (tidy["task"] == "digit") & (tidy["strength"] == 5)
    given = verdict(tidy.assign(accuracy=tidy["accuracy"] + 0.3 * there))
    assert given.holds is False and "against the paper: crop (resnet10t), digit at " in given.sentence
    assert given.numbers["crop (resnet10t), digit peaks at"] == 5.0


def test_noise_larger_than_every_difference_judges_nothing() -> None:
    tidy = shaped(apart, spread=1.0)
    assert verdict(tidy).holds is None
    assert all(claim.judge() is None for curves in curves_of(tidy) for claim in curves.claims)


@pytest.mark.parametrize("without", ["task != 'digit'", "augmentation != 'crop'", "strength < 3"])
def test_a_part_of_the_figure_is_not_judged(without: str) -> None:
    given = verdict(shaped(hill).query(without))
    assert given.holds is None and "all four tasks at 3 strengths of each augmentation" in given.sentence


def test_missing_cells_are_named_or_left_out_and_the_verdict_waits(uri: str, tmp_path: Path) -> None:
    plan = plan_of(augmentation=(*AUGMENTATIONS, "jitter 1"))
    with pytest.raises(MissingCells) as refusal:
        draw(plan, uri, tmp_path / "figures")
    assert len(str(refusal.value).splitlines()) == 5 and not (tmp_path / "figures").exists()
    assert {path.name for path in draw(plan, uri, tmp_path, partial=True)} == FILES
    tidy = tidy_of(plan, uri)
    assert "5 of 35 cells are missing" in verdict(tidy).sentence and "some cells are missing" in caption(tidy)[0]


def test_nothing_measured_at_all_still_draws(uri: str, tmp_path: Path) -> None:
    assert {path.name for path in draw(plan_of(seed=(7,)), uri, tmp_path, partial=True)} == FILES


def test_the_figure_has_a_panel_per_augmentation_and_a_row_per_encoder(uri: str) -> None:
    plan = plan_of(arch=("resnet10t", "resnet18"))
    figure = draw_curves(tidy_of(plan, uri))
    titles = [[text.get_text() for text in axes.texts[:2]] for axes in figure.axes]
    assert [row[0][:3] for row in titles] == ["(a)", "(b)", "(a)", "(b)"]
    assert [row[1] for row in titles] == ["resnet10t", "resnet10t", "resnet18", "resnet18"]


def test_labels_keep_their_distance_and_their_order() -> None:
    moved = spaced([1.0, 1.01, 1.02, 3.45], LABEL_GAP, 3.5)
    assert (moved[0], moved[-1]) == pytest.approx((1.0, 3.45))
    assert np.diff(moved).min() == pytest.approx(LABEL_GAP)
    assert spaced([3.4, 3.5, 3.5], 0.2, 3.5) == pytest.approx([3.1, 3.3, 3.5])


def test_redrawing_the_same_record_gives_the_same_bytes(uri: str, tmp_path: Path) -> None:
    first, second = (draw(SEEDS, uri, tmp_path / name) for name in ("first", "second"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
