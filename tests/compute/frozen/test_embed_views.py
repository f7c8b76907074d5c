"""Views of images: how they are drawn, embedded and paired, and estimates under T_SimCLR with known answers."""

import numpy as np
import pytest
import torch
from torch import nn

from mi_ray.compute.choices import Input
from mi_ray.compute.estimation.samples import Origin, flattened
from mi_ray.compute.frozen import embed_views as views
from mi_ray.compute.frozen import plain_views
from mi_ray.compute.frozen.embed import embed
from mi_ray.compute.frozen.embed_views import embed_views
from mi_ray.compute.images.duplicates import identities_of_rows
from mi_ray.compute.images.image_set import ImageSet
from mi_ray.compute.images.pixels import as_trained, pixels
from mi_ray.compute.pairs.augmentation import SimCLRView, plain
from mi_ray.compute.pairs.couples import Couple, TwoViews
from mi_ray.compute.seeding import stream
from mi_ray.compute.training.networks import encoder, width

ARCH, CPU, VIEW = "test_resnet", torch.device("cpu"), SimCLRView()


def images(n=6, side=32):
    drawn = np.random.default_rng(0).integers(0, 256, (n, 3, side, side), dtype=np.uint8)
    return ImageSet(drawn, np.zeros((n, 1), np.int64), np.arange(n))


def first(data, n):
    return ImageSet(data.images[:n], data.attributes[:n], data.sources[:n])


def seen(data=None, view=VIEW, per_image=3, seed=0, **rest):
    return embed_views(
        encoder(ARCH, seed=0), data or images(), view, per_image=per_image, seed=seed, device=CPU, **rest
    )


# Embedding


def test_views_are_float32_by_image_and_view():
    h = seen()
    assert (h.shape, h.dtype) == ((6, 3, width(ARCH)), np.float32)
    assert np.isfinite(h).all()


def test_a_view_is_drawn_from_seed_purpose_its_number_and_its_batch_alone(monkeypatch):
    monkeypatch.setattr(views, "BATCH", 4)
    data, f_e = images(), encoder(ARCH, seed=0).eval()
    h = seen(data, per_image=2, seed=5, purpose="views of test")
    for v in range(2):
        for b, rows in enumerate((slice(0, 4), slice(4, 6))):
            seed = int(stream(5, f"views of test {v}", b).integers(2**63))
            with torch.no_grad():
                expected = f_e(VIEW(pixels(torch.from_numpy(data.images[rows])), seed)).numpy()
            np.testing.assert_allclose(h[rows, v], expected, atol=1e-5)


def test_views_of_an_image_and_of_other_seeds_and_purposes_are_others():
    h = seen()
    for other in (h[:, 1], seen(seed=1)[:, 0], seen(purpose="views of train")[:, 0]):
        assert (np.abs(other - h[:, 0]).max(1) > 1e-4).all()


def test_views_come_again_and_more_of_them_leave_the_first_as_they_are(monkeypatch):
    np.testing.assert_array_equal(seen(), seen())
    np.testing.assert_array_equal(seen(per_image=5)[:, :3], seen())
    monkeypatch.setattr(views, "BATCH", 4)
    np.testing.assert_allclose(seen(first(images(), 4)), seen()[:4], atol=1e-5)


def test_views_do_not_depend_on_how_many_images_are_embedded_at_once(monkeypatch):
    h = seen()
    monkeypatch.setattr(plain_views, "BATCH", 2)
    np.testing.assert_allclose(seen(), h, atol=1e-5)


def test_a_plain_view_is_the_image():
    h = seen(view=plain, per_image=2)
    np.testing.assert_allclose(h[:, 0], embed(encoder(ARCH, seed=0), images(), device=CPU), atol=1e-5)
    np.testing.assert_array_equal(h[:, 0], h[:, 1])


def test_encoders_of_others_see_a_view_resized_and_normalised():
    given, data, f_e = Input(48, (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)), images(), encoder(ARCH, seed=0).eval()
    seed = int(stream(0, "views 0", 0).integers(2**63))
    with torch.no_grad():
        expected = f_e(as_trained(VIEW(pixels(torch.from_numpy(data.images)), seed), given)).numpy()
    np.testing.assert_allclose(seen(data, input=given)[:, 0], expected, atol=1e-5)


class Channels(nn.Module):
    """h is the mean colour: an encoder whose embeddings of views are known."""

    def forward(self, x):
        return x.mean((2, 3))


def test_the_rows_of_an_image_are_its_own():
    data = images()
    data.images[:] = (40 * np.arange(6))[:, None, None, None]
    flip = SimCLRView(crop_min_scale=None, jitter=0.0, grayscale=0.0)
    h = embed_views(Channels(), data, flip, per_image=4, seed=0, device=CPU)
    expected = (40 * np.arange(6) / 255 - 0.5) / 0.25
    np.testing.assert_allclose(h, np.broadcast_to(expected[:, None, None], h.shape), atol=1e-4)


# Pairing


def drawn(n, per_image, k, seed=0):
    return TwoViews(n, per_image)(k, np.random.default_rng(seed))


def test_a_couple_is_two_distinct_views_of_one_image():
    assert isinstance(TwoViews(5, 3), Couple)
    x, y = drawn(5, 3, 2000)
    assert x.dtype == y.dtype == np.int64
    np.testing.assert_array_equal(x // 3, y // 3)
    assert (x != y).all()


def test_every_couple_of_views_is_drawn_alike_and_independently():
    """Chi-squared over all 5 x 3 x 2 couples, and over which image follows which."""
    x, y = drawn(5, 3, 30_000)
    for cells, size in ((x * 3 + y % 3, 30), (x[1:] // 3 * 5 + x[:-1] // 3, 25)):
        counts = np.bincount(cells)
        counts = counts[counts > 0]
        assert len(counts) == size
        expected = counts.sum() / size
        assert ((counts - expected) ** 2 / expected).sum() < size + 4 * (2 * size) ** 0.5


@pytest.mark.parametrize(("n", "per_image", "field"), [(0, 2, "n: 0"), (4, 1, "per_image: 1"), (4, 0, "per_image: 0")])
def test_nothing_to_pair_is_refused(n, per_image, field):
    with pytest.raises(ValueError, match=field):
        TwoViews(n, per_image)


def origin(h, sources):
    return Origin(identities=identities_of_rows(h), sources=sources)


def test_flattening_keeps_rows_images_and_sources_together():
    h = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    sample = flattened(h, origin(h, np.array([7, 7, 8, 9])))
    for row in range(12):
        np.testing.assert_array_equal(sample.h[row], h[row // 3, row % 3])
    assert sample.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert sample.origin.sources.tolist() == [7, 7, 7, 7, 7, 7, 8, 8, 8, 9, 9, 9]
    assert sample.couple == TwoViews(4, 3)
