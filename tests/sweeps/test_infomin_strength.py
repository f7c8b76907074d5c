"""The sweep of Fig. 5: its axis of augmentations, what each preset asks for, a dry run without the paper's data."""

from __future__ import annotations

from pathlib import Path

import pytest

from mi_ray.experiments.declare import Estimation, Views, color_jitter, resized_crop, training_of
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.plan.plan import Plan, build
from mi_ray.experiments.plan.study import parse_axes
from mi_ray.launch import launch
from sweeps.infomin_strength import STUDY, augmentation_called


def plan_of(preset: str) -> Plan:
    return build(STUDY.questions(STUDY.grid(preset, {})), lambda data: "d" * 64)


def count(plan: Plan, kind: str) -> int:
    return sum(cell.kind == kind for cell in plan.cells.values())


def test_an_augmentation_is_its_kind_and_strength_and_nothing_else() -> None:
    assert augmentation_called("jitter 0.5") == color_jitter(0.5)
    assert augmentation_called("crop 0.2") == resized_crop(0.2)


@pytest.mark.parametrize("name", ["jitter", "jitter strong", "blur 0.5", "crop0.2", "crop 0.2 0.5", ""])
def test_any_other_name_is_refused_with_what_is_allowed(name: str) -> None:
    with pytest.raises(Refused) as refusal:
        augmentation_called(name)
    assert f"augmentation: {name!r} is not allowed; allowed: 'jitter STRENGTH' or 'crop" in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("jitter 3", "jitter_strength: 3.0 is not allowed; allowed: a number from 0 to 2.5"),
        ("crop 0", "crop_min_scale: 0.0 is not allowed; allowed: a number from 0.01 to 1"),
        ("crop nan", "crop_min_scale: nan is not allowed"),
    ],
)
def test_a_strength_out_of_range_is_refused_with_the_range(name: str, told: str) -> None:
    with pytest.raises(Refused) as refusal:
        augmentation_called(name)
    assert told in str(refusal.value)


def test_the_command_line_can_name_several_augmentations() -> None:
    assert parse_axes(STUDY, ["augmentation=jitter 0.5,crop 0.2"]) == {"augmentation": ("jitter 0.5", "crop 0.2")}


@pytest.mark.parametrize(("preset", "encoders"), [("smoke", 4), ("laptop", 10), ("paper", (9 + 7) * 3)])
def test_a_preset_asks_every_encoder_for_four_tasks_and_one_estimate(preset: str, encoders: int) -> None:
    plan = plan_of(preset)
    assert [count(plan, kind) for kind in ("training", "views", "embedding", "estimation")] == 4 * [encoders]
    assert count(plan, "evaluation") == 4 * encoders


def test_what_is_estimated_is_what_was_trained_on_in_two_views_per_image() -> None:
    for cell in plan_of("laptop").cells.values():
        asked, training = cell.declaration, training_of(cell.declaration)
        if isinstance(asked, Estimation):
            assert isinstance(asked.embedding, Views) and asked.embedding.per_image == 2
            assert training and asked.pairing == asked.embedding.pairing == training.pairing


def test_a_cell_is_known_by_the_augmentation_as_the_axis_has_it() -> None:
    names = dict.fromkeys(cell.parameters["pairing"] for cell in plan_of("paper").cells.values())
    assert tuple(names) == STUDY.grid("paper", {})["augmentation"]


def test_a_dry_run_of_the_paper_names_the_data_that_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        launch(STUDY, ["--preset", "paper", "--dry-run", "--store", str(tmp_path)])
    told = capsys.readouterr().out
    assert end.value.code == 0
    assert "384 cells, 0 done" in told and "digits: data/mnist" in told and "backgrounds: data/imagenet/train" in told
