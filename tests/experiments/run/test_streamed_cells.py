"""Cells on streamed photographs: one result whatever the loaders, the place of the files, and the interruption."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path  # noqa: F401  # for the killed process

import numpy as np
import pytest
import torch

from mi_ray.compute.images.pixels import pixels
from mi_ray.experiments.declare import (
    Embedding,
    Estimation,
    Geometry,
    Labelled,
    LinearEvaluation,
    SameClass,
    SimCLR,
    Training,
    Views,
)
from mi_ray.experiments.images.prepared import prepare
from mi_ray.experiments.plan.plan import build, group
from mi_ray.experiments.run import loop
from mi_ray.experiments.run.embedding import frozen_encoder, h_of
from mi_ray.experiments.run.job import compute
from mi_ray.experiments.store import failpoints
from mi_ray.experiments.store.store import Store, store_at
from tests.buckets import new_bucket
from tests.compute.photographs import tree

CPU, SIDE = torch.device("cpu"), 64
KILLED = """
import sys
from pathlib import Path  # noqa: F401  # for the killed process
sys.path.insert(0, sys.argv[1])
import test_streamed_cells as tests
tests.computed(tests.Store(tests.Path(sys.argv[2])), tests.declared(sys.argv[3]), loaders=1)
"""


def declared(root, **options):
    """A training with its embeddings and a question of each kind."""
    data = Labelled(name="folder", root=str(root), held_out=0.2, side=SIDE, **options)
    training = Training(
        data=data, pairing=SimCLR(), arch="test_resnet", k_tr=8, views=16 * 20, hidden=16, out=8,
    )  # fmt: skip
    plain, views = Embedding(encoder=training), Views(encoder=training, pairing=SimCLR())
    classes = SameClass(task="class")
    return (
        LinearEvaluation(embedding=plain, task="class"),
        Geometry(embedding=plain, pairing=classes),
        Estimation(embedding=plain, pairing=classes, k_est=8, batches=2, critics=1, steps=5, k_fit=4),
        Geometry(embedding=views, pairing=SimCLR()),
    )


def computed(store, questions, *, loaders=0):
    """The digest of the images, and the files of every cell but its provenance."""
    seconds, loop.CHECKPOINT_SECONDS, threads = loop.CHECKPOINT_SECONDS, 0.0, torch.get_num_threads()
    torch.set_num_threads(1)
    store.prepare()
    images = prepare(questions[0].encoder.data, store)
    plan = build(questions, lambda data: images.digest)
    try:
        for job in group(plan.cells.values()):
            compute(job, images, store, device=CPU, loaders=loaders)
    finally:
        loop.CHECKPOINT_SECONDS = seconds
        torch.set_num_threads(threads)
    cells = [store.read(key) for key in plan.cells]
    contents = {
        (cell.key, name): cell.file(name).read_bytes()
        for cell in cells
        for name in cell.manifest["files"]
        if name not in ("declaration.json",)
    }
    return images.digest, contents


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tree(tmp_path_factory.mktemp("photographs") / "p", n=20)


@pytest.fixture(scope="module")
def in_place(root, tmp_path_factory):
    return computed(Store(tmp_path_factory.mktemp("store")), declared(root))


@pytest.mark.parametrize("loaders", [1, 2])
def test_every_cell_has_the_same_bytes_with_any_number_of_loaders(root, in_place, tmp_path, loaders):
    assert computed(Store(tmp_path / "store"), declared(root), loaders=loaders) == in_place


def test_a_bucket_packs_the_files_and_a_node_without_the_folder_computes_the_same_bytes(
    s3, root, in_place, tmp_path, monkeypatch
):
    photographs = tmp_path / "p"
    shutil.copytree(root, photographs)
    monkeypatch.setenv("MI_RAY_CACHE", str(tmp_path / "driver"))
    store, questions = store_at(new_bucket()), declared(photographs)
    store.prepare()
    images = prepare(questions[0].encoder.data, store)
    shutil.rmtree(photographs)
    monkeypatch.setenv("MI_RAY_CACHE", str(tmp_path / "node"))
    store = store_at(store.name)
    store.prepare()
    plan = build(questions, lambda data: images.digest)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for job in group(plan.cells.values()):
        compute(job, images, store, device=CPU, loaders=1)
    torch.set_num_threads(threads)
    digest, contents = in_place
    assert images.digest == digest
    for (key, name), content in contents.items():
        assert store.read(key).file(name).read_bytes() == content


@pytest.mark.parametrize("visit", [3, 13])
def test_a_training_killed_in_the_middle_resumes_to_the_same_bytes(root, in_place, tmp_path, visit):
    store = tmp_path / "store"
    variable = f"train.step:kill@{visit}"
    environment = os.environ | {failpoints.VARIABLE: variable, "PYTHONPATH": os.pathsep.join(sys.path)}
    arguments = [os.path.dirname(__file__), str(store), str(root)]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], env=environment, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert computed(Store(store), declared(root), loaders=2) == in_place


def test_streamed_squares_have_the_cells_of_resident_ones(root, tmp_path, monkeypatch):
    resident = computed(Store(tmp_path / "resident"), declared(root, crops="square"))
    monkeypatch.setattr("mi_ray.compute.images.labelled.RESIDENT_BUDGET", 1)
    assert computed(Store(tmp_path / "streamed"), declared(root, crops="square"), loaders=1) == resident


def test_photographs_have_other_cells_than_squares(root, in_place, tmp_path):
    digest, contents = computed(Store(tmp_path / "store"), declared(root, crops="square"))
    assert digest != in_place[0]
    assert contents.keys().isdisjoint(in_place[1])


def test_the_digest_of_photographs_follows_their_files_and_not_their_place(root, in_place, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(root, moved)
    store = Store(tmp_path / "store")
    store.prepare()
    assert prepare(declared(moved)[0].encoder.data, store).digest == in_place[0]
    content = (moved / "cat" / "3.jpg").read_bytes()
    (moved / "cat" / "3.jpg").write_bytes(content + b" ")  # the same pixels in another file
    assert prepare(declared(moved)[0].encoder.data, store).digest != in_place[0]


def test_embeddings_of_photographs_are_those_of_their_plain_views(root, tmp_path):
    store, questions = Store(tmp_path / "store"), declared(root)
    computed(store, questions)
    prepared = prepare(questions[0].encoder.data, store)
    plan = build(questions, lambda data: prepared.digest)
    (embedding,) = [cell for cell in plan.cells.values() if cell.kind == "embedding"]
    frozen = frozen_encoder(embedding.declaration, store, embedding.upstream).eval()
    images = prepared.split("test")
    with torch.inference_mode():
        h = frozen(pixels(torch.from_numpy(images.pixels(np.arange(len(images))))))
    np.testing.assert_allclose(h_of(embedding.key, store)["test"], h.numpy(), atol=1e-5)
    assert h.std(0).max() > 1e-3
