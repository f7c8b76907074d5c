"""Plans of Tables III, IV, V and X: what is trained, what is shared, and what is told where the images are lacking."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from mi_ray.experiments.declare import NTXent, SameClass, SupCon, Training, training_of
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.plan.plan import Plan, build
from mi_ray.experiments.plan.study import Study
from mi_ray.launch import launch
from sweeps import infomin_grid, negatives, objectives, temperature
from sweeps.recipes import BENCHMARKS, benchmark_called, benchmark_of
from sweeps.shared_axes import LabelledAxes

STUDIES = {study.name: study for study in (objectives.STUDY, temperature.STUDY, negatives.STUDY)}
TRAININGS = {
    ("objectives", "smoke"): 8,
    ("objectives", "laptop"): 8,
    ("objectives", "paper"): 36,
    ("temperature", "smoke"): 6,
    ("temperature", "laptop"): 12,
    ("temperature", "paper"): 18,
    ("temperature", "paper-imagenet-100"): 18,
    ("negatives", "smoke"): 10,
    ("negatives", "laptop"): 40,
    ("negatives", "paper"): 48,
}


def plan_of(study: Study, preset: str, **axes: tuple) -> Plan:
    return build(study.questions(study.grid(preset, axes)), lambda data: None)


def trainings(study: Study, preset: str) -> set[Training]:
    found = {training_of(cell.declaration) for cell in plan_of(study, preset).cells.values()}
    return {training for training in found if training}


@pytest.mark.parametrize(("name", "preset"), TRAININGS)
def test_a_preset_trains_so_many_encoders(name: str, preset: str) -> None:
    kinds = Counter(cell.kind for cell in plan_of(STUDIES[name], preset).cells.values())
    assert kinds["training"] == TRAININGS[name, preset]
    assert set(TRAININGS) == {(study.name, preset) for study in STUDIES.values() for preset in study.presets}


def test_a_laptop_trains_the_encoders_of_class_once_for_the_infomin_grid_too() -> None:
    shared = trainings(objectives.STUDY, "laptop") & trainings(infomin_grid.STUDY, "laptop")
    assert {objectives.objective_of(training) for training in shared} == {"class"} and len(shared) == 1


def test_the_paper_reads_its_simclr_encoders_of_table_iii_from_tables_iv_and_v() -> None:
    for preset, data in (("paper", "cifar-10"), ("paper-imagenet-100", "imagenet-100")):
        shared = trainings(objectives.STUDY, "paper") & trainings(temperature.STUDY, preset)
        assert {(benchmark_of(one.data), one.arch) for one in shared} == {(data, "resnet50")} and len(shared) == 3


def test_objectives_differ_in_pairing_and_loss_alone() -> None:
    assert {objectives.objective_of(one) for one in trainings(objectives.STUDY, "paper")} == set(objectives.OBJECTIVES)
    benchmark = BENCHMARKS["cdp"]
    found = {name: objectives.pairing_and_loss(name, benchmark) for name in objectives.OBJECTIVES}
    assert found["class"] == (SameClass(task="all"), NTXent()) and found["supcon"][1] == SupCon(task="all")
    assert found["supcon"][0] == found["simclr"][0] != found["augmented"][0]
    of_cdp = trainings(objectives.STUDY, "laptop")
    assert len({(one.data, one.arch, one.k_tr, one.temperature, one.views, one.learning_rate) for one in of_cdp}) == 1


def test_the_augmentation_best_for_cdp_leaves_colour_digit_and_position_alone() -> None:
    kept = BENCHMARKS["cdp"].augmentation
    assert (kept.crop_min_scale, kept.flip, kept.grayscale) == (1, 0, 0) and 0 < kept.jitter_strength < 5 / 6


def test_an_encoder_of_temperature_is_asked_for_everything_that_tables_iv_and_v_print() -> None:
    kinds = Counter(cell.kind for cell in plan_of(temperature.STUDY, "laptop", arch=("resnet10t",)).cells.values())
    assert kinds == {
        "training": 6,
        "embedding": 6,
        "views": 6,
        "evaluation": 6,
        "geometry": 6,
        "estimation": 12,
        "knn": 6,
        "quality": 6,
    }


def test_every_negative_set_of_a_seed_shares_its_split_and_another_seed_splits_anew() -> None:
    found = trainings(negatives.STUDY, "laptop")
    assert all(one.data.seed == one.seed for one in found)
    assert {negatives.names_of(one.data) for one in found} == {
        ("digits-5A", against) for against in ("own", "apart", "sibling", "crops", "noise")
    }
    assert {one.data.negatives for one in found if negatives.names_of(one.data)[1] == "own"} == {None}


def test_the_sibling_holds_the_other_half_of_the_classes() -> None:
    sibling = negatives.images("cifar-50A", "sibling", LabelledAxes(), 0).negatives
    assert (sibling.name, sibling.half, sibling.negatives) == ("cifar-100", "second", None)


def test_cells_of_images_that_are_not_prepared_are_told_apart_by_what_they_declare() -> None:
    plan = plan_of(negatives.STUDY, "smoke")
    assert len(plan.cells) == 30 == len({plan.name(cell) for cell in plan.cells.values()})


@pytest.mark.parametrize(
    ("name", "preset", "lacking"),
    [
        ("objectives", "paper", ["cifar-10: ", "imagenet-100: ", "imagenet-1k: "]),
        ("temperature", "paper", ["cifar-10: "]),
        ("temperature", "paper-imagenet-100", ["imagenet-100: "]),
        ("negatives", "paper", ["cifar-10: ", "cifar-100: ", "pacs: "]),
    ],
)
def test_the_paper_can_be_listed_without_its_images_and_says_which_are_missing(
    name: str, preset: str, lacking: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        launch(STUDIES[name], ["--preset", preset, "--dry-run", "--on", "here", "--store", str(tmp_path / "runs")])
    missing = [line for line in capsys.readouterr().out.splitlines() if line.startswith("missing")]
    assert ended.value.code == 0 and not (tmp_path / "runs").exists()
    assert all(any(start in line for line in missing) for start in lacking)


@pytest.mark.parametrize(
    ("study", "axes"),
    [
        (objectives.STUDY, {"objective": ("triplet",)}),
        (objectives.STUDY, {"data": ("svhn",)}),
        (negatives.STUDY, {"negatives": ("cats",)}),
        (negatives.STUDY, {"data": ("digits",)}),
        (negatives.STUDY, {"data": ("folder",), "negatives": ("sibling",)}),
    ],
)
def test_a_name_that_no_table_has_is_refused(study: Study, axes: dict[str, tuple]) -> None:
    with pytest.raises(Refused, match="allowed"):
        list(study.questions(study.grid("laptop", axes)))


def test_a_share_of_views_is_that_of_the_benchmark() -> None:
    assert {one.views for one in trainings(temperature.STUDY, "laptop")} == {25_000}
    assert benchmark_called("cdp").views == 100_000


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_and_its_objectives_are_known_again_at_any_side_root_and_share(name: str) -> None:
    is_cdp = name.startswith("cdp")
    axes = {} if is_cdp else {"root": ("/elsewhere",), "side": (64,), "held_out": (0.2,), "matte": ("red",)}
    questions = objectives.STUDY.questions(
        objectives.STUDY.grid("laptop", {"data": (name,), "views": (9_000,), **axes})
    )
    found = [(benchmark_of(one.data), objectives.objective_of(one), one.views) for one in map(training_of, questions)]
    assert set(found) == {(name, objective, 9_000) for objective in objectives.OBJECTIVES}


@pytest.mark.parametrize("data", negatives.DATA)
def test_d_and_its_negatives_are_known_again_at_any_root(data: str) -> None:
    axes = LabelledAxes(root="/elsewhere", held_out=0.2)
    for name in set(negatives.NEGATIVES) - ({"sibling"} if data in negatives.WHOLE else set()):
        assert negatives.names_of(negatives.images(data, name, axes, 3, pacs="/pacs")) == (data, name)
