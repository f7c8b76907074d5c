"""The table of data sets, the files that each needs, and refusals of corrupt or wrongly sorted files."""

import struct
import subprocess
import sys
from typing import get_args

import numpy as np
import pytest
from torchvision import datasets as torchvision_datasets

from mi_ray.compute.images.catalogue import DATASETS, Dataset, catalogue_of, missing
from tests.compute.miniatures import (
    EVERY,
    TEST,
    TRAIN,
    WNIDS,
    WRITTEN,
    cifar,
    imagenet,
    miniature,
    mnist,
    read,
    stl,
    tree,
)

# The table


@pytest.mark.parametrize("name", EVERY)
def test_a_row_states_the_classes_domains_and_tasks_that_its_reader_finds(tmp_path, monkeypatch, name):
    options = miniature(name, tmp_path, monkeypatch)
    row = DATASETS[name]
    assert set(options) == ({"class_list"} if row.needs_class_list else set())
    found = catalogue_of(name, tmp_path if row.needs_root else None, **options)
    assert found.values[1:] == ((row.domains,) if row.domains else ())
    assert found.attributes.shape[1] == len(row.tasks)
    if name not in ("imagenet-1k", "imagenet-100", "pacs", "folder"):  # the miniatures of these have fewer classes
        assert len(found.values[0]) == row.n_classes


def test_every_name_has_a_row():
    assert set(EVERY) == set(get_args(Dataset)) == set(DATASETS)


def test_halves_are_of_an_even_number_of_classes():
    assert {name for name, row in DATASETS.items() if row.has_halves} == {"cifar-10", "cifar-100", "digits"}
    assert all(row.n_classes % 2 == 0 for row in DATASETS.values() if row.has_halves)


# What must be on disk


@pytest.mark.parametrize(
    ("name", "first", "count"),
    [
        ("cifar-10", "cifar-10-batches-py/data_batch_1", 7),
        ("cifar-100", "cifar-100-python/train", 3),
        ("stl-10", "stl10_binary/train_X.bin", 5),
        ("svhn", "train_32x32.mat", 2),
        ("mnist", "MNIST/raw/train-images-idx3-ubyte", 4),
        ("imagenet-1k", "train/", 2),
        ("pacs", "art_painting/", 4),
        ("folder", "", 1),
    ],
)
def test_what_is_missing_is_named_with_its_place(tmp_path, name, first, count):
    root = tmp_path / "nowhere"
    absent = missing(name, root)
    assert (absent[0], len(absent)) == (f"{root}/{first}", count)
    with pytest.raises(FileNotFoundError, match=f"{name}: expected {root}/{first}"):
        read(name, root)


@pytest.mark.parametrize("name", EVERY)
def test_nothing_is_missing_from_a_whole_data_set(tmp_path, monkeypatch, name):
    assert missing(name, tmp_path, **miniature(name, tmp_path, monkeypatch)) == []


def test_nothing_is_missing_from_digits_whatever_the_root(tmp_path):
    assert missing("digits") == missing("digits", tmp_path / "nowhere") == []


@pytest.mark.parametrize("name", WRITTEN)
def test_every_other_data_set_needs_a_root(tmp_path, monkeypatch, name):
    options = miniature(name, tmp_path, monkeypatch)
    with pytest.raises(ValueError, match=f"root: None is not allowed for {name}; allowed: the folder that holds it"):
        missing(name, **options)
    with pytest.raises(ValueError, match="root: None is not allowed"):
        read(name, **options)


def test_one_missing_batch_is_named(tmp_path, monkeypatch):
    cifar(tmp_path, monkeypatch)
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").unlink()
    assert missing("cifar-10", tmp_path) == [f"{tmp_path}/cifar-10-batches-py/data_batch_3"]


@pytest.mark.parametrize("kind", ["CIFAR10", "CIFAR100", "STL10"])
def test_the_files_expected_are_those_that_torchvision_checks(tmp_path, kind):
    kind = getattr(torchvision_datasets, kind)
    name = {"CIFAR10": "cifar-10", "CIFAR100": "cifar-100", "STL10": "stl-10"}[kind.__name__]
    own = kind.meta["filename"] if hasattr(kind, "meta") else kind.class_names_file
    files = [file for file, _ in (*kind.train_list, *kind.test_list) if file != "unlabeled_X.bin"]
    assert missing(name, tmp_path) == [f"{tmp_path}/{kind.base_folder}/{file}" for file in (*files, own)]


def test_the_unlabelled_images_of_stl_10_are_not_looked_at(tmp_path, monkeypatch):
    stl(tmp_path, monkeypatch)
    (tmp_path / "stl10_binary" / "unlabeled_X.bin").write_bytes(b"half a download")
    assert missing("stl-10", tmp_path) == []
    splits, _ = read("stl-10", tmp_path)
    assert sum(map(len, splits.values())) == 10 * (TRAIN + TEST)


def test_a_file_where_a_folder_belongs_is_missing(tmp_path):
    (tmp_path / "photo").write_text("no folder")
    assert missing("folder", tmp_path / "photo") == [f"{tmp_path}/photo/"]


def test_looking_for_what_is_missing_does_not_import_torch(tmp_path):
    code = (
        "import sys; from pathlib import Path; from mi_ray.compute.images.catalogue import missing;"
        f"missing('cifar-10', Path({str(tmp_path)!r})); missing('digits'); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_wnid_of_the_class_list_is_refused_by_name(tmp_path):
    imagenet(tmp_path)
    listed = tmp_path / "classes.txt"
    listed.write_text("n01440764\nn99999999\n")
    absent = [f"{tmp_path}/{part}/n99999999/" for part in ("train", "val")]
    assert missing("imagenet-100", tmp_path, listed) == absent
    with pytest.raises(FileNotFoundError, match=f"{absent[0]}.*; the classes are those of {listed}"):
        read("imagenet-100", tmp_path, class_list=listed)


@pytest.mark.parametrize("text", ["", "n01440764\nn01440764\n"])
def test_an_empty_or_repetitive_class_list_is_refused(tmp_path, text):
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(ValueError, match="is empty or repeats a wnid"):
        missing("imagenet-100", tmp_path, tmp_path / "classes.txt")


def test_a_class_list_goes_with_imagenet_100_alone(tmp_path):
    assert missing("imagenet-100", tmp_path, tmp_path / "none.txt") == [f"{tmp_path}/none.txt"]
    with pytest.raises(ValueError, match="class_list: None is not allowed for imagenet-100"):
        missing("imagenet-100", tmp_path)
    with pytest.raises(ValueError, match=r"class_list: .* is not allowed for imagenet-1k"):
        read("imagenet-1k", tmp_path, class_list=tmp_path / "classes.txt")


# What is in it


@pytest.mark.parametrize("name", ["cifar-10", "stl-10", "mnist"])
def test_a_truncated_file_is_refused(tmp_path, monkeypatch, name):
    miniature(name, tmp_path, monkeypatch)
    path = {
        "cifar-10": tmp_path / "cifar-10-batches-py" / "data_batch_1",
        "stl-10": tmp_path / "stl10_binary" / "train_X.bin",
        "mnist": tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte",
    }[name]
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match=f"{name}: a file under {tmp_path} is corrupt"):
        read(name, tmp_path)


@pytest.mark.parametrize("labels", [np.zeros(20), np.full(80, 10)], ids=["too few", "of no class"])
def test_mnist_whose_labels_do_not_fit_is_refused(tmp_path, labels):
    mnist(tmp_path)
    content = struct.pack(">II", 2049, len(labels)) + labels.astype(np.uint8).tobytes()
    (tmp_path / "MNIST" / "raw" / "train-labels-idx1-ubyte").write_bytes(content)
    with pytest.raises(ValueError, match=f"mnist: a file under {tmp_path} is corrupt: the labels do not fit"):
        read("mnist", tmp_path)


def test_a_class_without_images_is_refused_by_name(tmp_path):
    tree(tmp_path, ("cat", "dog"), TRAIN)
    (tmp_path / "eel").mkdir()
    with pytest.raises(FileNotFoundError, match=f"folder: no images in {tmp_path}/eel; allowed: "):
        read("folder", tmp_path)


def test_a_class_that_the_test_part_lacks_is_refused_by_name(tmp_path):
    imagenet(tmp_path)
    (tmp_path / "val" / WNIDS[1]).rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=f"only one of .*train and .*val has {WNIDS[1]}"):
        read("imagenet-1k", tmp_path)


def test_a_test_part_that_is_not_sorted_into_classes_is_refused(tmp_path):
    tree(tmp_path / "train", [f"n{i:08d}" for i in range(9)], 2)
    (tmp_path / "val").mkdir()
    with pytest.raises(ValueError, match=r"has n00000000, .*, n00000004 and 4 more; both need every class"):
        read("imagenet-1k", tmp_path)


def test_a_single_class_is_refused(tmp_path):
    tree(tmp_path, ("cat",), TRAIN)
    with pytest.raises(ValueError, match=r"holds 1 class folders \(cat\); at least 2 are needed"):
        read("folder", tmp_path)
