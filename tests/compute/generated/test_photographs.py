"""Folders of background photographs: the share of each split, and refusals."""

import numpy as np
import pytest
from PIL import Image

from mi_ray.compute.generated import photographs
from mi_ray.compute.generated.cdp import render
from mi_ray.compute.generated.drawings import scikit_learn_drawings, split_drawings
from mi_ray.compute.generated.photographs import folder_photographs
from mi_ray.compute.images.image_set import SPLITS

DRAWINGS = scikit_learn_drawings()
PARTS = split_drawings(DRAWINGS, seed=0)

# Folders of photographs


def photo_folder(root, n=20):
    """Real files of constant colours, one per file, in ImageNet's layout: class folders below the root."""
    for i in range(n):
        folder = root / f"n{i % 3:08d}"
        folder.mkdir(exist_ok=True, parents=True)
        Image.new("RGB", (40 + i, 50), (10 * i, 0, 0)).save(folder / f"{i}.{'png' if i % 2 else 'JPEG'}")
    return root


def test_a_folder_gives_each_split_photographs_of_its_own(tmp_path):
    folders = folder_photographs(photo_folder(tmp_path), seed=0)
    widths = {split: {photograph().shape[1] for photograph in folders[split]} for split in SPLITS}
    assert [len(widths[split]) for split in SPLITS] == [14, 3, 3]
    assert set.union(*widths.values()) == set(range(40, 60))


def test_a_folder_of_three_photographs_gives_one_to_each_split(tmp_path):
    folders = folder_photographs(photo_folder(tmp_path, n=3), seed=0)
    assert [len(folders[split]) for split in SPLITS] == [1, 1, 1]


@pytest.mark.parametrize(
    ("mode", "color"),
    [
        ("L", 120), ("RGBA", (120, 120, 120, 255)), ("RGBA", (0, 0, 0, 135)), ("LA", (0, 135)), ("P", 0),
        ("CMYK", (0, 0, 0, 135)), ("I;16", 120 * 257),
    ],
)  # fmt: skip
def test_photographs_of_every_mode_are_read_as_rgb(tmp_path, mode, color):
    path = tmp_path / ("photo.jpg" if mode == "CMYK" else "photo.png")
    Image.new(mode, (9, 7), color).save(path)
    photo = photographs.read_photograph(path)
    assert (photo.shape, photo.dtype) == ((7, 9, 3), np.uint8)
    if mode != "P":
        np.testing.assert_allclose(photo, 120, atol=1)


def test_photographs_stand_upright_over_their_matte(tmp_path):
    tags = Image.Exif()
    tags[0x0112] = 6
    Image.new("RGBA", (9, 7), (0, 0, 0, 0)).save(tmp_path / "photo.png", exif=tags)
    photo = photographs.read_photograph(tmp_path / "photo.png", "#0a141e")
    assert photo.shape == (9, 7, 3)
    assert (photo == [10, 20, 30]).all()


def test_hidden_files_and_links_upwards_are_no_photographs(tmp_path):
    before = folder_photographs(photo_folder(tmp_path), seed=0)
    photo_folder(tmp_path / "n00000000" / ".thumbnails", n=3)
    (tmp_path / "n00000001" / "up").symlink_to("..")
    after = folder_photographs(tmp_path, seed=0)
    assert {split: len(before[split]) for split in SPLITS} == {split: len(after[split]) for split in SPLITS}


def test_cdp_images_are_rendered_from_a_folder(tmp_path):
    photographs = folder_photographs(photo_folder(tmp_path), seed=0)["train"]
    data = render(
        30, DRAWINGS, PARTS["train"], photographs,
        canvas=32, mix="linear", background_weight=1.0, seed=0, split="train",
    )  # fmt: skip
    reds = {int(photograph()[0, 0, 0]) for photograph in photographs}
    assert all(image[0].max() == image[0].min() and int(image[0, 0, 0]) in reds for image in data.images)


def test_an_empty_folder_is_refused_by_name(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(FileNotFoundError, match="holds 0 images") as refusal:
        folder_photographs(tmp_path, seed=0)
    assert str(tmp_path) in str(refusal.value)


@pytest.mark.parametrize("damage", [lambda content: b"not an image", lambda content: content[: len(content) // 2]])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_corrupt_file_is_refused_by_name(tmp_path, damage, suffix):
    path = tmp_path / f"broken.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="cannot be decoded") as refusal:
        photographs.read_photograph(path)
    assert str(path) in str(refusal.value)


def test_an_over_large_image_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "huge.png"
    Image.new("1", (4001, 4000)).save(path)
    with pytest.raises(ValueError, match="16,000,000") as refusal:
        photographs.read_photograph(path)
    assert f"{path} has 4001x4000 pixels" in str(refusal.value)
