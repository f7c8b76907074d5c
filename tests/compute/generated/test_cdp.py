"""The colour-digit-position images (Sec. III-B, Fig. 2): their formula, their splits, the files they are made from."""

import struct

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from mi_ray.compute.generated import drawings
from mi_ray.compute.generated.cdp import render
from mi_ray.compute.generated.drawings import mnist_drawings, scikit_learn_drawings, split_drawings
from mi_ray.compute.generated.photographs import scikit_learn_photographs
from mi_ray.compute.images.image_set import SPLITS, ImageSet, content_digest
from mi_ray.theory.tasks import COLORS, DIGITS, POSITIONS, Task

DRAWINGS = scikit_learn_drawings()
PARTS = split_drawings(DRAWINGS, seed=0)
PHOTOGRAPHS = scikit_learn_photographs()
INK = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "white": (1, 1, 1)}


def cdp(n=200, split="train", seed=0, canvas=32, mix="linear", background_weight=0.3) -> ImageSet:
    return render(
        n, DRAWINGS, PARTS[split], PHOTOGRAPHS[split],
        canvas=canvas, mix=mix, background_weight=background_weight, seed=seed, split=split,
    )  # fmt: skip


def digest(data):
    return content_digest({"train": data})


# What an image is


def test_the_same_seed_draws_the_same_bytes():
    one, two = cdp(seed=3), cdp(seed=3)
    assert one.images.tobytes() == two.images.tobytes()
    assert digest(one) == digest(two)


def test_another_seed_or_split_draws_another_digest():
    assert len({digest(cdp()), digest(cdp(seed=1)), digest(cdp(split="test"))}) == 3


def test_the_digest_sees_every_array_and_the_name_of_the_split():
    data = cdp(n=4)
    label, source = data.attributes.copy(), data.sources.copy()
    label[0, 0] ^= 1
    source[0] += 1
    others = [ImageSet(data.images, label, data.sources), ImageSet(data.images, data.attributes, source)]
    assert len({digest(data), *map(digest, others), content_digest({"test": data})}) == 4


def test_a_split_survives_the_disk(tmp_path):
    data = cdp(n=8)
    data.save(tmp_path / "train.safetensors")
    back = ImageSet.load(tmp_path / "train.safetensors")
    assert (back.images.dtype, back.attributes.dtype, len(back)) == (np.uint8, np.int64, 8)
    assert digest(back) == digest(data)


def test_attributes_are_uniform_and_independent():
    labels = Task("all").labels(cdp(n=6400, canvas=8).attributes)
    assert chisquare(np.bincount(labels, minlength=64)).pvalue > 0.001


def test_the_digit_that_is_drawn_is_the_digit_that_is_named():
    data = cdp()
    np.testing.assert_array_equal(DRAWINGS.labels[data.sources], data.attributes[:, 1])


@pytest.mark.parametrize("canvas", [32, 64, 224])
def test_the_ink_has_its_colour_and_stays_in_its_quadrant(canvas):
    data = cdp(n=64, canvas=canvas, background_weight=0.0)
    assert data.images.shape == (64, 3, canvas, canvas)
    for image, (color, _, position) in zip(data.images, data.attributes, strict=True):
        brightest = image.max(0)
        np.testing.assert_array_equal(image, brightest * np.array(INK[COLORS[color]], np.uint8)[:, None, None])
        rows, columns = np.nonzero(brightest)
        vertical = "upper" if rows.max() < canvas // 2 else "lower" if rows.min() >= canvas // 2 else "both"
        horizontal = "left" if columns.max() < canvas // 2 else "right" if columns.min() >= canvas // 2 else "both"
        assert f"{vertical} {horizontal}" == POSITIONS[position]
        assert brightest.max() > 200


def test_the_ink_is_the_drawing_itself_where_no_resizing_is_needed():
    data = cdp(n=32, canvas=20, background_weight=0.0)
    for image, source in zip(data.images.max(1), data.sources, strict=True):
        drawing = np.round(DRAWINGS.images[source] * 255)
        windows = np.lib.stride_tricks.sliding_window_view(image, drawing.shape)
        assert (np.abs(windows - drawing).max((2, 3)) <= 1).any()
        assert image.sum() == pytest.approx(drawing.sum(), abs=64)


def test_a_digit_is_jittered_within_its_quadrant():
    data = cdp(n=400, background_weight=0.0)
    upper_left = data.images[data.attributes[:, 2] == 0].max(1)
    tops = {int(np.nonzero(image)[0].min()) for image in upper_left}
    lefts = {int(np.nonzero(image)[1].min()) for image in upper_left}
    assert len(tops) >= 3
    assert len(lefts) >= 3


def test_the_linear_mix_is_the_weighted_mean_of_digit_and_photograph():
    digit, behind = (cdp(background_weight=w).images.astype(float) for w in (0.0, 1.0))
    mixed = cdp(background_weight=0.3).images
    np.testing.assert_allclose(mixed, 0.7 * digit + 0.3 * behind, atol=1.01)


def test_the_additive_mix_adds_the_photograph_and_clips():
    digit = cdp(background_weight=0.0).images.astype(float)
    behind = cdp(background_weight=1.0, mix="linear").images.astype(float)
    mixed = cdp(background_weight=0.6, mix="additive").images
    np.testing.assert_allclose(mixed, np.minimum(digit + 0.6 * behind, 255), atol=1.31)
    assert (digit + 0.6 * behind > 256).any()


def test_every_image_has_a_background_of_its_own():
    behind = cdp(n=64, background_weight=1.0).images.reshape(64, -1)
    assert len(np.unique(behind, axis=0)) == 64


@pytest.mark.parametrize("canvas", [32, 64, 224])
def test_backgrounds_are_windows_of_the_photograph(canvas):
    height, width = 300, 260
    down, right = np.meshgrid(np.linspace(0, 250, height), np.linspace(0, 250, width), indexing="ij")
    photo = np.stack([down, right, np.zeros_like(down)], axis=2).round().astype(np.uint8)
    data = render(
        40, DRAWINGS, PARTS["train"], [lambda: photo],
        canvas=canvas, mix="linear", background_weight=1.0, seed=0, split="train",
    )  # fmt: skip
    red, green = data.images[:, 0].astype(float), data.images[:, 1].astype(float)
    side_down = (red[:, -1, 0] - red[:, 0, 0]) / 250 * (height - 1)
    side_right = (green[:, 0, -1] - green[:, 0, 0]) / 250 * (width - 1)
    np.testing.assert_allclose(side_down, side_right, atol=4)
    assert side_down.min() >= min(canvas, width) - 4
    assert side_down.max() <= width + 2
    assert side_down.std() > 5
    assert (np.diff(red, axis=1) >= 0).all()
    assert (np.diff(green, axis=2) >= 0).all()


# What the splits share: nothing


def test_drawings_of_the_splits_are_disjoint_and_complete():
    together = np.concatenate([PARTS[split] for split in SPLITS])
    np.testing.assert_array_equal(np.sort(together), np.arange(len(DRAWINGS.labels)))
    for split in SPLITS:
        share = np.bincount(DRAWINGS.labels[PARTS[split]]) / np.bincount(DRAWINGS.labels)
        np.testing.assert_allclose(share, drawings.PARTS[SPLITS.index(split)], atol=0.01)


def test_images_are_made_from_the_drawings_of_their_split_alone():
    used = {split: set(cdp(n=500, split=split, canvas=8).sources.tolist()) for split in SPLITS}
    assert all(used[split] <= set(PARTS[split].tolist()) for split in SPLITS)
    assert not used["train"] & used["test"]


def test_another_seed_splits_the_drawings_differently():
    np.testing.assert_array_equal(split_drawings(DRAWINGS, seed=0)["test"], PARTS["test"])
    assert not np.array_equal(split_drawings(DRAWINGS, seed=1)["test"], PARTS["test"])


def test_backgrounds_of_the_splits_are_disjoint_bands_of_the_packaged_photographs():
    from sklearn.datasets import load_sample_images

    for i, photo in enumerate(load_sample_images().images):
        bands = [PHOTOGRAPHS[split][i]() for split in SPLITS]
        np.testing.assert_array_equal(np.concatenate(bands, axis=1), photo)


# MNIST


def miniature_mnist(root, n=40):
    """MNIST's four files in the idx format (big-endian header, bytes): digit i % 10, filled with its number."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    digits = np.arange(n) % 10
    images = np.broadcast_to(digits[:, None, None] * 20, (n, 28, 28)).astype(np.uint8)
    for part in ("train", "t10k"):
        header = struct.pack(">IIII", 2051, n, 28, 28)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, n) + digits.astype(np.uint8).tobytes())
    return root


def test_mnist_is_read_from_its_idx_files(tmp_path):
    drawings = mnist_drawings(miniature_mnist(tmp_path))
    assert (drawings.images.shape, drawings.images.dtype) == ((16, 28, 28), np.float32)
    np.testing.assert_array_equal(np.bincount(drawings.labels), [4, 4, 4, 4])
    np.testing.assert_allclose(drawings.images[:, 0, 0], np.array(DIGITS)[drawings.labels] * 20 / 255, rtol=1e-6)


def test_no_drawing_comes_from_mnists_test_part_which_is_not_opened(tmp_path):
    root = miniature_mnist(tmp_path)
    for kind in ("images-idx3", "labels-idx1"):
        (root / "MNIST" / "raw" / f"t10k-{kind}-ubyte").write_bytes(b"no digits")
    assert len(mnist_drawings(root).labels) == 16


def test_missing_mnist_is_refused_with_the_folder_it_belongs_in(tmp_path):
    with pytest.raises(FileNotFoundError) as refusal:
        mnist_drawings(tmp_path)
    assert f"{tmp_path}/MNIST/raw" in str(refusal.value)


def test_packaged_drawings_are_the_four_digits_between_black_and_white():
    assert set(DRAWINGS.labels.tolist()) == set(range(len(DIGITS)))
    assert (DRAWINGS.images.min(), DRAWINGS.images.max()) == (0, 1)
    assert torch.from_numpy(DRAWINGS.images).dtype == torch.float32
