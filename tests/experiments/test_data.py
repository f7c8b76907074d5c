"""Prepared images: made once, known by their content, and never trusted when they have changed."""

import shutil

import numpy as np
import pytest
from PIL import Image

from mi_ray.compute.images import SPLITS
from mi_ray.experiments.cells import Store
from mi_ray.experiments.checks import Refused
from mi_ray.experiments.data import prepare, prepared
from mi_ray.experiments.declare import CDP

COUNTS = {"train_images": 1024, "validation_images": 1024, "test_images": 1024}
SMALL = CDP(**COUNTS)


@pytest.fixture
def store(tmp_path):
    return fresh(tmp_path / "store")


def fresh(root):
    store = Store(root)
    store.prepare()
    return store


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(5):
        Image.fromarray(rng.integers(256, size=(40, 50, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


def snapshot(folder):
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def test_preparing_twice_makes_nothing_new(store):
    assert prepared(SMALL, store) is None
    first = prepare(SMALL, store)
    before = snapshot(store.root)
    assert prepare(SMALL, store) == prepared(SMALL, store) == first
    assert snapshot(store.root) == before


def test_the_content_digest_is_that_of_the_pixels_whatever_the_store(store, tmp_path):
    first = prepare(SMALL, store)
    assert prepare(SMALL, fresh(tmp_path / "other")).digest == first.digest
    assert prepare(CDP(**COUNTS, seed=1), store).digest != first.digest


def test_every_split_has_the_images_that_were_asked_for(store):
    made = prepare(CDP(**COUNTS | {"test_images": 1100}), store)
    assert {name: made.split(name).images.shape for name in SPLITS} == {
        "train": (1024, 3, 32, 32), "validation": (1024, 3, 32, 32), "test": (1100, 3, 32, 32),
    }  # fmt: skip


def test_moving_the_photographs_does_not_change_the_digest(store, photographs, tmp_path):
    here = prepare(CDP(**COUNTS, backgrounds=str(photographs)), store)
    there = shutil.move(photographs, tmp_path / "elsewhere")
    assert prepare(CDP(**COUNTS, backgrounds=str(there)), store).digest == here.digest


def test_changing_a_photograph_changes_the_digest(store, photographs):
    data = CDP(**COUNTS, backgrounds=str(photographs))
    before = prepare(data, store)
    for path in photographs.iterdir():
        Image.fromarray(np.zeros((40, 40, 3), dtype=np.uint8)).save(path)
    assert prepared(data, store) is None
    assert prepare(data, store).digest != before.digest


@pytest.mark.parametrize("field", ["digits", "backgrounds"])
def test_a_missing_folder_is_refused(store, tmp_path, field):
    missing = str(tmp_path / "nowhere")
    with pytest.raises(Refused, match=f"{field}: '{missing}' is not allowed; allowed: scikit-learn or an existing"):
        prepare(CDP(**COUNTS, **{field: missing}), store)
    assert prepared(CDP(**COUNTS, **{field: missing}), store) is None


def test_a_folder_without_mnist_is_refused(store, tmp_path):
    with pytest.raises(Refused, match=f"digits: no MNIST under {tmp_path}"):
        prepare(CDP(**COUNTS, digits=str(tmp_path)), store)


def test_a_folder_without_images_is_refused_and_leaves_nothing(store, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(Refused, match=r"backgrounds: .*empty holds 0 images; at least 3 are needed"):
        prepare(CDP(**COUNTS, backgrounds=str(tmp_path / "empty")), store)
    assert list(store.root.glob("data/*")) == []


@pytest.mark.parametrize("content", [b"", b"no picture"], ids=["empty", "text"])
def test_a_corrupt_image_is_refused_by_name(store, photographs, content):
    for path in photographs.iterdir():
        path.write_bytes(content)
    with pytest.raises(Refused, match=r"backgrounds: .*\d.png cannot be decoded .*; allowed: intact images"):
        prepare(CDP(**COUNTS, backgrounds=str(photographs)), store)
    assert list(store.root.glob("data/*")) == []


def test_a_truncated_image_is_refused_by_name(store, photographs):
    for path in photographs.iterdir():
        path.write_bytes(path.read_bytes()[:-1500])
    with pytest.raises(Refused, match=r"backgrounds: .*\d.png cannot be decoded"):
        prepare(CDP(**COUNTS, backgrounds=str(photographs)), store)


def test_a_prepared_file_that_has_changed_is_noticed_when_it_is_loaded(store):
    made = prepare(SMALL, store)
    path = made.folder / "test.safetensors"
    flipped = bytearray(path.read_bytes())
    flipped[-100] ^= 1
    path.write_bytes(flipped)
    assert len(made.split("train")) == 1024
    with pytest.raises(ValueError, match=r"data: .*test.safetensors has changed since it was prepared; remove"):
        made.split("test")
