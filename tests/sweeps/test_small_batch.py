"""The sweep of Fig. 4: what each preset asks for, what it shares, and a dry run without the paper's data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis.tables.per_encoder import panel_names
from mi_ray.experiments.plan.plan import Plan, build
from mi_ray.experiments.plan.study import Study
from mi_ray.launch import launch
from sweeps import infomin_grid
from sweeps.small_batch import STUDY


def plan_of(study: Study, preset: str, **axes: tuple[Any, ...]) -> Plan:
    return build(study.questions(study.grid(preset, axes)), lambda data: "d" * 64)


def count(plan: Plan, kind: str) -> int:
    return sum(cell.kind == kind for cell in plan.cells.values())


@pytest.mark.parametrize(("preset", "encoders"), [("smoke", 3), ("laptop", 5), ("paper", 8 * 2 * 3)])
def test_a_preset_trains_one_encoder_per_k_tr_and_asks_it_two_questions(preset: str, encoders: int) -> None:
    plan = plan_of(STUDY, preset)
    assert [count(plan, kind) for kind in ("training", "embedding", "estimation", "evaluation")] == 4 * [encoders]


@pytest.mark.parametrize("preset", STUDY.presets)
def test_the_learning_rate_is_constant_up_to_64_pairs_and_then_in_proportion(preset: str) -> None:
    asked = [cell.parameters for cell in plan_of(STUDY, preset).cells.values()]
    rates = {int(told["k_tr"]): float(told["learning_rate"]) for told in asked}
    assert rates == {k_tr: 1e-3 if k_tr <= 64 else 1e-3 * k_tr / 64 for k_tr in rates}


def test_the_papers_k_tr_of_64_are_the_infomin_grids_encoders() -> None:
    shared = plan_of(STUDY, "paper").cells.keys() & plan_of(infomin_grid.STUDY, "paper").cells.keys()
    assert sum(key.startswith("training") for key in shared) == 2 * 3


def test_every_k_tr_sees_as_many_views_and_is_asked_with_one_k_est() -> None:
    for preset in STUDY.presets:
        cells = plan_of(STUDY, preset).cells.values()
        assert len({cell.parameters["views"] for cell in cells}) == 1
        assert len({cell.parameters["k_est"] for cell in cells if cell.kind == "estimation"}) == 1


def test_the_paper_estimates_with_its_k_est_of_256_on_as_many_pairs_as_the_laptop() -> None:
    pairs = {
        preset: {
            int(cell.parameters["k_est"]) * int(cell.parameters["batches"])
            for cell in plan_of(STUDY, preset).cells.values()
            if cell.kind == "estimation"
        }
        for preset in ("laptop", "paper")
    }
    assert pairs["laptop"] == pairs["paper"] == {64 * 256}


def test_a_dry_run_of_the_paper_names_the_data_that_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        launch(STUDY, ["--preset", "paper", "--dry-run", "--store", str(tmp_path)])
    told = capsys.readouterr().out
    assert end.value.code == 0
    assert "192 cells, 0 done" in told and "digits: data/mnist" in told and "backgrounds: data/imagenet/train" in told


def test_a_learning_rate_that_follows_from_k_tr_tells_no_panels_apart_and_one_that_is_swept_does() -> None:
    assert panel_names(plan_of(STUDY, "laptop"), "estimation", {"k_tr"}) == ["arch"]
    swept = plan_of(STUDY, "laptop", base_learning_rate=(1e-3, 2e-3))
    assert panel_names(swept, "estimation", {"k_tr"}) == ["arch", "learning_rate"]
