"""Generated photographs have ImageNet-100's layout and counts; all differ; a run that was interrupted goes on."""

from __future__ import annotations

import io
from hashlib import sha256

import numpy as np
import pytest
from PIL import Image

from benchmarks import photographs
from benchmarks.photographs import TEST, TRAIN, WNIDS, ClassFolder, counts, photograph, write
from mi_ray.compute.images.catalogue import found_in


def encoded(split: str, label: int, number: int) -> bytes:
    file = io.BytesIO()
    photograph(split, label, number)[1](file)
    return file.getvalue()


def test_classes_and_counts_are_those_of_imagenet_100():
    assert len(set(WNIDS)) == 100 and all(len(wnid) == 9 and wnid[0] == "n" for wnid in WNIDS)
    assert sum(counts()["train"]) == TRAIN == 126_689
    assert counts()["val"] == [50] * 100 and TEST == 5_000
    assert max(counts()["train"]) == 1300
    few = counts(13_000)
    assert abs(sum(map(sum, few.values())) - 13_000) < 150
    assert all(a <= b for split in few for a, b in zip(few[split], counts()[split], strict=True))


def test_a_photograph_is_the_same_again_and_no_other():
    files = [encoded(split, label, i) for split in ("train", "val") for label in range(20) for i in range(5)]
    assert len({sha256(file).digest() for file in files}) == len(files)
    assert encoded("train", 0, 0) == files[0]


def test_sizes_and_jpeg_settings_vary_like_those_of_photographs():
    images = [Image.open(io.BytesIO(encoded("train", i % 100, i))) for i in range(300)]
    sizes = np.array([image.size for image in images])
    assert 430 < sizes[:, 0].mean() < 520 and 350 < sizes[:, 1].mean() < 450
    assert sizes.min() < 250 and sizes.max() > 900
    assert 0 < sum(image.mode == "L" for image in images) < 20
    assert {image.mode for image in images} == {"RGB", "L"}


def test_the_largest_photographs_can_be_made(monkeypatch):
    monkeypatch.setattr(
        photographs, "size_of", lambda rng: (int(rng.integers(1150, 2401)), int(rng.integers(100, 2401)))
    )
    for number in range(100):
        width, height = photographs.photograph("train", 1, number)[0].size
        assert max(width, height) >= 1150 and min(width, height) >= 100


@pytest.mark.parametrize(("label", "number"), [(50, 516), (52, 870)])
def test_progressive_files_may_have_more_bytes_than_pixels(label, number):
    image = Image.open(io.BytesIO(file := encoded("train", label, number)))
    assert image.info["progressive"] and len(file) > image.width * image.height


def test_a_folder_is_read_as_imagenet_100_and_goes_on_where_it_stopped(tmp_path):
    write(tmp_path, 300, workers=1)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.JPEG")}
    lost = next(iter(files))
    lost.unlink()
    n, _ = write(tmp_path, 300, workers=1)
    assert n == len(files) == sum(map(sum, counts(300).values()))
    again = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.JPEG")}
    assert again.keys() == files.keys() and {path for path in files if files[path] != again[path]} == {lost}
    found = found_in("imagenet-100", tmp_path, tmp_path / "wnids.txt")
    assert found.classes == WNIDS and len(found.files()) == n


def test_a_folder_of_another_size_is_refused(tmp_path):
    folder = ClassFolder(tmp_path, "val", 3, 2)
    folder.write()
    with pytest.raises(SystemExit, match="allowed: a folder of this size"):
        ClassFolder(tmp_path, "val", 3, 1).write()
