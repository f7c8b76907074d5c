"""SimCLR's views (Figs. 1b, 5) row by row against torchvision, and in distribution over many draws."""

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp, kstest
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tv

from mi_ray.compute.images.pixels import MEAN, STD, pixels
from mi_ray.compute.pairs import augmentation
from mi_ray.compute.pairs.augmentation import SimCLRView, crop_boxes, jitter_factors, plain

OFF = {"crop_min_scale": None, "flip": 0.0, "jitter": 0.0, "grayscale": 0.0}
DRAWS = 500


def china(side=64):
    """A natural square photograph, uint8 [3, side, side]."""
    from sklearn.datasets import load_sample_image

    photo = torch.from_numpy(load_sample_image("china.jpg").copy()).permute(2, 0, 1)
    return v2.functional.resize(photo[:, :, 100:527], [side, side], antialias=True)


def colours(n=16, side=12):
    """Random colours in 0..1 with grey, black, white and saturated rows among them."""
    rgb = torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(0))
    rgb[0], rgb[1], rgb[2] = 0.0, 1.0, 0.5
    rgb[3, 0], rgb[3, 1:] = 1.0, 0.0
    return rgb


def ramp(n=400, side=64):
    """Images whose first channel tells the column and second the row, 0..1, centred: a crop can be read off them."""
    steps = (torch.arange(side) + 0.5) / side
    rgb = torch.stack([steps.expand(side, side), steps[:, None].expand(side, side), torch.zeros(side, side)])
    return ((rgb - MEAN) / STD).expand(n, -1, -1, -1)


def one_row(factors):
    return torch.tensor(factors, dtype=torch.float32).view(-1, 1, 1, 1)


# A view is a function


def test_a_view_is_a_function_of_images_and_seed():
    images = pixels(china().expand(8, -1, -1, -1))
    before, view = images.clone(), SimCLRView()
    assert torch.equal(view(images, 5), view(images, 5))
    assert not torch.equal(view(images, 5), view(images, 6))
    assert torch.equal(images, before)


def test_a_view_leaves_the_global_generators_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    SimCLRView()(ramp(4), 0)
    assert torch.equal(torch.rand(1), expected)


def test_a_view_keeps_shape_layout_type_and_range():
    images = pixels(china(33).expand(7, -1, -1, -1))
    view = SimCLRView(jitter_strength=2.5, crop_min_scale=0.02)(images, 0)
    assert (view.shape, view.dtype, view.device) == (images.shape, torch.float32, images.device)
    assert view.is_contiguous(memory_format=torch.channels_last)
    rgb = view * STD + MEAN
    assert rgb.min() >= -1e-5
    assert rgb.max() <= 1 + 1e-5


def test_every_row_draws_its_own_view():
    views = SimCLRView()(pixels(china().expand(16, -1, -1, -1)), 0)
    assert len(torch.unique(views.flatten(1), dim=0)) == 16


def test_the_view_is_the_identity_when_everything_is_off():
    images = pixels(china().expand(4, -1, -1, -1))
    assert torch.equal(SimCLRView(**OFF)(images, 0), images)
    assert torch.equal(SimCLRView(**OFF | {"jitter": 1.0}, jitter_strength=0.0)(images, 0), images)
    assert plain(images, 0) is images


def test_a_crop_of_the_whole_image_is_the_image():
    images = pixels(china().expand(4, -1, -1, -1))
    torch.testing.assert_close(SimCLRView(**OFF | {"crop_min_scale": 1.0})(images, 0), images, atol=1e-4, rtol=0)


def test_turning_one_operation_off_leaves_the_others_draws_alone():
    images = ramp(32)
    cropped = SimCLRView(**OFF | {"crop_min_scale": 0.2})(images, 3)
    both = SimCLRView(**OFF | {"crop_min_scale": 0.2, "flip": 0.5})(images, 3)
    same = (both - cropped).abs().amax((1, 2, 3)) < 1e-4
    mirrored = (both - cropped.flip(3)).abs().amax((1, 2, 3)) < 1e-4
    assert (same | mirrored).all()
    assert same.any()
    assert mirrored.any()


@pytest.mark.parametrize(
    ("field", "value"),
    [("jitter_strength", 2.6), ("jitter_strength", -0.1), ("crop_min_scale", 0.0), ("crop_min_scale", 1.5),
     ("flip", 1.1), ("jitter", -0.1), ("grayscale", float("nan"))],
)  # fmt: skip
def test_a_field_out_of_range_is_refused_with_its_name_value_and_what_is_allowed(field, value):
    with pytest.raises(ValueError, match=rf"^{field}: {value} .*allowed: ") as refusal:
        SimCLRView(**{field: value})
    if field == "jitter_strength":
        assert "0 to 2.5" in str(refusal.value)


# Row by row, torchvision's colours


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_colours_are_adjusted_as_torchvision_does_with_a_factor_per_row(name):
    rgb, factors = colours(), np.linspace(0, 3, 16)
    ours = getattr(augmentation, f"adjust_{name}")(rgb, one_row(factors))
    for row, factor in enumerate(factors):
        expected = getattr(tv, f"adjust_{name}")(rgb[row], factor)
        torch.testing.assert_close(ours[row], expected, atol=1e-5, rtol=0)


def test_hues_are_shifted_as_torchvision_does_with_an_angle_per_row():
    rgb, turns = colours(), np.linspace(-0.5, 0.5, 16)
    ours = augmentation.shift_hue(rgb, one_row(turns))
    for row, turn in enumerate(turns):
        torch.testing.assert_close(ours[row], tv.adjust_hue(rgb[row], turn), atol=1e-5, rtol=0)


def test_a_third_of_a_turn_takes_red_to_green_to_blue():
    primaries = torch.eye(3).view(3, 3, 1, 1)
    shifted = augmentation.shift_hue(primaries, one_row([1 / 3] * 3))
    torch.testing.assert_close(shifted, primaries.roll(-1, 0), atol=1e-5, rtol=0)


def test_grayscale_is_torchvisions_and_as_frequent_as_asked():
    images = pixels(china(16).expand(2000, -1, -1, -1))
    views = SimCLRView(**OFF | {"grayscale": 0.2})(images, 0)
    grey = (views[:, 0] - views[:, 1]).abs().amax((1, 2)) < 1e-4
    assert grey.float().mean().item() == pytest.approx(0.2, abs=4 * (0.2 * 0.8 / 2000) ** 0.5)
    expected = (tv.rgb_to_grayscale(china(16).float() / 255, 3) - MEAN) / STD
    torch.testing.assert_close(views[grey][0], expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(views[~grey], images[~grey], atol=1e-4, rtol=0)


def test_a_crop_is_torchvisions_resized_crop_of_the_same_box(monkeypatch):
    box = {"left": 10, "top": 4, "width": 24, "height": 32}
    shares = np.array([[24, 32, 10, 4]]) / 64
    monkeypatch.setattr(augmentation, "crop_boxes", lambda n, min_scale, rng: shares)
    images = pixels(china()[None])
    ours = SimCLRView(**OFF | {"crop_min_scale": 0.2})(images, 0)
    expected = tv.resized_crop(images, **box, size=[64, 64], antialias=True)
    inner = (..., slice(2, -2), slice(2, -2))
    torch.testing.assert_close(ours[inner], expected[inner], atol=1e-3, rtol=0)


# In distribution


def read_boxes(views):
    """Share and signed aspect of each crop of a `ramp`, from its central difference."""
    rgb, side = views * STD + MEAN, views.shape[-1]
    inner = slice(side // 4, side - side // 4)
    width = (rgb[:, 0, side // 2, inner][:, -1] - rgb[:, 0, side // 2, inner][:, 0]) * side / (side // 2 - 1)
    height = (rgb[:, 1, inner, side // 2][:, -1] - rgb[:, 1, inner, side // 2][:, 0]) * side / (side // 2 - 1)
    return width.numpy(), height.numpy()


def test_the_boxes_drawn_are_the_boxes_seen():
    view = SimCLRView(**OFF | {"crop_min_scale": 0.2})
    width, height = read_boxes(view(ramp(), 7))
    boxes = crop_boxes(400, 0.2, augmentation.stream(7, "crop"))
    np.testing.assert_allclose(np.stack([width, height], 1), boxes[:, :2], atol=1e-3)


def test_flips_mirror_left_and_right_only_and_as_often_as_asked():
    width, height = read_boxes(SimCLRView(**OFF | {"flip": 0.3})(ramp(2000, 16), 0))
    np.testing.assert_allclose(np.abs(width), 1, atol=1e-3)
    np.testing.assert_allclose(height, 1, atol=1e-3)
    assert (width < 0).mean() == pytest.approx(0.3, abs=4 * (0.3 * 0.7 / 2000) ** 0.5)


@pytest.mark.parametrize("min_scale", [0.02, 0.2, 0.8])
def test_crop_boxes_have_torchvisions_distribution(min_scale):
    side, n = 1000, 3000
    torch.manual_seed(0)
    crop = v2.RandomResizedCrop(side, scale=(min_scale, 1.0))
    theirs = [crop.make_params([torch.empty(3, side, side)]) for _ in range(n)]
    theirs = np.array([[p["width"], p["height"], p["left"], p["top"]] for p in theirs]) / side
    ours = crop_boxes(n, min_scale, np.random.default_rng(0))
    assert (ours[:, :2] + ours[:, 2:] <= 1 + 1e-12).all()
    assert ours.min() >= 0
    for measure in (
        lambda b: b[:, 0] * b[:, 1],
        lambda b: b[:, 0] / b[:, 1],
        lambda b: b[:, 0],
        lambda b: b[:, 2],
        lambda b: b[:, 3],
    ):
        assert ks_2samp(measure(ours), measure(theirs)).pvalue > 0.001


@pytest.mark.parametrize("strength", [0.5, 2.5])
def test_jitter_factors_are_uniform_over_color_jitters_ranges(strength):
    drawn = jitter_factors(4000, strength, 1.0, np.random.default_rng(0))
    jitter = v2.ColorJitter(*(strength * augmentation.JITTER))
    ranges = (jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue)
    for column, (low, high) in zip(drawn.T, ranges, strict=True):
        assert kstest(column, "uniform", args=(low, high - low)).pvalue > 0.001
    assert np.abs(np.corrcoef(drawn.T) - np.eye(4)).max() < 4 / 4000**0.5


def test_jitter_touches_the_share_of_rows_that_it_should():
    drawn = jitter_factors(4000, 0.5, 0.8, np.random.default_rng(0))
    touched = (drawn != augmentation.NEUTRAL).any(1)
    assert touched.mean() == pytest.approx(0.8, abs=4 * (0.8 * 0.2 / 4000) ** 0.5)


def torchvision_view(strength):
    b, c, s, h = strength * augmentation.JITTER
    return {
        "crop": v2.RandomResizedCrop(64, scale=(0.2, 1.0), antialias=True),
        "jitter": v2.RandomApply([v2.ColorJitter(b, c, s, h)], p=0.8),
        "all": v2.Compose([
            v2.RandomResizedCrop(64, scale=(0.2, 1.0), antialias=True), v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(b, c, s, h)], p=0.8), v2.RandomGrayscale(0.2),
        ]),
    }  # fmt: skip


@pytest.mark.parametrize("strength", [0.5, 1.0])
@pytest.mark.parametrize("part", ["crop", "jitter", "all"])
def test_views_of_a_photograph_have_torchvisions_channel_statistics(part, strength):
    """Over 500 draws, mean and spread of each image's channel means and deviations: within 4 and 5 standard errors."""
    fields = {"crop": OFF | {"crop_min_scale": 0.2}, "jitter": OFF | {"jitter": 0.8}, "all": {}}[part]
    ours = SimCLRView(**fields | {"jitter_strength": strength})(pixels(china().expand(DRAWS, -1, -1, -1)), 1)
    torch.manual_seed(1)
    transform, photo = torchvision_view(strength)[part], china().float() / 255
    theirs = (torch.stack([transform(photo) for _ in range(DRAWS)]) - MEAN) / STD
    for statistic in (lambda x: x.mean((2, 3)), lambda x: x.std((2, 3))):
        a, b = statistic(ours), statistic(theirs)
        standard_error = b.std(0) * (2 / DRAWS) ** 0.5
        assert ((a.mean(0) - b.mean(0)).abs() < 4 * standard_error).all()
        assert ((a.std(0) / b.std(0) - 1).abs() < 0.2).all()
