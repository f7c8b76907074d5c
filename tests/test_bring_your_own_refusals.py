"""Every refusal that `docs/bring-your-own.md` shows is provoked, and told in its words."""

import argparse
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from mi_ray.compute.images.image_set import SPLITS
from mi_ray.compute.training.networks import encoder
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
from mi_ray.experiments.declare.measures import Measure
from mi_ray.experiments.images.missing import refuse_missing_files
from mi_ray.experiments.images.prepared import prepare
from mi_ray.experiments.plan.fit import refuse_unfit
from mi_ray.experiments.plan.plan import build
from mi_ray.experiments.run.job import compute
from mi_ray.experiments.store.store import Store
from tests.bring_your_own import REFUSALS, Desk, draw_photos, folder, in_moco, run
from tests.made_up_critic import Cosine
from tests.own import Length

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


def class_beside_train():
    shutil.copytree("photos", "photos/train")
    prepared()


def like_splits():
    for part in ("seg_train", "seg_test"):
        shutil.copytree("photos", f"whole/{part}")
    shutil.rmtree("photos")
    shutil.move("whole", "photos")
    prepared()


def link_to(target):
    Path("photos/red-disc/copy.png").symlink_to(target)
    prepared()


def floats():
    Path("photos/red-disc/07.png").unlink()
    Image.fromarray(np.linspace(0, 255, 1024, dtype=np.float32).reshape(32, 32)).save("photos/red-disc/07.tif")
    prepared()


def equal_images():
    for path in Path("photos").glob("*/*.png"):
        Image.new("RGB", (32, 32), "white").save(path)
    prepare(folder("photos"), Store(Path("store")))


def broken_file():
    Path("photos/red-disc/07.png").write_bytes(b"no picture")
    prepared()


def changed_photograph():
    images = prepare(folder("photos", held_out=0.1), Store(Path("store")))
    Image.new("RGB", (32, 32), "red").save("photos/red-disc/07.png")
    for split in map(images.split, SPLITS):
        split.pixels(np.arange(len(split)))


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
    read_file, embed, *_ = build([question], lambda data: images.digest).missing_jobs(store)
    compute(read_file, images, store, device=torch.device("cpu"))
    compute(embed, images, store, device=torch.device("cpu"))


def saved(content, **changed):
    torch.save(content, "weights/moco.pth")
    evaluate(**changed)


def with_values(value):
    """A file in which three numbers of one tensor are ``value``."""
    content = in_moco()
    content["state_dict"]["module.encoder_q.bn1.bias"][:3] = value
    saved(content)


def half_a_file():
    path = Path("weights/moco.pth")
    path.write_bytes(path.read_bytes()[:10_000])
    evaluate()


def lfs_pointer():
    Path("weights/moco.pth").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    read = Checkpoint(data=PHOTOS, arch="resnet10t", source="weights/moco.pth", name="moco")
    refuse_missing_files([LinearEvaluation(embedding=Embedding(encoder=read), task="class")])


def two_encoders():
    raw, ema = (encoder("resnet10t", seed=seed).state_dict() for seed in (0, 1))
    saved({"state_dict": raw, "state_dict_ema": ema})


def trained(pairing):
    return Training(data=PHOTOS, pairing=pairing, arch="resnet10t")


def other_views():
    views = Views(encoder=trained(SimCLR()), pairing=SimCLR())
    Estimation(embedding=views, pairing=SimCLR(grayscale=1.0))


def other_side():
    training = Training(data=PHOTOS, pairing=SimCLR(), arch="vit_tiny_patch16_224")
    refuse_unfit([LinearEvaluation(embedding=Embedding(encoder=training), task="class")])


def missing_checkpoint():
    Path("weights/moco.pth").unlink()
    read = Checkpoint(data=PHOTOS, arch="resnet10t", source="weights/moco.pth", name="moco")
    refuse_missing_files([LinearEvaluation(embedding=Embedding(encoder=read), task="class")])


FROZEN = Embedding(encoder=Training(data=PHOTOS, pairing=SameClass(task="class"), arch="resnet10t"))
ANSWER = {"nearest_accuracy": 0.5, "nearest_standard_error": 0.1}


def own(name):
    """A question of a user's own by that name."""
    return dataclass(frozen=True, kw_only=True)(type(name, (Length,), {}))


def nearest():
    """The page's question."""
    question = own("Nearest")
    question.measures = (Measure(name="nearest_accuracy", error="nearest_standard_error", label="accuracy"),)
    return question(embedding=FROZEN)


def read_by(*critics):
    Estimation(
        embedding=Embedding(encoder=Training(data=PHOTOS, pairing=SimCLR(), arch="resnet10t")),
        pairing=SameClass(task="class"),
        own=critics,
    )


PROVOKED = {
    "no such folder": lambda: shutil.rmtree("photos") or prepared(),
    "a single class": one_class,
    "a class without images": empty_class,
    "too few images": too_few,
    "classes beside a split": class_beside_train,
    "folders that look like splits": like_splits,
    "one file in two classes": lambda: link_to("../blue-disc/00.png"),
    "a link to nothing": lambda: link_to("gone.png"),
    "floats beyond 0 to 1": floats,
    "equal images": equal_images,
    "a colour that is none": lambda: folder(matte="whit"),
    "a broken file": broken_file,
    "a class of one part alone": class_of_one_part,
    "small images": lambda: prepared(side=16),
    "more than 16 GiB decoded, of images without files of their own": lambda: prepare(
        Labelled(name="digits", side=2048), Store(Path("store"))
    ),
    "a photograph that changed during the study": changed_photograph,
    "an unknown name": lambda: Training(data=PHOTOS, pairing=SimCLR(), arch="resnet10"),
    "images of a side that the encoder does not take": other_side,
    "no such file": missing_checkpoint,
    "a pickle that needs code": lambda: saved(in_moco() | {"args": argparse.Namespace(lr=0.1)}),
    "a Git LFS pointer": lfs_pointer,
    "raw and averaged weights, and no choice": two_encoders,
    "a pickled module, code allowed": lambda: saved(timm.create_model("resnet10t"), allow_code=True),
    "another architecture": lambda: evaluate(arch="resnet18"),
    "NaN or infinity in a weight": lambda: with_values(torch.nan),
    "an image whose embedding is NaN or infinite": lambda: with_values(3e38),
    "half a file": half_a_file,
    "a label that the images do not have": lambda: trained(SameClass(task="digit")),
    "a crop of nothing": lambda: SimCLR(crop_min_scale=0),
    "views through another augmentation than the pairing's": other_views,
    "a number that is not declared": lambda: nearest().checked({"hits": 1.0} | ANSWER),
    "a number that is not finite": lambda: nearest().checked(ANSWER | {"nearest_accuracy": float("nan")}),
    "a class without its decorator": lambda: type("Nearest", (Length,), {})(embedding=FROZEN),
    "a name that is taken": lambda: build([own("Evaluation")(embedding=FROZEN)], lambda data: None),
    "a critic with a name that a result uses": lambda: read_by(Cosine(name="probe")),
    "two critics of one name": lambda: read_by(Cosine(name="bilinear"), Cosine(name="bilinear", scale=1.0)),
}


def pattern(told):
    """The page's words, … being any."""
    return "^" + ".*".join(map(re.escape, told.split("…"))) + "$"


def test_every_refusal_of_the_page_is_provoked():
    assert REFUSALS.keys() == PROVOKED.keys()


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    return Desk(tmp_path_factory.mktemp("originals")).lay().folder


@pytest.fixture
def here(originals, tmp_path, monkeypatch):
    """A copy of the page's folder, to be spoilt, as the working directory."""
    shutil.copytree(originals, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("wrong", PROVOKED)
def test_nonsense_is_refused_in_the_words_of_the_page(wrong, here):
    with pytest.raises(ValueError, match=pattern(REFUSALS[wrong])):
        PROVOKED[wrong]()


def test_a_missing_folder_is_refused_before_anything_starts(here):
    shutil.rmtree("photos")
    refused = run("python photos.py --on here", here)
    assert (refused.code, refused.out.count("\n")) == (2, 1) and refused.out.startswith("photos  preset ")
    assert refused.err == f"photos: {REFUSALS['no such folder']}\n"
    assert not Path("runs").exists()


def test_what_is_wrong_inside_a_file_fails_its_cell_alone(here):
    torch.save(in_moco() | {"args": argparse.Namespace(lr=0.1)}, "weights/moco.pth")
    failed = run("python encoders.py --on here --only evaluation*", here)
    assert failed.code == 1
    assert "needs code to be read (argparse.Namespace)" in failed.out + failed.err
    assert len(list(Path("runs/cells").glob("evaluation-*"))) == 1
