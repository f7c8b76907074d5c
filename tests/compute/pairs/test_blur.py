"""Gaussian blur: torchvision's, with a standard deviation for every row."""

import numpy as np
import pytest
import torch
from torchvision.transforms.v2.functional import gaussian_blur as torchvision_blur

from mi_ray.compute.pairs.augmentation import Rows, SimCLRView
from mi_ray.compute.pairs.blur import BlurredView, gaussian_blur

NOTHING = SimCLRView(crop_min_scale=None, flip=0.0, jitter_strength=0.0, grayscale=0.0)


def images(n: int = 6, side: int = 32) -> torch.Tensor:
    return torch.rand((n, 3, side, side), generator=torch.Generator().manual_seed(0)) - 0.5


@pytest.mark.parametrize(("side", "kernel"), [(32, 3), (64, 7), (224, 23)])
def test_each_row_is_blurred_as_torchvision_blurs_it(side, kernel):
    x, sigma = images(3, side), np.array([0.1, 0.8, 2.0])
    expected = torch.stack([torchvision_blur(row, kernel, s) for row, s in zip(x, sigma.tolist(), strict=True)])
    torch.testing.assert_close(gaussian_blur(x, sigma), expected, rtol=1e-4, atol=1e-6)


def test_share_is_the_share_of_rows_that_are_blurred():
    x = images(400)
    seen = BlurredView(simclr=NOTHING, share=0.5, sigma_min=1.0)(x, 3)
    changed = (seen - x).abs().amax((1, 2, 3)) > 1e-3
    assert 0.4 < changed.float().mean() < 0.6


def test_without_a_share_the_view_is_simclrs():
    x = images()
    assert torch.equal(BlurredView(simclr=SimCLRView(), share=0.0)(x, 5), SimCLRView()(x, 5))


def test_the_images_that_are_viewed_are_left_as_they_are():
    x = images()
    before = x.clone()
    BlurredView(simclr=NOTHING, share=1.0)(x, 0)
    assert torch.equal(x, before)


def test_a_worker_views_its_rows_as_the_whole_batch_would():
    x, view = images(8), BlurredView(simclr=SimCLRView(), share=0.5)
    whole = view(x, 7)
    part = np.array([1, 4, 6])
    torch.testing.assert_close(view(x[part], 7, Rows(part, batch=8)), whole[part])


def test_seeds_draw_other_blurs():
    x, view = images(), BlurredView(simclr=NOTHING, share=1.0)
    assert torch.equal(view(x, 1), view(x, 1))
    assert not torch.equal(view(x, 1), view(x, 2))


@pytest.mark.parametrize("wrong", [{"share": 1.1}, {"share": -0.1}, {"sigma_min": 0.0}, {"sigma_min": 3.0}])
def test_a_field_out_of_range_is_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        BlurredView(simclr=NOTHING, **wrong)
