"""D⁻ of Table X: halves and domains keep their splits; noise is uniform; crops are of the train bands."""

import numpy as np
import pytest
import sklearn.datasets
from scipy.stats import chisquare
from sklearn.utils import Bunch

from mi_ray.compute.generated.negatives import crops, noise
from mi_ray.compute.generated.photographs import scikit_learn_photographs
from mi_ray.compute.images.catalogue import DOMAINS
from mi_ray.compute.images.image_set import SPLITS, ImageSet, content_digest
from mi_ray.compute.images.labelled import halves
from tests.compute.miniatures import cifar, miniature, pacs, read

BAND = 448
"""Columns of each photograph's 640 that training may see."""


# Halves and domains


@pytest.mark.parametrize(("name", "n_classes"), [("cifar-10", 10), ("cifar-100", 100), ("digits", 10)])
def test_the_halves_of_table_x_share_the_classes_out(name, n_classes):
    first, second = halves(name)
    assert [*first, *second] == list(range(n_classes))
    assert len(first) == len(second)
    assert first[0] == 0


def chosen_from(whole, keep, number=lambda attributes: attributes):
    """What a choice of a split must be: the rows that ``keep`` names, in order, their attributes renumbered."""
    rows = keep(whole.attributes)
    return ImageSet(whole.images[rows], number(whole.attributes[rows]), whole.sources[rows])


def in_classes(classes):
    return lambda attributes: np.isin(attributes[:, 0], list(classes))


@pytest.mark.parametrize("name", ["cifar-10", "cifar-100", "digits"])
def test_a_half_is_the_same_rows_of_every_split_counted_from_0(tmp_path, monkeypatch, name):
    options = miniature(name, tmp_path, monkeypatch)
    whole, names = read(name, tmp_path, **options)
    for classes in halves(name):
        part, kept = read(name, tmp_path, classes=classes, **options)
        assert kept == names[classes.start : classes.stop]
        expected = {s: chosen_from(whole[s], in_classes(classes), lambda a, c=classes: a - c.start) for s in SPLITS}
        assert content_digest(part) == content_digest(expected)


def test_both_halves_share_out_every_image():
    parts = [read("digits", classes=classes)[0] for classes in halves("digits")]
    for split in SPLITS:
        together = np.concatenate([part[split].sources for part in parts])
        np.testing.assert_array_equal(np.sort(together), read("digits")[0][split].sources)


def test_every_other_class_is_counted_from_0_as_well(tmp_path, monkeypatch):
    cifar(tmp_path, monkeypatch)
    splits, names = read("cifar-10", tmp_path, side=32, classes=range(1, 10, 4))
    assert names == ("class 01", "class 05", "class 09")
    for data in splits.values():
        np.testing.assert_array_equal(data.images[:, 0, 0, 0], 1 + 4 * data.attributes[:, 0])


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_domain_is_the_same_rows_of_every_split(tmp_path, domain):
    pacs(tmp_path)
    whole, names = read("pacs", tmp_path)
    part, kept = read("pacs", tmp_path, domain=domain)
    place = DOMAINS.index(domain)
    assert kept == names
    expected = {split: chosen_from(whole[split], lambda a: a[:, 1] == place) for split in SPLITS}
    assert content_digest(part) == content_digest(expected)
    assert all(len(data) for data in part.values())


def test_memory_is_counted_for_what_is_chosen_alone():
    need = sum(map(len, read("digits", classes=range(5))[0].values())) * 3 * 8**2
    read("digits", classes=range(5), byte_budget=need)
    with pytest.raises(ValueError, match=f"digits: .* allowed: at most {need - 1:,}"):
        read("digits", classes=range(5), byte_budget=need - 1)


@pytest.mark.parametrize("classes", [range(0), range(3, 4), range(5, 11), range(-1, 4), range(9, 4, -1)], ids=str)
def test_classes_that_are_not_there_or_not_two_are_refused(classes):
    with pytest.raises(ValueError, match=r"classes: range\(.*\) is not allowed for digits; .* range\(10\), ascending"):
        read("digits", classes=classes)


def test_an_unknown_domain_is_refused_with_those_there_are():
    with pytest.raises(
        ValueError, match="domain: 'clipart' is not allowed for pacs; allowed: None, art_painting, cart"
    ):
        read("pacs", domain="clipart")
    with pytest.raises(ValueError, match="domain: 'photo' is not allowed for digits; allowed: None"):
        read("digits", domain="photo")


# Unlabelled images


@pytest.mark.parametrize("images_of", [noise, crops])
def test_images_are_bytes_that_the_arguments_alone_decide(images_of):
    images = images_of(7, 12, seed=3)
    assert (images.dtype, images.shape) == (np.uint8, (7, 3, 12, 12))
    np.testing.assert_array_equal(images, images_of(7, 12, seed=3))
    assert (images != images_of(7, 12, seed=4)).any()


@pytest.mark.parametrize("images_of", [noise, crops])
def test_more_images_begin_with_the_fewer(images_of):
    np.testing.assert_array_equal(images_of(9, 12, seed=0)[:4], images_of(4, 12, seed=0))


@pytest.mark.parametrize("images_of", [noise, crops])
@pytest.mark.parametrize(("n", "side", "field"), [(0, 8, "n"), (8, 0, "side"), (8, -1, "side")])
def test_no_images_and_no_pixels_are_refused(images_of, n, side, field):
    with pytest.raises(ValueError, match=f"{field}: .* is not allowed; allowed: 1 or more"):
        images_of(n, side, seed=0)


# Noise


def test_noise_is_uniform_over_bytes():
    counts = np.bincount(noise(200, 16, seed=0).ravel(), minlength=256)
    assert len(counts) == 256
    assert chisquare(counts).pvalue > 0.001


def test_pixels_of_noise_know_nothing_of_each_other():
    pixels = noise(4000, 4, seed=0).reshape(4000, -1)
    correlation = np.corrcoef(pixels.T) - np.eye(pixels.shape[1])
    assert abs(correlation).max() < 5 / np.sqrt(4000)


# Crops


def photographed(monkeypatch, *photographs):
    """Let scikit-learn ship these photographs, uint8 [height, width, 3]."""
    monkeypatch.setattr(sklearn.datasets, "load_sample_images", lambda: Bunch(images=list(photographs)))


def test_crops_as_high_as_the_photographs_are_windows_of_the_train_bands():
    bands = [read() for read in scikit_learn_photographs()["train"]]
    side = bands[0].shape[0]
    windows = {band[:, left : left + side].tobytes() for band in bands for left in range(BAND - side + 1)}
    images = crops(20, side, seed=0)
    assert all(image.transpose(1, 2, 0).tobytes() in windows for image in images)
    assert len({image.tobytes() for image in images}) > 10


def test_no_crop_sees_a_pixel_beyond_the_train_band(monkeypatch):
    photograph = np.zeros((427, 640, 3), dtype=np.uint8)
    photograph[:, :BAND] = 200
    photographed(monkeypatch, photograph)
    assert (crops(300, 16, seed=0) == 200).all()


def test_crops_reach_every_column_of_the_band_at_every_width_and_of_every_photograph(monkeypatch):
    ramp = np.broadcast_to((np.arange(640) // 2)[None, :, None], (427, 640, 3)).copy()
    ramp[:, :, 1] = 255
    other = ramp.copy()
    other[:, :, 1] = 0
    photographed(monkeypatch, ramp.astype(np.uint8), other.astype(np.uint8))
    images = crops(400, 8, seed=0)
    columns = 2 * images[:, 0].astype(int)
    widths = np.ptp(columns, axis=(1, 2)) * 8 / 7
    assert columns.min() < 20 and columns.max() > BAND - 20
    assert np.allclose(np.quantile(widths, [0.1, 0.5, 0.9]), np.quantile(np.arange(8, 428), [0.1, 0.5, 0.9]), atol=50)
    assert 0.4 < (images[:, 1] == 255).all(axis=(1, 2)).mean() < 0.6


def test_crops_are_shrunk_with_antialiasing(monkeypatch):
    stripes = np.zeros((427, 640, 3), dtype=np.uint8)
    stripes[:, ::2] = 200
    photographed(monkeypatch, stripes)
    inner = crops(200, 8, seed=0)[:, :, :, 1:-1].astype(float)
    assert np.median(abs(inner - 100).max(axis=(1, 2, 3))) < 5


def test_a_side_beyond_the_photographs_enlarges_their_widest_squares():
    images = crops(2, 500, seed=0)
    assert images.shape == (2, 3, 500, 500)
