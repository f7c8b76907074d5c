"""Predictions follow what the folders hold: each is listed once, and the numbers are those that get prepared."""

import numpy as np
import pytest
from PIL import Image

from mi_ray.compute.images import catalogue
from mi_ray.experiments.declare import CDP, Embedding, Labelled, LinearEvaluation, Noise, SimCLR, Training
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.declare.images import counts
from mi_ray.experiments.declare.kind import Counts
from mi_ray.experiments.images.census import FILES_OF_A_THREAD, Census, bytes_of
from mi_ray.experiments.images.prepared import prepare
from mi_ray.experiments.plan.cost import cell_work, predicted_work
from mi_ray.experiments.plan.plan import build
from mi_ray.experiments.store.store import Store
from tests.compute.miniatures import imagenet, pacs
from tests.own import Ramps


def fill(folder, n, classes=("cat", "dog", "eel")):
    rng = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(n):
            Image.fromarray(rng.integers(256, size=(8, 8, 3), dtype=np.uint8)).save(folder / name / f"{i}.png")


def folder(root, **fields):
    return Labelled(**{"name": "folder", "root": str(root), "held_out": 0.25} | fields)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def sizes(made):
    return [len(made.split(split)) for split in ("train", "validation", "test")]


def told(counted):
    return [counted.train, counted.validation, counted.test]


def test_a_folder_is_counted_as_it_will_be_prepared(tmp_path, store):
    fill(tmp_path / "photos", 11)
    data = folder(tmp_path / "photos", negatives=Noise(images=7))
    counted = Census(store).counts(data)
    assert told(counted) == sizes(prepare(data, store)) and counted.images == 33
    assert (counted.classes, counted.negatives, counted.exact) == (3, 7, True)


def test_official_parts_domains_and_the_set_that_negatives_come_from_are_counted(tmp_path, store):
    (tmp_path / "imagenet").mkdir()
    imagenet(tmp_path / "imagenet")
    pacs(tmp_path / "pacs")
    photo = Labelled(name="pacs", root=str(tmp_path / "pacs"), domain="photo", held_out=0.25)
    data = Labelled(name="imagenet-1k", root=str(tmp_path / "imagenet"), held_out=0.25, negatives=photo)
    counted = Census(store).counts(data)
    assert told(counted) == [18, 6, 6] and (counted.classes, counted.negatives) == (3, 8)


def test_a_folder_is_listed_once_for_all_data_sets_that_read_it(tmp_path, store, monkeypatch):
    fill(tmp_path / "photos", 11)
    listed, found_in = [], catalogue.found_in
    monkeypatch.setattr(catalogue, "found_in", lambda *place: listed.append(place) or found_in(*place))
    census = Census(store)
    variants = [folder(tmp_path / "photos", seed=seed, side=side) for seed in range(3) for side in (32, 64)]
    assert len({census.counts(data) for data in variants + variants}) == 1 and len(listed) == 1


def test_own_images_are_a_guess_until_they_are_prepared(store):
    census = Census(store)
    assert census.counts(Ramps()) == counts(Ramps()) and not counts(Ramps()).exact
    assert told(census.counts(Ramps())) != sizes(made := prepare(Ramps(), store))
    assert told(census.counts(Ramps())) == sizes(made) and census.counts(Ramps()).exact


def test_a_folder_that_is_not_there_has_the_numbers_assumed(tmp_path, store):
    counted = Census(store).counts(folder(tmp_path / "nowhere"))
    assert (counted.images, counted.classes, counted.exact) == (50_000, None, False)


def test_a_layout_that_fits_nothing_is_refused(tmp_path, store):
    fill(tmp_path / "photos", 3)
    with pytest.raises(Refused, match="held_out"):
        Census(store).counts(folder(tmp_path / "photos"))


@pytest.mark.parametrize("n", [0, 1, FILES_OF_A_THREAD + 3])
def test_the_sizes_of_files_add_up_whatever_the_number_of_threads(tmp_path, n):
    (tmp_path / "file").write_bytes(b"12345")
    assert bytes_of([str(tmp_path / "file")] * n) == 5 * n


def test_files_are_measured_where_they_are_to_be_packed(tmp_path, store):
    fill(tmp_path / "photos", 11)
    measured = sum(path.stat().st_size for path in (tmp_path / "photos").rglob("*.png"))
    assert Census(store, measures_files=True).counts(folder(tmp_path / "photos")).file_bytes == measured
    assert Census(store).counts(folder(tmp_path / "photos")).file_bytes == 0


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (CDP(), Counts(train=16384, validation=4096, test=4096)),
        (Labelled(name="cifar-10"), Counts(train=45_000, validation=5_000, test=10_000, classes=10)),
        (Labelled(name="cifar-100", half="first"), Counts(train=22_500, validation=2_500, test=5_000, classes=50)),
        (Labelled(name="imagenet-1k"), Counts(train=1_153_050, validation=128_117, test=50_000, classes=1000)),
        (Labelled(name="digits", held_out=0.45), Counts(train=179, validation=809, test=809, classes=10)),
    ],
)
def test_the_facts_about_a_data_set_give_its_splits(data, expected):
    assert counts(data) == expected


def test_work_follows_what_was_counted(tmp_path, store):
    fill(tmp_path / "photos", 11)
    data = folder(tmp_path / "photos")
    frozen = Embedding(encoder=Training(data=data, pairing=SimCLR(), arch="resnet10t"))
    asked = LinearEvaluation(embedding=frozen, task="class")
    plan = build([asked], lambda data: None, Census(store).counts)
    guessed = build([asked], lambda data: None)
    assert plan.cells.keys() == guessed.cells.keys()
    by_kind = {cell.kind: cell for cell in plan.cells.values()}
    assert predicted_work(frozen) / cell_work(by_kind["embedding"]) == pytest.approx(50_000 / 33)
    assert predicted_work(asked) / cell_work(by_kind["evaluation"]) == pytest.approx(25_000 / 15 * 100 / 3)
    assert predicted_work(frozen.encoder) == cell_work(by_kind["training"])
