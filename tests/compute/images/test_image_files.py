"""Which files below a folder are images, which never are, and which links are followed."""

import os

import pytest
from PIL import Image
from torchvision.datasets.folder import make_dataset

from mi_ray.compute.images.image_files import ABOVE, AGAIN, BARE, HIDDEN, SPECIAL, SUFFIXES, image_files


def image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path, "PNG")
    return path


def link(path, target):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def below(folder):
    """Paths relative to the folder."""
    return [os.path.relpath(path, folder) for path in image_files(folder).paths]


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_a_suffix_counts_in_any_case(tmp_path, suffix):
    names = [f"a{suffix}", f"b{suffix.upper()}", f"c{suffix.capitalize()}"]
    for name in names:
        image(tmp_path / name)
    assert below(tmp_path) == names


def test_the_suffixes_of_public_image_folders_count():
    assert {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".bmp",
        ".gif",
        ".webp",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
    } <= SUFFIXES


def test_other_files_are_counted_by_suffix(tmp_path):
    image(tmp_path / "a.png")
    for name in ("b.txt", "sub/c.TXT", "d.heic", "README", "e.jpg.part"):
        image(tmp_path / name)
    found = image_files(tmp_path)
    assert len(found.paths) == 1
    assert found.skipped == {".txt": 2, ".heic": 1, BARE: 1, ".part": 1}


@pytest.mark.parametrize(
    "name",
    [
        ".hidden.png", "._a.png", ".ipynb_checkpoints/a.png", "__MACOSX/a.png", "__macosx/sub/a.png", "@eaDir/a.png",
        "sub/@eaDir/a.jpg/SYNOFILE_THUMB_M.jpg", ".git/a.png", "$RECYCLE.BIN/a.png", "lost+found/a.png",
        "System Volume Information/a.png", "#recycle/a.png", "Thumbs.db", "desktop.ini", ".DS_Store",
        ".thumbnails/a.png",
    ],
)  # fmt: skip
def test_hidden_and_system_files_and_folders_never_count(tmp_path, name):
    image(tmp_path / "b.png")
    image(tmp_path / name)
    assert below(tmp_path) == ["b.png"]
    assert image_files(tmp_path).skipped == {HIDDEN: 1}


def test_files_are_sorted_as_torchvision_does(tmp_path):
    for name in ("b.png", "a/z.png", "c.png", "a-b/y.png", "a/b/x.png"):
        image(tmp_path / "class" / name)
    expected = [path for path, _ in make_dataset(str(tmp_path), {"class": 0}, (".png",))]
    assert list(image_files(tmp_path / "class").paths) == expected


@pytest.mark.parametrize("target", ["..", ".", "../..", "/", "../sub"])
def test_a_link_to_a_folder_above_is_never_followed(tmp_path, target):
    image(tmp_path / "root" / "sub" / "a.png")
    link(tmp_path / "root" / "sub" / "up", target)
    found = image_files(tmp_path / "root")
    assert [os.path.basename(path) for path in found.paths] == ["a.png"]
    assert found.skipped == {ABOVE: 1}


def test_a_link_behind_a_link_that_leads_back_is_never_followed(tmp_path):
    image(tmp_path / "root" / "a.png")
    image(tmp_path / "elsewhere" / "b.png")
    link(tmp_path / "root" / "out", tmp_path / "elsewhere")
    link(tmp_path / "elsewhere" / "back", tmp_path / "root")
    link(tmp_path / "elsewhere" / "round", tmp_path / "elsewhere")
    assert below(tmp_path / "root") == ["a.png", "out/b.png"]


def test_two_folders_that_link_to_each_other_are_read_once_each(tmp_path):
    image(tmp_path / "a" / "1.png")
    image(tmp_path / "b" / "2.png")
    link(tmp_path / "a" / "to b", tmp_path / "b")
    link(tmp_path / "b" / "to a", tmp_path / "a")
    found = image_files(tmp_path)
    assert below(tmp_path) == ["a/1.png", "b/2.png"]
    assert sum(found.skipped.values()) == 2


def test_many_links_to_links_do_not_multiply(tmp_path):
    for level in range(24):
        image(tmp_path / "levels" / str(level) / "a.png")
        for side in ("left", "right"):
            link(tmp_path / "levels" / str(level) / side, tmp_path / "levels" / str(level + 1))
    image(tmp_path / "levels" / "24" / "a.png")
    assert len(image_files(tmp_path / "levels" / "0").paths) == 25


def test_a_link_to_a_folder_elsewhere_is_followed_once(tmp_path):
    image(tmp_path / "elsewhere" / "a.png")
    for name in ("one", "two"):
        link(tmp_path / "root" / name, tmp_path / "elsewhere")
    assert below(tmp_path / "root") == ["one/a.png"]
    assert image_files(tmp_path / "root").skipped == {AGAIN: 1}


@pytest.mark.parametrize("name", ["0 link.png", "z link.png"])
def test_a_file_that_is_there_counts_under_its_own_name_and_not_under_that_of_a_link(tmp_path, name):
    image(tmp_path / "a.png")
    link(tmp_path / name, "a.png")
    assert below(tmp_path) == ["a.png"]
    assert image_files(tmp_path).skipped == {AGAIN: 1}


def test_links_to_files_elsewhere_count_once_each(tmp_path):
    image(tmp_path / "elsewhere" / "a.png")
    image(tmp_path / "elsewhere" / "b.png")
    for name, target in {"1.png": "a.png", "2.png": "b.png", "3.png": "a.png"}.items():
        link(tmp_path / "root" / name, tmp_path / "elsewhere" / target)
    found = image_files(tmp_path / "root")
    assert below(tmp_path / "root") == ["1.png", "2.png"]
    assert [found.real(path) for path in found.paths] == [
        str(tmp_path / "elsewhere" / name) for name in ("a.png", "b.png")
    ]


def test_a_file_reached_by_a_link_to_it_and_by_one_to_its_folder_counts_once(tmp_path):
    image(tmp_path / "elsewhere" / "a.png")
    link(tmp_path / "root" / "0.png", tmp_path / "elsewhere" / "a.png")
    link(tmp_path / "root" / "folder", tmp_path / "elsewhere")
    assert below(tmp_path / "root") == ["0.png"]


def test_the_suffix_of_a_link_says_whether_it_is_an_image(tmp_path):
    image(tmp_path / "blobs" / "0a1b2c")
    link(tmp_path / "root" / "a.png", tmp_path / "blobs" / "0a1b2c")
    link(tmp_path / "root" / "b.txt", tmp_path / "blobs" / "0a1b2c")
    assert below(tmp_path / "root") == ["a.png"]


@pytest.mark.parametrize("name", ["a.png", "class"])
def test_a_link_to_nothing_is_refused_by_name(tmp_path, name):
    link(tmp_path / name, "gone")
    with pytest.raises(FileNotFoundError, match=f"^images: {tmp_path}/{name} is a link to gone, which is not there$"):
        image_files(tmp_path)


def test_a_link_to_nothing_that_is_no_image_is_skipped(tmp_path):
    link(tmp_path / "notes.txt", "gone")
    assert image_files(tmp_path).skipped == {".txt": 1}


def test_what_is_neither_file_nor_folder_is_skipped(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert image_files(tmp_path).skipped == {SPECIAL: 1}
