"""Three readings of frozen critics against slow double loops."""

from math import e, log

import numpy as np
import pytest
import torch

from mi_ray.compute.estimation.readings import TILE, Pairs, draw_pairs, score
from mi_ray.compute.pairs.couples import WithItself
from mi_ray.compute.seeding import stream

# The double loops


def reused(images=12, k=6, batches=3, width=3, per_source=1, seed=0):
    """Embeddings and pairs of few images, which come again within batches and between them, some with themselves."""
    rng = np.random.default_rng(seed)
    z = torch.from_numpy(rng.standard_normal((images, width)) * rng.uniform(0.1, 10, (images, 1))).float()
    x, y = rng.integers(images - 2, size=(2, batches, k))
    x[0, :2], y[0, :2] = 3, (3, 4)
    return z, Pairs(x, y, 7 * (np.arange(images) // per_source) + 5)


def cosine(z, i, j):
    a, b = z[i].double(), z[j].double()
    return float(a @ b / (a.norm() * b.norm()))


def nominal_by_hand(z, pairs, temperature):
    """-l of Eq. 3 for every pair, averaged over its two directions: 2K-1 terms, images of other pairs counted anew."""
    rows = []
    for x, y in zip(pairs.x, pairs.y, strict=True):
        k, batch = len(x), [*x, *y]
        for i in range(k):
            value = 0.0
            for anchor, partner in ((i, i + k), (i + k, i)):
                others = [cosine(z, batch[anchor], batch[j]) / temperature for j in range(2 * k) if j != anchor]
                positive = cosine(z, batch[anchor], batch[partner]) / temperature
                value += positive - float(torch.logsumexp(torch.tensor(others, dtype=torch.float64), 0))
            rows.append(value / 2)
    return np.reshape(rows, pairs.x.shape)


def strict_by_hand(z, pairs, temperature):
    """The same over the K candidates of the other view."""
    rows = []
    for x, y in zip(pairs.x, pairs.y, strict=True):
        for i in range(len(x)):
            positive, value = cosine(z, x[i], y[i]) / temperature, 0.0
            for candidates in ([(x[i], other) for other in y], [(other, y[i]) for other in x]):
                terms = [cosine(z, *pair) / temperature for pair in candidates]
                value += positive - float(torch.logsumexp(torch.tensor(terms, dtype=torch.float64), 0))
            rows.append(value / 2)
    return np.reshape(rows, pairs.x.shape)


def nwj_by_hand(z, pairs, temperature, offset, without=None):
    """The bound over positives and over x of one pair with y of another, critic (cos - 1) / temperature; terms that
    touch source ``without`` left out."""
    x, y = pairs.x.ravel(), pairs.y.ravel()
    joint, cross = [], []
    for i in range(len(x)):
        for j in range(len(y)):
            if without in (pairs.sources[x[i]], pairs.sources[y[j]]):
                continue
            critic = (cosine(z, x[i], y[j]) - 1) / temperature
            joint.append(critic) if i == j else cross.append(np.exp(critic))
    return np.mean(joint) + offset - np.exp(offset) * np.mean(cross) / e


@pytest.mark.parametrize("per_source", [1, 3])
@pytest.mark.parametrize("temperature", [0.03, 0.2, 1.0])
def test_scores_are_the_double_loops(temperature, per_source):
    z, pairs = reused(per_source=per_source)
    found = score(z, pairs, temperature=temperature)
    np.testing.assert_allclose(found.nominal, nominal_by_hand(z, pairs, temperature), atol=2e-5)
    np.testing.assert_allclose(found.strict, strict_by_hand(z, pairs, temperature), atol=2e-5)
    for offset in (-1.0, 0.5):
        assert found.nwj.value(offset) == pytest.approx(nwj_by_hand(z, pairs, temperature, offset), abs=1e-5)


@pytest.mark.parametrize("per_source", [1, 3])
def test_leaving_a_source_out_of_nwj_removes_all_that_touches_it(per_source):
    z, pairs = reused(per_source=per_source)
    used = np.unique(pairs.sources[np.stack([pairs.x, pairs.y])])
    by_hand = [nwj_by_hand(z, pairs, 0.3, 0.4, without=source) for source in used]
    found = score(z, pairs, temperature=0.3).nwj.leave_one_out(0.4)
    np.testing.assert_allclose(found, by_hand, atol=1e-5)


def test_its_best_offset_makes_nwj_the_donsker_varadhan_bound():
    z, pairs = reused()
    nwj = score(z, pairs, temperature=0.3).nwj
    best = nwj.value(nwj.best_offset)
    assert best == pytest.approx(nwj.joint.value - log(nwj.cross.value))
    assert all(nwj.value(nwj.best_offset + step) < best for step in (-0.1, 0.1))


def test_tiles_change_no_score():
    images = 2 * TILE + 37
    z = torch.randn(images, 8, generator=torch.Generator().manual_seed(0))
    pairs = draw_pairs(WithItself(images), np.arange(images), k=8, batches=4, seed=0, purpose="few")
    pairs = Pairs(pairs.x, (pairs.y + 1) % images, pairs.sources)
    many = Pairs(np.arange(images)[None], np.roll(np.arange(images), 1)[None], pairs.sources)
    np.testing.assert_allclose(score(z, pairs, temperature=0.2).nominal, nominal_by_hand(z, pairs, 0.2), atol=2e-5)
    unit = torch.nn.functional.normalize(z.double(), dim=1)
    cosines = unit[many.x[0]] @ unit[many.y[0]].T / 0.2
    whole = cosines.diagonal() - (cosines.logsumexp(0) + cosines.logsumexp(1)) / 2
    np.testing.assert_allclose(score(z, many, temperature=0.2).strict[0], whole, atol=2e-5)


@pytest.mark.parametrize("temperature", [0.02, 0.01, 0.003, 1000.0])
def test_an_extreme_temperature_neither_overflows_nor_loses_small_terms(temperature):
    """Terms of exp(-100) and less decide the reading of an anchor with no near neighbour."""
    z, pairs = reused()
    found = score(z, pairs, temperature=temperature)
    by_hand = nominal_by_hand(z, pairs, temperature), strict_by_hand(z, pairs, temperature)
    assert temperature == 1000 or min(by_hand[0].min(), by_hand[1].min()) < -20
    np.testing.assert_allclose(found.nominal, by_hand[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.strict, by_hand[1], rtol=1e-5, atol=1e-5)
    assert np.isfinite([found.nwj.value(0.0), found.nwj.best_offset, *found.nwj.leave_one_out(0.0)]).all()


def test_images_that_no_pair_was_made_of_do_not_matter():
    z, pairs = reused()
    found = score(z, pairs, temperature=0.2)
    z[-2:] = np.nan
    np.testing.assert_array_equal(score(z, pairs, temperature=0.2).nominal, found.nominal)


def test_a_read_split_is_drawn_by_its_seed_and_purpose():
    def drawn(**changes):
        settings = {"k": 5, "batches": 3, "seed": 1, "purpose": "read test"} | changes
        return draw_pairs(WithItself(50), np.arange(50), **settings)

    pairs = drawn()
    assert pairs.x.shape == pairs.y.shape == (3, 5)
    assert pairs.k == 5
    np.testing.assert_array_equal(pairs.x[2], WithItself(50)(5, stream(1, "read test", 2))[0])
    np.testing.assert_array_equal(drawn(batches=2).x, pairs.x[:2])
    assert not np.array_equal(drawn(seed=2).x, pairs.x)
    assert not np.array_equal(drawn(purpose="read train").x, pairs.x)
