"""From image files to results: copies are named, and what is not finite fails its cell in one line."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file
from safetensors.torch import save_file

from mi_ray.compute.training.networks import encoder
from mi_ray.experiments.declare import (
    Checkpoint,
    Embedding,
    Estimation,
    Geometry,
    Labelled,
    LinearEvaluation,
    SameClass,
    SimCLR,
    Views,
)
from mi_ray.experiments.images.prepared import prepare
from mi_ray.experiments.plan.plan import build
from mi_ray.experiments.run.serial import run_here
from mi_ray.experiments.store.store import Store
from tests.quiet import Quiet

QUICK = {"k_est": 32, "batches": 2, "critics": 1, "k_fit": 8, "steps": 2}
PER_CLASS = 12


class Heard(Quiet):
    """Keeps why jobs failed."""

    def __init__(self):
        self.reasons = []

    def failed(self, job, reason):
        self.reasons.append((job.cells[0].kind, reason))


def draw(root):
    """Two classes in parts of their own, every image of other pixels."""
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for name in ("blue", "red"):
            (root / part / name).mkdir(parents=True)
            for number in range(PER_CLASS):
                pixels = rng.integers(256, size=(32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / part / name / f"{number:02d}.png")
    return root


def results_of(root, folder, state, heard, *, views=False):
    """Results by kind of cell, of an encoder in a file."""
    save_file(state, folder / "encoder.safetensors")
    data = Labelled(name="folder", root=str(root), side=32, held_out=0.3)
    read = Checkpoint(data=data, arch="resnet10t", source=str(folder / "encoder.safetensors"), hidden=16, out=8)
    frozen, pairing = Embedding(encoder=read), SameClass(task="class")
    questions = [
        LinearEvaluation(embedding=frozen, task="class"),
        Estimation(embedding=frozen, pairing=pairing, **QUICK),
        Geometry(embedding=frozen, pairing=pairing),
    ]
    if views:
        questions = [Estimation(embedding=Views(encoder=read, pairing=SimCLR()), pairing=SimCLR(), **QUICK)]
    store = Store(folder / "store")
    images = prepare(data, store)
    plan = build(questions, lambda declared: images.digest)
    store.prepare()
    run_here(plan.missing_jobs(store), {images.digest: images}, store, heard)
    return {cell.kind: store.read(cell.key) for cell in plan.cells.values() if store.has(cell.key)}


def good():
    return encoder("resnet10t", seed=0).state_dict()


@pytest.mark.parametrize(("copies", "views"), [(0, False), (1, False), (2, False), (5, False), (2, True)])
def test_copies_of_train_images_in_test_are_named_whatever_their_number(copies, views, tmp_path):
    root = draw(tmp_path / "photos")
    for number in range(copies):
        shutil.copy(root / "train/red/03.png", root / f"test/red/copy-{number}.png")
    results = results_of(root, tmp_path, good(), Quiet(), views=views)
    texts = [results["estimation"].result["not_certified"]] + ([] if views else [results["evaluation"].result["note"]])
    for text in texts:
        assert ("untouched" in text) == (copies > 0), text
        if copies:
            assert f"{copies} in " in text and "test/red/copy-0.png = train/red/03.png" in text, text


def test_other_formats_of_the_same_pixels_are_copies(tmp_path):
    root = draw(tmp_path / "photos")
    for number, suffix in enumerate(("bmp", "webp")):
        image = Image.open(root / f"train/blue/0{number}.png")
        image.save(root / f"test/blue/other.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
    reasons = results_of(root, tmp_path, good(), Quiet())["estimation"].result["not_certified"]
    assert "test/blue/other.bmp = train/blue/00.png" in reasons
    assert "test/blue/other.webp = train/blue/01.png" in reasons


def test_an_encoder_that_knows_no_image_from_another_is_not_accused(tmp_path):
    """Its last normalisation multiplies by nothing: one embedding for all."""
    state = {name: torch.zeros_like(t) if name.endswith("bn2.weight") or "downsample" in name else t
             for name, t in good().items()}  # fmt: skip
    state = {name: torch.ones_like(t) if name.endswith("bn2.bias") else t for name, t in state.items()}
    results = results_of(draw(tmp_path / "photos"), tmp_path, state, Quiet())
    h = load_file(results["embedding"].file("h.safetensors"))
    assert len(np.unique(h["test"], axis=0)) < len(h["test"])
    assert "untouched" not in results["estimation"].result["not_certified"]


@pytest.mark.parametrize("lost", [torch.nan, torch.inf])
def test_a_weight_that_is_not_finite_fails_the_checkpoint_in_one_line(lost, tmp_path):
    state, heard = good(), Heard()
    state["layer1.0.conv1.weight"].view(-1)[5] = lost
    assert results_of(draw(tmp_path / "photos"), tmp_path, state, heard) == {}
    ((kind, reason),) = heard.reasons
    assert kind == "checkpoint" and "\n" not in reason
    assert "encoder.safetensors" in reason and "layer1.0.conv1.weight: 1 of" in reason


@pytest.mark.parametrize("views", [False, True])
def test_an_image_whose_embedding_is_not_finite_fails_the_embedding_in_one_line(views, tmp_path):
    state, heard = good(), Heard()
    state["bn1.bias"][:] = 3e38
    results = results_of(draw(tmp_path / "photos"), tmp_path, state, heard, views=views)
    assert results.keys() == {"checkpoint"}
    ((kind, reason),) = heard.reasons
    assert kind == ("views" if views else "embedding") and "\n" not in reason
    assert "rows hold NaN or infinity (train/blue/" in reason
