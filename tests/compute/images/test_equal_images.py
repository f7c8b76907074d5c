"""A split of (nearly) equal images is refused; one with some duplicates, or of noise, is not."""

from contextlib import nullcontext

import numpy as np
import pytest
from PIL import Image

from mi_ray.compute.generated.photographs import refuse_flat
from mi_ray.compute.images.alike import refuse_equal, refuse_single
from mi_ray.compute.images.image_set import ImageSet
from tests.compute.miniatures import read


def noise(n, seed=0):
    return np.random.default_rng(seed).integers(256, size=(n, 3, 4, 4), dtype=np.uint8)


def names(n):
    return tuple(f"cat/{i}.png" for i in range(n))


def with_copies(n, copies):
    images = noise(n)
    images[n - copies :] = images[-1]
    return images


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (
            with_copies(10, 10),
            "10 images, 1 of them distinct; 10 have the same pixels, such as cat/0.png and cat/1.png",
        ),
        (with_copies(10, 6), "10 images, 5 of them distinct; 6 have the same pixels, such as cat/4.png and cat/5.png"),
        (
            np.repeat(noise(2), 5, axis=0),
            "10 images, 2 of them distinct; 5 have the same pixels, such as cat/0.png and",
        ),
        (
            noise(10) % 3,
            "10 images, 10 of them distinct; all values are 0 to 2 of 255, such as cat/0.png and cat/9.png",
        ),
        (255 - noise(10) % 2, "10 images, 10 of them distinct; all values are 254 to 255 of 255"),
    ],
)
def test_a_split_of_equal_images_is_refused_with_two_of_them(images, said):
    with pytest.raises(ValueError, match=f"^folder: train: {said}") as refused:
        refuse_equal("folder: train", images, names(len(images)))
    flat, repeated = "values more than 2 levels apart", "at least 3 distinct images, none of them more than half"
    assert str(refused.value).endswith(f"; allowed: {flat if 'all values' in said else repeated}")


@pytest.mark.parametrize("images", [with_copies(10, 5), noise(3), noise(10) % 4, np.repeat(noise(4), 25, axis=0)])
def test_other_splits_are_not(images):
    refuse_equal("folder: train", images, names(len(images)))


@pytest.mark.parametrize("part", ["train", "test"])
def test_every_split_of_a_data_set_is_looked_at(tmp_path, part):
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(8):
                level = 255 if split == part else 10 * i
                Image.new("RGB", (8, 8), (level, level, 80 if name == "cat" else 160)).save(
                    tmp_path / split / name / f"{i}.png"
                )
    with pytest.raises(ValueError, match=f"^folder: {part}: .* have the same pixels, such as {part}/cat/"):
        read("folder", tmp_path)


def test_images_that_differ_outside_the_square_alone_are_equal(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i in range(8):
            image = Image.new("RGB", (24, 8), (90, 90, 90))
            image.paste((10 * i, 0, 0), (0, 0, 4, 8))
            image.save(tmp_path / name / f"{i}.png")
    with pytest.raises(ValueError, match="1 of them distinct"):
        read("folder", tmp_path)


@pytest.mark.parametrize(("of_one_colour", "is_refused"), [(0, False), (4, False), (5, True), (8, True)])
def test_photographs_of_one_colour_are_refused_where_they_are_most(tmp_path, of_one_colour, is_refused):
    rng = np.random.default_rng(0)
    for i in range(8):
        flat = np.full((6, 5, 3), (200, 30, i % 2), np.uint8)
        pixels = flat if i < of_one_colour else rng.integers(256, size=(6, 5, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    with (
        pytest.raises(ValueError, match=f"{of_one_colour} of 8 .* one and the same colour")
        if is_refused
        else nullcontext()
    ):
        refuse_flat(tmp_path)


def test_grey_levels_of_12_bits_in_files_of_16_are_no_photographs(tmp_path):
    for i in range(8):
        values = np.random.default_rng(i).integers(256, size=(6, 5)).astype(np.uint16)
        Image.fromarray(values).save(tmp_path / f"{i}.png")
    with pytest.raises(ValueError, match="8 of 8 photographs"):
        refuse_flat(tmp_path)


def test_photographs_of_different_colours_are_allowed(tmp_path):
    for i in range(8):
        Image.new("RGB", (6, 5), (30 * i, 0, 255 - 30 * i)).save(tmp_path / f"{i}.png")
    refuse_flat(tmp_path)


def test_a_class_whose_images_are_all_one_is_refused_by_name():
    images, labels = noise(12), np.repeat(np.arange(3), 4)[:, None]
    names = tuple(f"{i}.png" for i in range(12))
    refuse_single("folder: test", ImageSet(images, labels, np.arange(12), names), ["cat", "dog", "owl"])
    images[4:8] = images[4]
    with pytest.raises(
        ValueError, match=r"^folder: test: all images of a class .* pixels: dog \(4, 4.png\); allowed: at"
    ):
        refuse_single("folder: test", ImageSet(images, labels, np.arange(12), names), ["cat", "dog", "owl"])
