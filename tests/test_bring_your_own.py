"""`docs/bring-your-own.md` keeps its word: its commands run, in its order, and its refusals are told as it says."""

from __future__ import annotations

import argparse
import io
import re
import runpy
import shutil
import signal
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image, ImageDraw
from safetensors.numpy import load_file
from safetensors.torch import save_file

from mi_ray.compute.choices import Input
from mi_ray.compute.networks import forward_flops
from mi_ray.experiments.cells import Store, read_json
from mi_ray.experiments.data import prepare
from mi_ray.experiments.declare import (
    Checkpoint,
    Embedding,
    Estimation,
    Labelled,
    LinearEvaluation,
    SameClass,
    SimCLR,
    Training,
    Views,
)
from mi_ray.experiments.folders import refuse_missing_files
from mi_ray.experiments.identity import cell_key
from mi_ray.experiments.plan import build
from mi_ray.experiments.run import compute

PAGE = (Path(__file__).parents[1] / "docs" / "bring-your-own.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
FILES = {code.partition("\n")[0].removeprefix("# "): code for language, code in BLOCKS if language == "python"}
COMMANDS = [line.removeprefix("$ ") for language, text in BLOCKS if language == "console" for line in text.splitlines()]
REFUSALS = dict(re.findall(r"^\| (.+?) \| `(.+)` \|$", PAGE.replace("`allow_code=True`", "allow_code"), re.MULTILINE))
MIRRORED = "python photos.py --preset smoke --on here"
CLASSES = {
    "blue-disc": (40, 60, 200),
    "blue-square": (40, 60, 200),
    "red-disc": (200, 40, 40),
    "red-square": (200, 40, 40),
}


# The folder of the page


def draw_photos(root, per_class=40):
    """Discs and squares of 16 pixels, in colour, somewhere on noise."""
    rng = np.random.default_rng(0)
    for name, colour in CLASSES.items():
        (root / name).mkdir(parents=True)
        for number in range(per_class):
            image = Image.fromarray(rng.integers(120, size=(32, 32, 3), dtype=np.uint8))
            x, y = (int(corner) for corner in rng.integers(16, size=2))
            pen = ImageDraw.Draw(image)
            shape = pen.ellipse if name.endswith("disc") else pen.rectangle
            shape((x, y, x + 15, y + 15), fill=colour)
            image.save(root / name / f"{number:02d}.png")


def state():
    return timm.create_model("resnet10t", num_classes=0).state_dict()


def in_moco():
    return {"state_dict": {f"module.encoder_q.{name}": tensor for name, tensor in state().items()}, "epoch": 200}


def write_weights(folder):
    folder.mkdir()
    torch.save(in_moco(), folder / "moco.pth")
    save_file(state(), folder / "plain.safetensors")


@dataclass(frozen=True)
class Ran:
    """What a command printed and returned."""

    code: int
    out: str
    err: str


def run(command):
    """A command of the page, in this process and folder; MLflow is left out of all but one, which saves a minute."""
    _, file, *flags = command.split()
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", [file, *flags])
        patch.syspath_prepend(".")
        if command != MIRRORED:
            patch.setitem(sys.modules, "mlflow", None)
        try:
            runpy.run_path(file, run_name="__main__")
            code = 0
        except SystemExit as end:
            code = end.code
    return Ran(code, out.getvalue(), err.getvalue())


@contextmanager
def left_as_found():
    """launch takes over the signals and the page's files import each other."""
    modules, signals = set(sys.modules), {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for one, handler in signals.items():
            signal.signal(one, handler)
        for name in set(sys.modules) - modules:
            if f"{name}.py" in FILES:
                del sys.modules[name]


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with the page's images, weights and files, as the working directory."""
    folder = tmp_path_factory.mktemp("desk")
    with pytest.MonkeyPatch.context() as patch, left_as_found():
        patch.chdir(folder)
        draw_photos(folder / "photos")
        write_weights(folder / "weights")
        for name, code in FILES.items():
            (folder / name).write_text(code)
        yield folder


@pytest.fixture(scope="module")
def ran(desk):
    """Every command of the page, in its order."""
    return {command: run(command) for command in COMMANDS}


def results(desk, kind):
    return [read_json(path / "result.json") for path in sorted((desk / "runs" / "cells").glob(f"{kind}-*"))]


# Its commands


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_ends_well(ran, command):
    assert ran[command].code == 0, ran[command].out + ran[command].err


def test_every_python_block_is_run_by_a_command_or_imported_by_one():
    called = {word for command in COMMANDS for word in command.split()}
    imported = {
        f"{name}.py" for code in FILES.values() for name in re.findall(r"^from (\w+) import", code, re.MULTILINE)
    }
    assert len(FILES) == sum(language == "python" for language, _ in BLOCKS)
    assert FILES.keys() <= called | imported


def test_every_block_is_python_commands_or_the_layout():
    assert [language for language, _ in BLOCKS if language not in ("python", "console")] == [""]
    assert all(command.startswith("python ") for command in COMMANDS)


def test_a_study_without_an_analysis_is_mirrored_and_draws_nothing(ran, desk):
    assert "figure" not in ran[MIRRORED].out
    assert "mlflow.db, experiment photos" in ran[MIRRORED].out
    assert not (desk / "runs" / "figures").exists()


def test_a_study_of_ones_own_fills_its_matrix(ran):
    assert "linear accuracy (± standard error); rows: task, columns: pairing" in ran[MIRRORED].out
    assert re.search(r"^ +class +simclr$", ran[MIRRORED].out, re.MULTILINE)


def test_the_layout_of_a_checkpoint_is_recognised(ran, desk):
    told = results(desk, "checkpoint")
    assert {result["layout"] for result in told} == {"moco", "flat"}
    assert [result["ran_code"] for result in told] == [False, False]


def test_questions_of_ones_own_are_answered_for_every_encoder_of_the_study(ran):
    for command in ("python neighbours.py", "python cosine.py"):
        names = [line.partition(":")[0] for line in ran[command].out.splitlines()]
        assert names == ["embedding pairing=class", "embedding pairing=simclr"]


def test_the_nearest_neighbours_of_a_red_image_are_red(ran):
    accuracies = re.findall(r": ([\d.]+) ±", ran["python neighbours.py"].out)
    assert float(accuracies[0]) > 0.9


def test_images_by_colour_have_two_classes(ran, desk):
    assert sorted(result["class_entropy_bits"] for result in results(desk, "estimation")) == [1.0, 2.0, 2.0]


# What it says of identity and input


def folder(root="photos", **changed):
    return Labelled(**{"name": "folder", "root": str(root), "held_out": 0.2} | changed)


def test_moved_images_are_the_same_and_changed_ones_are_not(desk, tmp_path):
    store = Store(tmp_path / "store")
    shutil.copytree("photos", tmp_path / "moved")
    here, there = prepare(folder(), store).digest, prepare(folder(tmp_path / "moved"), store).digest
    assert here == there
    Image.new("RGB", (32, 32)).save(tmp_path / "moved" / "red-disc" / "07.png")
    assert prepare(folder(tmp_path / "moved"), store).digest != here


def test_a_checkpoint_is_known_by_its_contents_alone(desk, tmp_path):
    def key(**changed):
        told = {"source": "weights/moco.pth", "name": "moco"} | changed
        return cell_key(Checkpoint(data=folder(), arch="resnet10t", **told), "0" * 64)

    copy, other = shutil.copy("weights/moco.pth", tmp_path / "copy.pth"), "weights/plain.safetensors"
    assert key() == key(source=str(copy), name="a copy", allow_code=True) != key(source=other)


def test_an_encoder_of_ours_can_be_asked_about_other_images(ran, desk):
    """And with the input of the page it embeds as it did where it was trained."""
    store = Store(desk / "runs")
    images = prepare(folder(), store)
    embedding = next(path for path in store.cells.glob("embedding-*") if _pairing(path) and _of(path, images.digest))
    training = store.read(read_json(embedding / "manifest.json")["upstream"])
    seen = Input(size=32, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    source = str(training.file("encoder.safetensors"))
    read_back = Checkpoint(data=folder(), arch="resnet10t", source=source, input=seen)
    plan = build([LinearEvaluation(embedding=Embedding(encoder=read_back), task="class")], lambda data: images.digest)
    for job in plan.missing_jobs(store)[:2]:
        compute(job, images, store, device=torch.device("cpu"))
    (again,) = (cell.key for cell in plan.cells.values() if cell.kind == "embedding")
    both = [load_file(path / "h.safetensors")["test"] for path in (embedding, store.cells / again)]
    assert np.allclose(*both, atol=1e-4)


def _pairing(path):
    return "training" in read_json(path / "declaration.json")


def _of(path, digest):
    return read_json(path / "manifest.json")["data_digest"] == digest


def test_a_vit_takes_images_of_its_own_size_alone():
    assert forward_flops("vit_tiny_patch16_224", 224) > 0
    with pytest.raises(AssertionError, match="doesn't match model"):
        forward_flops("vit_tiny_patch16_224", 32)


# Its refusals


PHOTOS = folder()


def prepared(root="photos", **changed):
    prepare(folder(root, held_out=0.1, **changed), Store(Path("store")))


def one_class():
    shutil.rmtree("photos")
    draw_photos(Path("whole"), per_class=2)
    shutil.copytree("whole/red-disc", "photos/red-disc")
    prepared()


def empty_class():
    Path("photos/green-disc").mkdir()
    prepared()


def too_few():
    for path in sorted(Path("photos/red-disc").iterdir())[14:]:
        path.unlink()
    prepared()


def broken_file():
    Path("photos/red-disc/07.png").write_bytes(b"no picture")
    prepared()


def class_of_one_part():
    shutil.move("photos", "whole")
    for part in ("train", "test"):
        shutil.copytree("whole", f"photos/{part}")
    shutil.rmtree("photos/test/red-disc")
    prepared()


def evaluate(arch="resnet10t", **changed):
    """Compute the checkpoint in weights/moco.pth."""
    read = Checkpoint(data=PHOTOS, arch=arch, source="weights/moco.pth", name="moco", **changed)
    question = LinearEvaluation(embedding=Embedding(encoder=read), task="class")
    store = Store(Path("store"))
    store.prepare()
    images = prepare(PHOTOS, store)
    job, *_ = build([question], lambda data: images.digest).missing_jobs(store)
    compute(job, images, store, device=torch.device("cpu"))


def saved(content, **changed):
    torch.save(content, "weights/moco.pth")
    evaluate(**changed)


def half_a_file():
    path = Path("weights/moco.pth")
    path.write_bytes(path.read_bytes()[:10_000])
    evaluate()


def trained(pairing):
    return Training(data=PHOTOS, pairing=pairing, arch="resnet10t")


def other_views():
    views = Views(encoder=trained(SimCLR()), pairing=SimCLR())
    Estimation(embedding=views, pairing=SimCLR(grayscale=1.0))


def missing_checkpoint():
    Path("weights/moco.pth").unlink()
    read = Checkpoint(data=PHOTOS, arch="resnet10t", source="weights/moco.pth", name="moco")
    refuse_missing_files([LinearEvaluation(embedding=Embedding(encoder=read), task="class")])


PROVOKED = {
    "no such folder": lambda: shutil.rmtree("photos") or prepared(),
    "a single class": one_class,
    "a class without images": empty_class,
    "too few images": too_few,
    "a broken file": broken_file,
    "a class of one part alone": class_of_one_part,
    "small images": lambda: prepared(side=16),
    "more than 16 GiB decoded": lambda: prepared(side=16384),
    "an unknown name": lambda: Training(data=PHOTOS, pairing=SimCLR(), arch="resnet10"),
    "no such file": missing_checkpoint,
    "a pickle that needs code": lambda: saved(in_moco() | {"args": argparse.Namespace(lr=0.1)}),
    "a pickled module, even with allow_code": lambda: saved(timm.create_model("resnet10t"), allow_code=True),
    "another architecture": lambda: evaluate(arch="resnet18"),
    "half a file": half_a_file,
    "a label that the images do not have": lambda: trained(SameClass(task="digit")),
    "a crop of nothing": lambda: SimCLR(crop_min_scale=0),
    "views through another augmentation than the pairing's": other_views,
}


def pattern(told):
    """The page's words, … being any."""
    return "^" + ".*".join(map(re.escape, told.split("…"))) + "$"


def test_every_refusal_of_the_page_is_provoked():
    assert REFUSALS.keys() == PROVOKED.keys()


@pytest.mark.parametrize("wrong", PROVOKED)
def test_nonsense_is_refused_in_the_words_of_the_page(wrong, desk, tmp_path, monkeypatch):
    for name in ("photos", "weights"):
        shutil.copytree(desk / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=pattern(REFUSALS[wrong])):
        PROVOKED[wrong]()


def test_a_missing_folder_is_refused_before_anything_starts(ran, desk, tmp_path, monkeypatch):
    shutil.copy(desk / "photos.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    refused = run("python photos.py --on here")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == f"photos: {REFUSALS['no such folder']}\n"
    assert not (tmp_path / "runs").exists()


def test_what_is_wrong_inside_a_file_fails_its_cell_alone(ran, desk, tmp_path, monkeypatch):
    for name in ("photos", "weights"):
        shutil.copytree(desk / name, tmp_path / name)
    for name in ("photos.py", "encoders.py"):
        shutil.copy(desk / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    torch.save(in_moco() | {"args": argparse.Namespace(lr=0.1)}, "weights/moco.pth")
    failed = run("python encoders.py --on here")
    assert failed.code == 1
    assert "needs code to be read (argparse.Namespace)" in failed.out + failed.err
    assert len(list(Path("runs/cells").glob("evaluation-*"))) == 1
