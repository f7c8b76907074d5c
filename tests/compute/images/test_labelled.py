"""Labelled photographs: splits, labels and pixels of miniature data sets, and refusals."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from torchvision import datasets as torchvision_datasets
from torchvision.transforms.functional import center_crop, resize

from mi_ray.compute.images.catalogue import DOMAINS
from mi_ray.compute.images.image_set import SPLITS, Squares, content_digest
from tests.compute.miniatures import (
    EVERY,
    OFFICIAL,
    TEST,
    TRAIN,
    WNIDS,
    WRITTEN,
    imagenet,
    miniature,
    mnist,
    pacs,
    pictures,
    read,
    stl,
    svhn,
    tree,
)

# What every data set gives


@pytest.mark.parametrize("name", EVERY)
def test_splits_are_disjoint_and_cover_the_data_set(tmp_path, monkeypatch, name):
    splits, _ = read(name, tmp_path, **miniature(name, tmp_path, monkeypatch))
    assert tuple(splits) == SPLITS
    together = np.concatenate([splits[split].sources for split in SPLITS])
    np.testing.assert_array_equal(np.sort(together), np.arange(len(together)))
    for data in splits.values():
        assert (data.images.dtype, data.images.shape) == (np.uint8, (len(data.sources), 3, 8, 8))
        assert (data.attributes.dtype, data.attributes.shape[1]) == (np.int64, 2 if name == "pacs" else 1)


@pytest.mark.parametrize("name", WRITTEN)
def test_every_split_has_its_share_of_every_class(tmp_path, monkeypatch, name):
    splits, classes = read(name, tmp_path, **miniature(name, tmp_path, monkeypatch))
    held = TRAIN // 4
    train = TRAIN - held if name in OFFICIAL else TRAIN - 2 * held
    for split, expected in zip(SPLITS, (train, held, TEST), strict=True):
        cells, counts = np.unique(splits[split].attributes, axis=0, return_counts=True)
        assert len(cells) == len(classes) * (len(DOMAINS) if name == "pacs" else 1)
        assert set(counts) == {expected}


@pytest.mark.parametrize("name", OFFICIAL)
def test_the_test_split_is_the_official_test_part_whatever_the_seed(tmp_path, monkeypatch, name):
    options = miniature(name, tmp_path, monkeypatch)
    for seed in (0, 1):
        splits, classes = read(name, tmp_path, seed=seed, **options)
        np.testing.assert_array_equal(splits["test"].sources, len(classes) * TRAIN + np.arange(len(classes) * TEST))


@pytest.mark.parametrize("name", EVERY)
def test_the_same_arguments_give_the_same_bytes_and_another_seed_others(tmp_path, monkeypatch, name):
    options = miniature(name, tmp_path, monkeypatch)
    one, two, other = (
        content_digest(read(name, tmp_path, **options, **more)[0])
        for more in ({}, {}, {"seed": 1})
    )  # fmt: skip
    assert one == two != other


@pytest.mark.parametrize(("name", "native"), [("cifar-10", 32), ("cifar-100", 32), ("stl-10", 96)])
def test_pixels_label_and_source_belong_together(tmp_path, monkeypatch, name, native):
    miniature(name, tmp_path, monkeypatch)
    splits, classes = read(name, tmp_path, side=native)
    assert classes == tuple(f"class {i:02d}" for i in range(len(classes)))
    for split, data in splits.items():
        labels, place = data.attributes[:, 0], data.sources - (split == "test") * len(classes) * TRAIN
        if name == "cifar-10":  # its batches count from 0 anew
            place = place % (16 if split != "test" else len(classes) * TEST)
        expected = pictures(labels, native, native)
        expected[:, 1] = (place % 256)[:, None, None]
        np.testing.assert_array_equal(data.images, expected)


def test_the_quarter_that_marks_up_and_left_stays_there(tmp_path, monkeypatch):
    blue = np.zeros((96, 96), dtype=np.uint8)
    blue[:48, :48] = 200
    stl(tmp_path, monkeypatch)
    monkeypatch.setattr(torchvision_datasets.STL10, "train_list", torchvision_datasets.STL10.train_list[:2])
    upright = np.asarray(torchvision_datasets.STL10(tmp_path)[0][0])[:, :, 2]
    np.testing.assert_array_equal(upright, blue)
    np.testing.assert_array_equal(read("stl-10", tmp_path, side=96)[0]["train"].images[0, 2], blue)


def test_svhn_is_labelled_by_its_digits_and_upright(tmp_path, monkeypatch):
    svhn(tmp_path, monkeypatch)
    splits, classes = read("svhn", tmp_path, side=32)
    assert classes == tuple("0123456789")
    for split, data in splits.items():
        expected = pictures(data.attributes[:, 0], 32, 32)
        expected[:, 1] = (data.sources - (split == "test") * 10 * TRAIN)[:, None, None]
        np.testing.assert_array_equal(data.images, expected)


def test_mnist_is_grey_and_labelled_by_its_digits(tmp_path):
    mnist(tmp_path)
    splits, classes = read("mnist", tmp_path, side=28)
    assert classes[3] == "3 - three"
    for data in splits.values():
        assert (data.images[..., :21, :] == data.attributes[:, :, None, None]).all()


def test_imagenet_classes_are_its_wnids_and_val_is_the_test_split(tmp_path):
    imagenet(tmp_path)
    splits, classes = read("imagenet-1k", tmp_path)
    assert classes == WNIDS
    for data in splits.values():
        np.testing.assert_allclose(data.images[:, 0, 4, 4], 40.0 * data.attributes[:, 0], atol=3)


def test_the_unlabelled_test_folder_of_imagenet_is_left_alone(tmp_path):
    imagenet(tmp_path)
    before = content_digest(read("imagenet-1k", tmp_path)[0])
    (tmp_path / "test").mkdir()
    assert content_digest(read("imagenet-1k", tmp_path)[0]) == before


@pytest.mark.parametrize("text", ["n03888257\nn01440764\n", "n03888257 n01440764"])
def test_imagenet_100_takes_the_classes_of_its_list_in_order_of_wnid(tmp_path, text):
    imagenet(tmp_path)
    (tmp_path / "classes.txt").write_text(text)
    splits, classes = read("imagenet-100", tmp_path, class_list=tmp_path / "classes.txt")
    assert classes == ("n01440764", "n03888257")
    for data in splits.values():
        np.testing.assert_allclose(data.images[:, 0, 4, 4], 80.0 * data.attributes[:, 0], atol=3)


def test_pacs_tells_class_and_domain(tmp_path):
    pacs(tmp_path)
    splits, classes = read("pacs", tmp_path)
    assert classes == ("dog", "elephant")
    for data in splits.values():
        np.testing.assert_allclose(data.images[:, 0, 4, 4], 40.0 * data.attributes[:, 0], atol=3)
        np.testing.assert_array_equal(data.attributes[:, 1], data.sources // (2 * TRAIN))


@pytest.mark.parametrize("part", ["test", "val"])
def test_a_folder_with_a_test_part_keeps_it(tmp_path, part):
    tree(tmp_path / "train", ("cat", "dog"), TRAIN)
    tree(tmp_path / part, ("cat", "dog"), TEST)
    splits, classes = read("folder", tmp_path)
    assert classes == ("cat", "dog")
    assert splits["test"].sources.tolist() == [16, 17, 18, 19]


# scikit-learn's digits


def test_digits_are_all_1797_drawings_cut_in_three_by_class():
    splits, classes = read("digits", held_out=0.1)
    assert classes == tuple("0123456789")
    assert [len(splits[split]) for split in SPLITS] == [1439, 179, 179]
    for split in ("validation", "test"):
        assert set(np.bincount(splits[split].attributes[:, 0])) <= {17, 18}


def test_digits_keep_their_ink_label_and_place():
    drawn = load_digits()
    for data in read("digits")[0].values():
        np.testing.assert_array_equal(data.attributes[:, 0], drawn.target[data.sources])
        for channel in range(3):
            np.testing.assert_allclose(data.images[:, channel] * (16 / 255), drawn.images[data.sources], atol=0.04)


def test_digits_read_the_same_from_any_root(tmp_path):
    one, two = (content_digest(read("digits", root)[0]) for root in (None, tmp_path / "nowhere"))
    assert one == two


# Pixels


def one_image(root, image, file, **options):
    """The pixels of an image after it is read from a folder with other images."""
    for name in ("a", "b"):
        (root / name).mkdir()
        for i in range(TRAIN):
            Image.new("RGB", (9, 9), (10 * i, 0, ord(name))).save(root / name / f"other {i}.png")
    image.save(root / "a" / f"one{file}", **options)
    for split in read("folder", root, side=20)[0].values():
        if f"a/one{file}" in split.names:
            return split.images[split.names.index(f"a/one{file}")]
    raise AssertionError("the image is in no split")


@pytest.mark.parametrize(
    ("mode", "color", "file"),
    [
        ("L", 120, ".jpg"),
        ("CMYK", (0, 0, 0, 135), ".jpg"),
        ("RGBA", (120, 120, 120, 255), ".png"),
        ("RGBA", (0, 0, 0, 135), ".png"),
        ("LA", (0, 135), ".png"),
        ("I;16", 120 * 257, ".png"),
        ("F", 120 / 255, ".tif"),
    ],
)
def test_images_of_every_mode_are_read_as_rgb_over_white(tmp_path, mode, color, file):
    np.testing.assert_allclose(one_image(tmp_path, Image.new(mode, (30, 25), color), file), 120, atol=1)


@pytest.mark.parametrize("size", [(20, 20), (33, 20), (20, 47)])
def test_native_pixels_are_kept(tmp_path, size):
    noise = np.random.default_rng(0).integers(256, size=(size[1], size[0], 3), dtype=np.uint8)
    left, top = (size[0] - 20) // 2, (size[1] - 20) // 2
    pixels = one_image(tmp_path, Image.fromarray(noise), ".png")
    np.testing.assert_array_equal(pixels, noise[top : top + 20, left : left + 20].transpose(2, 0, 1))


@pytest.mark.parametrize("size", [(100, 60), (60, 100), (10, 14), (61, 61)])
def test_resizing_is_that_of_torchvision(tmp_path, size):
    down, right = np.meshgrid(np.linspace(0, 1, size[1]), np.linspace(0, 1, size[0]), indexing="ij")
    waves = np.stack([np.sin(5 * down), np.cos(4 * right), down * right], axis=2)
    photo = Image.fromarray((120 + 100 * waves).astype(np.uint8))
    expected = np.asarray(center_crop(resize(photo, 20), 20)).transpose(2, 0, 1).astype(int)
    np.testing.assert_allclose(one_image(tmp_path, photo, ".png"), expected, atol=8)


def test_shrinking_is_antialiased(tmp_path):
    stripes = np.zeros((200, 200, 3), dtype=np.uint8)
    stripes[:, ::2] = 200
    np.testing.assert_allclose(one_image(tmp_path, Image.fromarray(stripes), ".png")[:, :, 1:-1], 100, atol=3)


# Refusals


@pytest.mark.parametrize("damage", [lambda content: b"no image", lambda content: content[: len(content) // 2]])
@pytest.mark.parametrize("form", ["square", "photograph"])
def test_a_corrupt_image_is_refused_by_name(tmp_path, damage, form):
    tree(tmp_path, ("cat", "dog"), TRAIN)
    path = tmp_path / "dog" / "dog_5.JPEG"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=f"folder: {path} cannot be decoded"):
        read("folder", tmp_path, form=form)


def test_a_class_with_too_few_images_is_refused_by_name(tmp_path):
    tree(tmp_path, ("cat", "dog"), TRAIN)
    for i in range(2, TRAIN):
        (tmp_path / "dog" / f"dog_{i}.JPEG").unlink()
    with pytest.raises(
        ValueError,
        match=r"^folder: with held_out 0.25, a split gets fewer than 2 images of dog \(train 2, validation 0, test 0\);"
        r" allowed: 4 more images of dog$",
    ):
        read("folder", tmp_path)


def test_a_class_that_is_scarce_in_one_domain_is_refused_by_both_names(tmp_path):
    pacs(tmp_path)
    for i in range(1, TRAIN):
        (tmp_path / "photo" / "dog" / f"dog_{i}.jpg").unlink()
    with pytest.raises(ValueError, match=r"images of dog, photo \(train 1, validation 0, test 0\)"):
        read("pacs", tmp_path)


def test_squares_of_files_beyond_the_byte_budget_are_streamed_with_the_same_pixels_and_digest(tmp_path):
    tree(tmp_path, ("cat", "dog"), TRAIN)
    need = 2 * TRAIN * 3 * 64**2
    resident, _ = read("folder", tmp_path, side=64, byte_budget=need)
    streamed, _ = read("folder", tmp_path, side=64, byte_budget=need - 1)
    for split, images in resident.items():
        assert isinstance(images.images, np.ndarray)
        assert isinstance(streamed[split].images, Squares)
        every = np.arange(len(images))
        np.testing.assert_array_equal(streamed[split].pixels(every), images.images)
        np.testing.assert_array_equal(streamed[split].identities, images.identities)
        assert list(streamed[split].names) == list(images.names)
    assert content_digest(streamed) == content_digest(resident)


def test_images_without_files_beyond_the_byte_budget_are_refused_with_the_sum_and_a_side_that_fits():
    need = 1797 * 3 * 64**2
    with pytest.raises(ValueError, match=r"1,797 images x 3 x 64 x 64 = 22,081,536 bytes .* such as side 32"):
        read("digits", side=64, byte_budget=need - 1)
    with pytest.raises(ValueError, match=r"allowed: at most 1,000,000, less than side 32 takes$"):
        read("digits", side=64, byte_budget=1_000_000)


@pytest.mark.parametrize("held_out", [0.0, -0.1, 0.5, 1.0])
def test_a_share_that_leaves_nothing_is_refused(tmp_path, held_out):
    with pytest.raises(ValueError, match=r"held_out: .* allowed: a share above 0 and below 0\.5"):
        read("folder", tmp_path, held_out=held_out)
