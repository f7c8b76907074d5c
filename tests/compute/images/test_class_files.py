"""The files of class folders: which count, which links are followed, and which files are read."""

import os
import re

import numpy as np
import pytest
from PIL import Image

from mi_ray.compute.images.catalogue import files_of, found_in
from mi_ray.compute.images.image_files import HIDDEN
from tests.compute.images.class_trees import OTHER, fill, refused, sizes
from tests.compute.miniatures import imagenet, pacs, read

# What never counts


@pytest.mark.parametrize("name", [".ipynb_checkpoints", "__MACOSX", "@eaDir", ".git", "lost+found", "$RECYCLE.BIN"])
@pytest.mark.parametrize("place", ["", "train", "train/cat", "test", "test/dog"])
def test_hidden_and_system_folders_are_neither_classes_nor_splits_nor_images(tmp_path, name, place):
    fill(tmp_path / "train")
    fill(tmp_path / "test", OTHER)
    before = sizes(tmp_path)
    fill(tmp_path / place / name)
    assert sizes(tmp_path) == before
    assert found_in("folder", tmp_path).skipped == {HIDDEN: 1}


@pytest.mark.parametrize("target", ["..", "../..", "."])
def test_a_link_upwards_adds_no_image_wherever_it_is(tmp_path, target):
    fill(tmp_path / "root")
    before = sizes(tmp_path / "root")
    (tmp_path / "root" / "cat" / "up").symlink_to(target)
    (tmp_path / "root" / "up").symlink_to(target)
    assert sizes(tmp_path / "root") == before


@pytest.mark.parametrize("suffix", ["jfif", "jpe", "gif", "bmp", "tif", "ppm", "JPG"])
def test_images_of_every_suffix_are_read(tmp_path, suffix):
    fill(tmp_path, n=6)
    for name in ("cat", "dog"):
        for i in range(4):
            old = Image.open(tmp_path / name / f"{i}.png")
            old.save(tmp_path / name / f"{i}.{suffix}", "JPEG" if suffix in ("jfif", "jpe", "JPG") else None)
            (tmp_path / name / f"{i}.png").unlink()
    assert sum(sizes(tmp_path)[1]) == 12


def test_files_beside_the_classes_are_counted(tmp_path):
    fill(tmp_path)
    (tmp_path / "labels.csv").write_text("")
    Image.new("RGB", (8, 8)).save(tmp_path / "cover.png")
    assert found_in("folder", tmp_path).skipped == {".csv": 1, ".png": 1}


# Links


def test_classes_may_be_links_to_folders_elsewhere(tmp_path):
    fill(tmp_path / "elsewhere")
    (tmp_path / "root").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / "root" / name).symlink_to(tmp_path / "elsewhere" / name)
    assert sizes(tmp_path / "root") == sizes(tmp_path / "elsewhere")


def to_the_same_class(root):
    (root / "train" / "tom").symlink_to("cat")
    (root / "test" / "tom").symlink_to("cat")


def to_a_file_of_another_class(root):
    (root / "train" / "dog" / "cat.png").symlink_to("../cat/3.png")


def to_a_folder_of_another_part(root):
    (root / "test" / "cat" / "more").symlink_to("../../train/cat")


def to_a_whole_part(root):
    (root / "val").symlink_to("test")


@pytest.mark.parametrize(
    "spoil", [to_the_same_class, to_a_file_of_another_class, to_a_folder_of_another_part, to_a_whole_part]
)
def test_a_file_in_two_classes_or_two_splits_is_refused(tmp_path, spoil):
    fill(tmp_path / "train")
    fill(tmp_path / "test", OTHER)
    spoil(tmp_path)
    refused(tmp_path, r"^folder: \S+\.png and \S+\.png are one file; allowed: one class and one split for every file$")


def test_a_root_that_is_a_link_is_read_like_its_target(tmp_path):
    fill(tmp_path / "photos")
    (tmp_path / "link").symlink_to("photos")
    assert sizes(tmp_path / "link") == sizes(tmp_path / "photos")


# Other data sets, and the files that are read


def test_imagenet_and_pacs_leave_out_hidden_folders_too(tmp_path):
    (tmp_path / "imagenet").mkdir()
    imagenet(tmp_path / "imagenet")
    pacs(tmp_path / "pacs")
    before = [read(name, tmp_path / place)[1] for name, place in (("imagenet-1k", "imagenet"), ("pacs", "pacs"))]
    for place in ("imagenet/train", "imagenet/val", "pacs/photo", "pacs/sketch"):
        fill(tmp_path / place / ".ipynb_checkpoints")
    assert [
        read(name, tmp_path / place)[1] for name, place in (("imagenet-1k", "imagenet"), ("pacs", "pacs"))
    ] == before


def test_the_files_that_are_read_are_those_that_are_listed(tmp_path):
    fill(tmp_path / "root")
    fill(tmp_path / "elsewhere", classes=("more",))
    (tmp_path / "root" / "cat" / "link").symlink_to(tmp_path / "elsewhere" / "more")
    splits, _ = read("folder", tmp_path / "root")
    names = [name for split in splits.values() for name in split.names]
    listed = [os.path.relpath(path, tmp_path / "root") for path in files_of("folder", tmp_path / "root")]
    assert sorted(names) == sorted(listed)
    assert len(listed) == 24
    for split in splits.values():
        np.testing.assert_array_equal([listed[source] for source in split.sources], split.names)


def test_a_link_to_nothing_is_refused_wherever_it_is(tmp_path):
    fill(tmp_path)
    (tmp_path / "eel").symlink_to("gone")
    refused(tmp_path, re.escape(f"{tmp_path}/eel is a link to gone, which is not there"))
