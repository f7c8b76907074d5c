"""Three readings of frozen critics: against slow double loops, then on class codes of known truth and ceilings."""

from math import e, log

import numpy as np
import pytest
import torch

from mi_ray.compute.estimation.readings import TILE, Pairs, Scores, draw_pairs, read, read_nwj, score
from mi_ray.compute.numerics.jackknife import jackknife_standard_error
from mi_ray.compute.numerics.uncertainty import paired_standard_error
from mi_ray.compute.pairs.couples import WithinClass, WithItself
from mi_ray.compute.seeding import stream
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import bits

TEMPERATURE = 0.05
"""At which a critic of one-hot codes tells the classes apart by 20 nats."""

NAMES = ("nominal", "strict", "nwj")


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
    found = score(z, pairs, temperature=0.3).nwj.without_one(0.4)
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
    assert np.isfinite([found.nwj.value(0.0), found.nwj.best_offset, *found.nwj.without_one(0.0)]).all()


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


# Known truths


def codes(n_classes, images=2048, noise=0.0, seed=0):
    """A perfect critic's z: one-hot codes, and the labels."""
    labels = np.arange(images) % n_classes
    noise = noise * np.random.default_rng(seed).standard_normal((images, n_classes))
    return torch.from_numpy(np.eye(n_classes)[labels] + noise).float(), labels


def drawn(labels, n_classes, *, k=256, batches=32, redraw=0.0, seed=0, sources=None):
    couple = WithinClass(labels, n_classes, redraw=redraw)
    sources = np.arange(len(labels)) if sources is None else sources
    return draw_pairs(couple, sources, k=k, batches=batches, seed=seed, purpose="test")


def reading(name, z, pairs, *, temperature=TEMPERATURE):
    """Of one critic, whose offset was fitted on the very same pairs."""
    scores = score(z, pairs, temperature=temperature)
    return getattr(read([scores], pairs, [scores.nwj.best_offset]), name)


def ceiling(name, n_classes, k):
    channel = LabelChannel.uniform(n_classes)
    return {"nominal": channel.nominal_ceiling_bits, "strict": channel.strict_ceiling_bits}[name](k)


@pytest.mark.parametrize("n_classes", [4, 16, 64])
@pytest.mark.parametrize("name", ["nominal", "strict"])
def test_a_perfect_critic_reads_its_ceiling(name, n_classes):
    z, labels = codes(n_classes)
    found = reading(name, z, drawn(labels, n_classes))
    assert found.bits == pytest.approx(ceiling(name, n_classes, 256), abs=0.02)


def test_a_warm_critic_of_classes_on_a_simplex_reads_the_cosine_cap():
    z, labels = codes(16)
    pairs, channel = drawn(labels, 16), LabelChannel.uniform(16)
    for temperature in (0.2, 0.5):
        found = reading("nominal", z - 1 / 16, pairs, temperature=temperature)
        assert found.bits == pytest.approx(channel.nominal_ceiling_bits(256, temperature=temperature), abs=0.01)


@pytest.mark.parametrize("n_classes", [4, 16, 64])
def test_nwj_knows_no_log_k_and_reads_the_class_entropy_at_any_k(n_classes):
    z, labels = codes(n_classes)
    found = reading("nwj", z, drawn(labels, n_classes, k=8, batches=512))
    assert found.bits == pytest.approx(np.log2(n_classes), abs=0.03)


def test_scores_tell_the_mean_of_their_nominal_reading_in_bits():
    z, labels = codes(16)
    pairs = drawn(labels, 16, batches=4)
    scores = score(z, pairs, temperature=TEMPERATURE)
    assert scores.nominal_bits == pytest.approx(read([scores], pairs, [0.0]).nominal.bits)


def test_a_good_critic_reads_less_in_the_strict_form_than_in_the_nominal_one():
    z, labels = codes(16, noise=0.1)
    pairs = drawn(labels, 16)
    assert reading("strict", z, pairs, temperature=0.1).bits < reading("nominal", z, pairs, temperature=0.1).bits


@pytest.mark.parametrize("name", ["strict", "nwj"])
@pytest.mark.parametrize("redraw", [0.1, 0.3])
def test_strict_readings_stay_below_the_truth_of_a_label_channel(name, redraw):
    z, labels = codes(16)
    truth = LabelChannel.uniform(16, redraw).information_bits
    for temperature in (0.15, 0.2, 0.3):
        found = reading(name, z, drawn(labels, 16, redraw=redraw), temperature=temperature)
        assert found.bits < truth + 3 * found.standard_error_bits


def test_the_critic_with_the_optimal_ratio_reads_the_truth_of_a_label_channel():
    """One-hot codes at the temperature where exp(1 / t) is the ratio of the two cells of the joint table."""
    z, labels = codes(16, images=4096)
    channel = LabelChannel.uniform(16, 0.3)
    temperature = 1 / log((1 - 0.3 + 0.3 / 16) / (0.3 / 16))
    found = reading("nwj", z, drawn(labels, 16, redraw=0.3, batches=64), temperature=temperature)
    assert found.standard_error_bits < 0.03
    assert abs(found.bits - channel.information_bits) < 3 * found.standard_error_bits


@pytest.mark.parametrize("name", NAMES)
def test_embeddings_that_ignore_the_class_read_nothing(name):
    _, labels = codes(4)
    z = torch.randn(len(labels), 32, generator=torch.Generator().manual_seed(0))
    found = reading(name, z, drawn(labels, 4), temperature=1.0)
    assert found.bits < 3 * found.standard_error_bits + 0.02


def test_an_offset_from_other_rows_keeps_nwj_a_bound():
    """However badly it fits."""
    z, labels = codes(16)
    nwj = score(z, drawn(labels, 16), temperature=0.2).nwj
    for offset in (-5.0, -1.0, 0.0, 2.0, 5.0):
        assert read_nwj([nwj], [offset]).bits < 4


# Standard errors


@pytest.mark.parametrize("name", NAMES)
def test_the_standard_error_is_the_spread_over_fresh_images(name):
    """Of images that share sources: 8 to each, and every source has its own quality."""
    found = []
    for draw in range(40):
        rng = np.random.default_rng(draw)
        sources = np.arange(1024) // 8
        labels = (sources % 4).astype(np.int64)
        faint = rng.random(128)[sources] < 0.2
        z = torch.from_numpy(np.where(faint[:, None], 0.25, np.eye(4)[labels]) + 0.02 * rng.standard_normal((1024, 4)))
        pairs = drawn(labels, 4, batches=8, seed=draw, sources=sources)
        found.append(reading(name, z.float(), pairs, temperature=0.2))
    spread = np.std([reading.bits for reading in found], ddof=1)
    told = np.sqrt(np.mean([reading.standard_error_bits**2 for reading in found]))
    assert told == pytest.approx(spread, rel=0.35)


def three_critics():
    z, labels = codes(4, images=256, noise=0.2)
    pairs = drawn(labels, 4, k=32, batches=4)
    return [score(z, pairs, temperature=t) for t in (0.1, 0.2, 0.4)], pairs


def alone(name, scores, offset, pairs):
    return getattr(read([scores], pairs, [offset]), name)


@pytest.mark.parametrize("name", NAMES)
def test_critics_are_read_at_their_mean(name):
    scores, pairs = three_critics()
    offsets = [0.5, 1.0, 1.5]
    each = [alone(name, s, offset, pairs).bits for s, offset in zip(scores, offsets, strict=True)]
    assert getattr(read(scores, pairs, offsets), name).bits == pytest.approx(np.mean(each))


@pytest.mark.parametrize("name", NAMES)
def test_the_spread_between_critics_is_part_of_the_standard_error(name):
    scores, pairs = three_critics()
    offsets = [0.5, 1.0, 1.5]
    each = [alone(name, s, offset, pairs).bits for s, offset in zip(scores, offsets, strict=True)]
    if name == "nwj":
        without = np.mean([s.nwj.without_one(o) for s, o in zip(scores, offsets, strict=True)], axis=0)
        over_images = bits(jackknife_standard_error(without))
    else:
        rows = np.mean([getattr(s, name) for s in scores], axis=0).ravel()
        over_images = bits(paired_standard_error(rows, pairs.x.ravel(), pairs.y.ravel()))
    expected = np.sqrt(over_images**2 + np.var(each, ddof=1) / 3)
    found = getattr(read(scores, pairs, offsets), name)
    assert found.standard_error_bits == pytest.approx(expected)
    assert found.standard_error_bits > over_images


@pytest.mark.parametrize("name", NAMES)
def test_the_same_critic_thrice_is_no_surer_and_no_less_sure(name):
    (scores, *_), pairs = three_critics()
    thrice, once = read([scores] * 3, pairs, [0.5] * 3), read([scores], pairs, [0.5])
    assert getattr(thrice, name).bits == pytest.approx(getattr(once, name).bits)
    expected = getattr(once, name).standard_error_bits
    assert getattr(thrice, name).standard_error_bits == pytest.approx(expected)


def test_critics_and_offsets_come_in_equal_number():
    scores, pairs = three_critics()
    with pytest.raises(ValueError):
        read(scores, pairs, [0.0])


def test_scores_are_of_the_shape_of_the_pairs():
    scores, pairs = three_critics()
    assert isinstance(scores[0], Scores)
    assert scores[0].nominal.shape == scores[0].strict.shape == pairs.x.shape
