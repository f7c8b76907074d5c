"""The zoo's plans: whose encoders, from which files, shared with whom, asked what; what is missing is named."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import save_file

from mi_ray.compute.frozen.checkpoint_files import input_of
from mi_ray.compute.frozen.published import RESNETS, SWAV, VITS, PublishedEncoder
from mi_ray.compute.training.networks import encoder as fresh
from mi_ray.experiments.declare import CDP, Checkpoint, Declaration, Embedding, Training, encoder_of
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.images.missing import missing_files
from mi_ray.experiments.plan.cost import predicted_work
from mi_ray.experiments.plan.fit import seen_by
from mi_ray.experiments.plan.plan import Plan, build
from mi_ray.experiments.store.store import Store
from mi_ray.launch import launch
from sweeps import infomin_grid
from sweeps.encoder_zoo import OURS, STUDY

DIGEST = "d" * 64


def plan_of(preset: str, study=STUDY, **axes: tuple[object, ...]) -> Plan:
    return build(study.questions(study.grid(preset, axes)), lambda data: DIGEST)


def asked(name: str, preset: str = "laptop") -> Checkpoint:
    (first, *_) = STUDY.questions(STUDY.grid(preset, {"encoder": (name,)}))
    found = encoder_of(first)
    assert isinstance(found, Checkpoint)
    return found


def kinds(plan: Plan) -> Counter[str]:
    return Counter(cell.kind for cell in plan.cells.values())


@pytest.mark.parametrize(("preset", "n"), [("smoke", 4), ("laptop", 11), ("paper", 29), ("paper-1k", 27)])
def test_every_encoder_is_read_once_and_asked_seven_questions(preset: str, n: int) -> None:
    found = kinds(plan_of(preset))
    assert found.pop("training", 0) == (n if preset in ("smoke", "laptop") else 0)
    one, two = (
        dict.fromkeys(("checkpoint", "embedding", "views", "evaluation", "knn", "quality"), n),
        ("estimation", "geometry"),
    )
    assert found == one | dict.fromkeys(two, 2 * n)


def test_the_four_encoders_of_the_infomin_grid_are_trained_once_for_both() -> None:
    shared = plan_of("laptop").cells.keys() & plan_of("laptop", infomin_grid.STUDY).cells.keys()
    zoo = plan_of("laptop").cells
    assert sorted(zoo[key].parameters["pairing"] for key in shared) == ["all", "color", "digit", "position"]
    assert {zoo[key].kind for key in shared} == {"training"}


def test_the_other_trainings_of_a_laptop_cost_little_more_than_one_of_them() -> None:
    trainings = [cell.declaration for cell in plan_of("laptop").cells.values() if cell.kind == "training"]
    others = [t.views for t in trainings if isinstance(t, Training) and t.views < 100_000]
    assert len(others) == 7 and sum(others) <= 100_000


def test_encoders_of_ours_are_read_back_through_layouts_of_others() -> None:
    assert len({recipe.layout for recipe in OURS.values()}) == 7
    assert all(asked(name).layout == recipe.layout for name, recipe in OURS.items())


def test_a_published_encoder_is_shown_what_its_source_says() -> None:
    assert seen_by(asked("SwAV", "paper")) == SWAV != input_of("resnet50")
    for row in RESNETS + VITS:
        found = asked(row.row, "paper")
        assert (found.arch, found.layout, found.source) == (row.arch, row.layout, f"data/checkpoints/{row.file}")
        assert found.input == row.trained_on
    assert seen_by(asked("DeiTB", "paper")) == input_of("deit_base_patch16_224.fb_in1k")
    assert seen_by(asked("all")) is None


def test_an_encoder_of_ones_own_is_a_file_or_a_timm_name() -> None:
    own, timm = asked("file:/some/where:x.pth:resnet18"), asked("timm:convnext_tiny.fb_in1k")
    assert (own.source, own.arch) == ("/some/where:x.pth", "resnet18")
    assert (timm.source, timm.arch) == ("data/checkpoints/convnext_tiny.fb_in1k.safetensors", "convnext_tiny.fb_in1k")


@pytest.mark.parametrize("name", ["foo", "swav", "timm:", "file:resnet18", "file::resnet18", "timm:a:b", ""])
def test_an_unknown_encoder_is_refused_with_those_that_are_known(name: str) -> None:
    with pytest.raises(Refused) as refusal:
        asked(name)
    assert "supcon/4" in str(refusal.value) and "SwAV" in str(refusal.value) and "file:PATH:ARCH" in str(refusal.value)


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ({"encoder": ("timm:resnet",)}, "arch: 'resnet'"),
        ({"dataset": ("imagenet",)}, "dataset: 'imagenet'"),
        ({"allow_code": ("true",)}, "axis allow_code: 'true'"),
        ({"dataset": ("digits",)}, "task: 'color'"),
    ],
)
def test_nonsense_is_refused_by_its_field(axes: dict[str, tuple[object, ...]], words: str) -> None:
    with pytest.raises(Refused, match=words):
        plan_of("laptop", **axes)


@pytest.mark.parametrize(("preset", "rows"), [("paper", RESNETS + VITS), ("paper-1k", RESNETS + VITS[1:2] + VITS[3:])])
def test_every_file_of_the_paper_and_its_images_are_missing_by_name(
    preset: str, rows: tuple[PublishedEncoder, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    missing = missing_files(STUDY.questions(STUDY.grid(preset, {})))
    files = {f"checkpoint {row.row}: data/checkpoints/{row.file}" for row in rows}
    assert files < set(missing) and all("data/imagenet" in line for line in set(missing) - files)


@pytest.mark.parametrize("preset", ["paper", "paper-1k"])
def test_a_dry_run_of_the_paper_makes_nothing_and_names_what_is_missing(
    preset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as done:
        launch(STUDY, ["--preset", preset, "--axis", "encoder=SwAV,DeiTT", "--dry-run", "--store", str(tmp_path)])
    told = capsys.readouterr().out
    assert done.value.code == 0 and not list(tmp_path.iterdir())
    assert "missing   checkpoint SwAV: data/checkpoints/swav_800ep_pretrain.pth.tar" in told.splitlines()
    assert "missing   checkpoint DeiTT: " in told and "missing   imagenet-1" in told


def test_missing_files_stay_apart_in_a_plan_though_none_has_contents(tmp_path: Path) -> None:
    one, other = (asked(name, "paper") for name in ("Rot", "Jig"))
    assert replace(one, source="", name="") == replace(other, source="", name="")
    assert kinds(plan_of("paper", encoder=("Rot", "Jig")))["checkpoint"] == 2


def test_an_encoder_of_224_pixels_is_priced_at_its_own_size_among_images_of_32(tmp_path: Path) -> None:
    def work(declaration: Declaration) -> float:
        return predicted_work(declaration)

    small = Checkpoint(data=CDP(), arch="vit_tiny_patch16_224", source=str(tmp_path / "no.pth"))
    large = replace(small, data=CDP(canvas=224))
    assert work(Embedding(encoder=small)) == work(Embedding(encoder=large)) > 0


def test_a_file_of_ones_own_goes_through_beside_ours(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    save_file(fresh("test_resnet", seed=3).state_dict(), path)
    plan = plan_of("smoke", encoder=(f"file:{path}:test_resnet", "all"))
    assert kinds(plan)["checkpoint"] == 2 and kinds(plan)["training"] == 1
    assert len(plan.missing_jobs(Store(tmp_path))) == len(plan.cells)
