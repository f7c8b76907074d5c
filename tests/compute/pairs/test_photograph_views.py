"""Views of photographs: torchvision's random resized crop in distribution, and SimCLR's colours."""

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from torchvision.transforms.v2 import RandomResizedCrop

from mi_ray.compute.images.pixels import pixels
from mi_ray.compute.pairs.augmentation import Draws, Rows, SimCLRView, plain
from mi_ray.compute.pairs.blur import BlurredView
from mi_ray.compute.pairs.photograph_views import crops_of, recoloured, resized_crops, rest_of

N = 4000
ROUNDING = 0.5 / 255 / 0.25 + 2e-5
"""A byte rounds a value by half a level of 255; pixels are divided by .25."""


def viewed(cropped, view, seed, rows):
    return rest_of(view)(pixels(recoloured(cropped, view, seed, rows)), seed, rows)


COLOURS = SimCLRView(crop_min_scale=None, flip=0.0, jitter_strength=1.0)


def boxes(size, min_scale, seed=0, n=N):
    return resized_crops(np.tile(size, (n, 1)), min_scale, Draws(seed, Rows.all(n)))


@pytest.mark.parametrize("min_scale", [0.08, 0.2, 0.9])
@pytest.mark.parametrize("size", [(500, 375), (200, 640), (64, 64), (2000, 300)])
def test_crops_have_the_distribution_of_torchvisions(size, min_scale):
    """Left, top, width and height, and the share of the area: Kolmogorov-Smirnov at 1e-4 in each of 60 comparisons."""
    ours = boxes(size, min_scale).astype(float)
    torch.manual_seed(0)
    theirs_of = RandomResizedCrop(224, scale=(min_scale, 1.0))
    image = torch.empty(3, size[1], size[0])
    drawn = [theirs_of.make_params([image]) for _ in range(N)]
    theirs = np.array([[crop[name] for name in ("left", "top", "width", "height")] for crop in drawn], dtype=float)
    for column in range(4):
        assert ks_2samp(ours[:, column], theirs[:, column]).pvalue > 1e-4
    assert ks_2samp(ours[:, 2] * ours[:, 3], theirs[:, 2] * theirs[:, 3]).pvalue > 1e-4


@pytest.mark.parametrize("size", [(500, 375), (1, 1), (3, 1000), (1000, 3), (224, 224)])
def test_every_crop_lies_inside_its_photograph(size):
    left, top, width, height = boxes(size, 0.01).T
    assert (left >= 0).all() and (top >= 0).all() and (width >= 1).all() and (height >= 1).all()
    assert (left + width <= size[0]).all() and (top + height <= size[1]).all()


VIEWS = {"simclr": SimCLRView(), "blurred": BlurredView(simclr=SimCLRView(crop_min_scale=0.08)), "plain": plain}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_view_does_not_depend_on_how_its_batch_is_cut(view):
    n, rng = 24, np.random.default_rng(0)
    sizes, cropped = (
        rng.integers(50, 500, (n, 2)),
        torch.from_numpy(rng.integers(256, size=(n, 3, 40, 40), dtype=np.uint8)),
    )
    settings = {"size": 40, "seed": 5, "share": 0.875}
    whole = crops_of(view, sizes, rows=Rows.all(n), **settings)
    finished = viewed(cropped, view, 5, Rows.all(n))
    for places in np.array_split(rng.permutation(n), 5):
        rows = Rows(places, batch=n)
        part = crops_of(view, sizes[places], rows=rows, **settings)
        np.testing.assert_array_equal(part.boxes, whole.boxes[places])
        np.testing.assert_array_equal(part.mirrored, whole.mirrored[places])
        torch.testing.assert_close(viewed(cropped[places], view, 5, rows), finished[places], rtol=0, atol=0)


def test_colours_are_those_of_square_images_up_to_rounding():
    """Both are in place of torchvision's jitter in a fixed order; a value is 0..1 over a standard deviation of .25."""
    cropped = torch.from_numpy(np.random.default_rng(1).integers(256, size=(64, 3, 24, 24), dtype=np.uint8))
    cropped[:8] = cropped[:8, :1]  # grey
    cropped[8:10], cropped[10:12] = 0, 255
    rows = Rows.all(64)
    torch.testing.assert_close(
        viewed(cropped, COLOURS, 3, rows), COLOURS(pixels(cropped), 3, rows), rtol=0, atol=ROUNDING
    )


@pytest.mark.parametrize("field", ["jitter", "grayscale"])
def test_colours_that_are_turned_off_stay(field):
    others = {"jitter": {"grayscale": 0.0}, "grayscale": {"jitter": 0.0}}[field]
    off = SimCLRView(crop_min_scale=None, flip=0.0, **others, **{field: 0.0})
    cropped = torch.from_numpy(np.random.default_rng(1).integers(256, size=(8, 3, 8, 8), dtype=np.uint8))
    torch.testing.assert_close(viewed(cropped, off, 0, Rows.all(8)), pixels(cropped), rtol=0, atol=0)


@pytest.mark.parametrize(
    "view", [plain, SimCLRView(crop_min_scale=None, flip=0.0), SimCLRView(crop_min_scale=1.0, flip=0.0)]
)
def test_a_view_that_crops_nothing_takes_the_plain_view(view):
    crops = crops_of(view, np.array([[500, 375]]), size=32, seed=0, rows=Rows.all(1), share=0.875)
    assert crops.boxes.tolist() == [[86, 23, 328, 328]]
    assert not crops.mirrored.any()


def test_half_of_the_crops_are_mirrored():
    crops = crops_of(SimCLRView(), np.full((N, 2), 50), size=32, seed=0, rows=Rows.all(N), share=0.875)
    assert abs(crops.mirrored.mean() - 0.5) < 4 * 0.5 / N**0.5
