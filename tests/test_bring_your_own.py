"""`docs/bring-your-own.md` keeps its word: its commands run, in its order, and do what it says."""

import re
import shutil

import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image
from safetensors.numpy import load_file

from analysis.page.collect import collect
from analysis.page.page import page
from mi_ray.compute.choices import Input
from mi_ray.compute.training.networks import forward_flops
from mi_ray.experiments.declare import Checkpoint, Embedding, LinearEvaluation, SameClass, Training
from mi_ray.experiments.declare.identity import cell_key
from mi_ray.experiments.images.prepared import prepare
from mi_ray.experiments.plan.plan import build
from mi_ray.experiments.run.serial import run_here
from mi_ray.experiments.store.store import Store
from tests.bring_your_own import BLOCKS, COMMANDS, DRAWN, FILES, MIRRORED, Desk, draw_photos, folder
from tests.quiet import Quiet

QUESTION = "Do pairs of one class teach an encoder something about my classes that pairs of views do not?"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    return Desk(tmp_path_factory.mktemp("desk")).lay()


# Its commands


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_ends_well(desk, command):
    ran = desk(command)
    assert ran.code == 0, ran.out + ran.err


def test_every_python_block_is_run_by_a_command_or_imported_by_one():
    called = {word for command in COMMANDS for word in command.split()}
    imported = {
        f"{name}.py" for code in FILES.values() for name in re.findall(r"^from (\w+) import", code, re.MULTILINE)
    }
    assert len(FILES) == sum(language == "python" for language, _ in BLOCKS)
    assert FILES.keys() <= called | imported


def test_every_block_is_python_commands_or_the_layout():
    layout, found = (text for language, text in BLOCKS if language not in ("python", "console"))
    assert layout.startswith("photos/blue-disc/00.png")
    assert found.startswith("images    folder photos: 4 classes")
    assert all(command.startswith("python ") for command in COMMANDS)


@pytest.mark.parametrize("command", ["python photos.py --preset smoke --dry-run", MIRRORED])
def test_what_was_found_is_printed_before_anything_else(desk, command):
    (found,) = (text for language, text in BLOCKS if text.startswith("images "))
    first, _, rest = desk(command).out.partition("\n")
    assert first.startswith("photos  preset ") and rest.startswith(found)


def test_a_study_without_an_analysis_is_mirrored_and_draws_nothing(desk):
    assert "figure" not in desk(MIRRORED).out
    assert "mlflow.db, experiment photos" in desk(MIRRORED).out
    assert not (desk.folder / "runs" / "figures" / "photos").exists()


def test_a_figure_of_ones_own_is_shown_attached_and_in_the_report(desk):
    out, store = desk(DRAWN).out, desk.folder / "runs"
    assert "runs/figures/accuracies/smoke: accuracies.png" in out and "verdict: " in out
    for name in ("accuracies.csv", "accuracies.png", "verdict.json", "cells.csv"):
        assert (store / "figures" / "accuracies" / "smoke" / name).is_file()
    client = MlflowClient(f"sqlite:///{store}/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'accuracies'")
    runs = client.search_runs([experiment.experiment_id])
    (sweep,) = [run for run in runs if run.data.tags["kind"] == "sweep"]
    attached = {file.path for file in client.list_artifacts(sweep.info.run_id, "figures")}
    assert {"figures/accuracies.csv", "figures/accuracies.png"} <= attached
    (shown,) = collect(store).shown
    assert (shown.study, shown.preset, shown.question) == ("accuracies", "smoke", QUESTION)
    assert shown.verdict.claim.startswith("Pairs of one class")
    assert [picture.name for picture in shown.pictures] == ["accuracies", "positive-pairs"]
    assert "accuracies" in page(collect(store))


def test_a_study_of_ones_own_fills_its_matrix(desk):
    assert "linear balanced accuracy (± standard error); rows: task, columns: pairing" in desk(MIRRORED).out
    assert re.search(r"^ +class +simclr$", desk(MIRRORED).out, re.MULTILINE)


def test_what_a_question_measures_is_shown_with_its_standard_error(desk):
    shown = desk("python augmentation.py --preset smoke --on here").out.partition("alignment (±")[2]
    assert re.search(r"^0 +[\d.]+ ± [\d.]+( †)?$", shown, re.MULTILINE)


def test_the_layout_of_a_checkpoint_is_recognised(desk):
    told = desk.results("checkpoint")
    assert {result["layout"] for result in told} == {"moco", "flat"}
    assert [result["ran_code"] for result in told] == [False, False]


def test_questions_of_ones_own_are_answered_for_every_encoder_of_the_study(desk):
    for command in ("python neighbours.py", "python cosine.py"):
        names = [line.partition(":")[0] for line in desk(command).out.splitlines()]
        assert names[0] == "embedding pairing=class" and names[1].startswith("embedding pairing=simclr")
        assert len(names) == 2


def test_the_nearest_neighbours_of_a_red_image_are_red(desk):
    accuracies = re.findall(r": ([\d.]+) ±", desk("python neighbours.py").out)
    assert float(accuracies[0]) > 0.9


def test_a_question_of_ones_own_trains_nothing_and_is_shown_with_its_standard_error(desk):
    shown = desk("python nearest.py --preset smoke --on here").out
    assert "computed: 4 cells" in shown
    assert re.search(r"^5 +[01]\.\d+ ± [\d.]+", shown, re.MULTILINE)
    numbers = {"nearest_accuracy", "nearest_standard_error", "note"}
    assert [result.keys() for result in desk.results("nearest")] == [numbers] * 4


def test_images_of_ones_own_are_told_apart(desk):
    assert re.search(r"^class +1\.00", desk("python stripes.py --preset smoke --on here").out, re.MULTILINE)


def test_an_estimator_of_ones_own_is_read_beside_ours_and_shown(desk):
    ran = desk("python bilinear.py --preset smoke --on here")
    assert re.search(r"bilinear, bits \(± standard error\).*^class +[\d.]+ ± [\d.]+", ran.out, re.MULTILINE | re.DOTALL)
    (result,) = (result for result in desk.results("estimation") if "bilinear_bits" in result)
    assert {"bilinear_standard_error_bits", "bilinear_train_bits", "probe_bits"} <= result.keys()
    assert 0.5 < result["bilinear_bits"] < 2 + 3 * result["bilinear_standard_error_bits"]


def test_images_by_colour_have_two_classes(desk):
    assert sorted(result["class_entropy_bits"] for result in desk.results("estimation")) == [1.0, 2.0, 2.0, 2.0]


# What it says of identity and input


def test_moved_images_are_the_same_and_changed_ones_are_not(tmp_path):
    store = Store(tmp_path / "store")
    draw_photos(tmp_path / "photos")
    here = prepare(folder(tmp_path / "photos"), store).digest
    shutil.copytree(tmp_path / "photos", tmp_path / "moved")
    there = prepare(folder(tmp_path / "moved"), store).digest
    assert here == there
    Image.new("RGB", (32, 32)).save(tmp_path / "moved" / "red-disc" / "07.png")
    assert prepare(folder(tmp_path / "moved"), store).digest != here


def test_a_checkpoint_is_known_by_its_contents_alone(tmp_path):
    def key(file, **labels):
        return cell_key(Checkpoint(data=folder(), arch="resnet10t", source=str(tmp_path / file), **labels), "0" * 64)

    for file, content in {"one": b"weights", "copy": b"weights", "other": b"others"}.items():
        (tmp_path / file).write_bytes(content)
    assert key("one") == key("copy", name="a copy", allow_code=True) != key("other")


def test_an_encoder_of_ours_embeds_from_its_file_as_where_it_was_trained(desk):
    desk(MIRRORED)
    store, seen = Store(desk.folder / "runs"), Input(size=32, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    images = prepare(folder(desk.folder / "photos"), store)
    training = Training(data=folder(), pairing=SameClass(task="class"), arch="resnet10t", views=512)
    file = store.read(cell_key(training, images.digest)).file("encoder.safetensors")
    read_back = Checkpoint(data=folder(), arch="resnet10t", source=str(file), input=seen)
    assert np.allclose(*(embedding(encoder, images, store) for encoder in (training, read_back)), atol=1e-4)


def embedding(encoder, images, store):
    """h of the test images, computed if the store does not hold it."""
    plan = build([LinearEvaluation(embedding=Embedding(encoder=encoder), task="class")], lambda data: images.digest)
    run_here(plan.missing_jobs(store), {images.digest: images}, store, Quiet())
    (key,) = (cell.key for cell in plan.cells.values() if cell.kind == "embedding")
    return load_file(store.read(key).file("h.safetensors"))["test"]


def test_a_vit_takes_images_of_its_own_size_alone():
    assert forward_flops("vit_tiny_patch16_224", 224) > 0
    with pytest.raises(ValueError, match=r"doesn't match model.*allowed: a side of 224"):
        forward_flops("vit_tiny_patch16_224", 32)
