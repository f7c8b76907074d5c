"""Three readings of one frozen critic on class codes, whose truth and ceilings are known in closed form."""

import numpy as np
import pytest
import torch

from mi_ray.compute.pairings import WithinClass
from mi_ray.compute.readings import nwj_offset, read_nominal, read_nwj, read_strict
from mi_ray.theory.information import label_channel_bits, nominal_ceiling_bits, strict_ceiling_bits

TEMPERATURE = 0.05
"""At which a critic of one-hot codes tells the classes apart by 20 nats."""


def codes(n_classes, images=2048, noise=0.0, seed=0):
    """A perfect critic's z: one-hot codes, and the labels."""
    labels = np.arange(images) % n_classes
    noise = noise * np.random.default_rng(seed).standard_normal((images, n_classes))
    return torch.from_numpy(np.eye(n_classes)[labels] + noise).float(), labels


def drawn(labels, n_classes, *, k=256, batches=32, redraw=0.0, seed=0):
    couple, rng = WithinClass(labels, n_classes, redraw=redraw), np.random.default_rng(seed)
    return [couple(k, rng) for _ in range(batches)]


def read(name, z, pairs, *, temperature=TEMPERATURE, sources=None):
    sources = np.arange(len(z)) if sources is None else sources
    if name == "nwj":
        offset = nwj_offset(z, pairs, temperature=temperature)
        return read_nwj(z, pairs, sources, temperature=temperature, offset=offset)
    return {"nominal": read_nominal, "strict": read_strict}[name](z, pairs, sources, temperature=temperature)


@pytest.mark.parametrize("n_classes", [4, 16, 64])
@pytest.mark.parametrize(("name", "ceiling"), [("nominal", nominal_ceiling_bits), ("strict", strict_ceiling_bits)])
def test_a_perfect_critic_reads_its_ceiling(name, ceiling, n_classes):
    z, labels = codes(n_classes)
    found = read(name, z, drawn(labels, n_classes))
    assert found.bits == pytest.approx(ceiling(n_classes, 256), abs=0.02)


@pytest.mark.parametrize("n_classes", [4, 16, 64])
def test_nwj_knows_no_log_k_and_reads_the_class_entropy_at_any_k(n_classes):
    z, labels = codes(n_classes)
    assert read("nwj", z, drawn(labels, n_classes, k=8, batches=512)).bits == pytest.approx(
        np.log2(n_classes), abs=0.03
    )


def test_a_good_critic_reads_less_in_the_strict_form_than_in_the_nominal_one():
    z, labels = codes(16, noise=0.1)
    pairs = drawn(labels, 16)
    assert read("strict", z, pairs, temperature=0.1).bits < read("nominal", z, pairs, temperature=0.1).bits


@pytest.mark.parametrize("name", ["strict", "nwj"])
@pytest.mark.parametrize("redraw", [0.1, 0.3])
def test_strict_readings_stay_below_the_truth_of_a_label_channel(name, redraw):
    z, labels = codes(16)
    truth = label_channel_bits(16, redraw)
    for temperature in (0.15, 0.2, 0.3):
        found = read(name, z, drawn(labels, 16, redraw=redraw), temperature=temperature)
        assert found.bits < truth + 3 * found.standard_error_bits


@pytest.mark.parametrize("name", ["nominal", "strict", "nwj"])
def test_embeddings_that_ignore_the_class_read_nothing(name):
    _, labels = codes(4)
    z = torch.randn(len(labels), 32, generator=torch.Generator().manual_seed(0))
    found = read(name, z, drawn(labels, 4), temperature=1.0)
    assert found.bits < 3 * found.standard_error_bits + 0.02


@pytest.mark.parametrize("name", ["nominal", "strict", "nwj"])
def test_the_standard_error_is_the_spread_over_fresh_images(name):
    """Of images that share sources: 8 to each, and every source has its own quality."""
    found = []
    for draw in range(40):
        rng = np.random.default_rng(draw)
        sources = np.arange(1024) // 8
        labels = (sources % 4).astype(np.int64)
        faint = rng.random(128)[sources] < 0.2
        z = torch.from_numpy(np.where(faint[:, None], 0.25, np.eye(4)[labels]) + 0.02 * rng.standard_normal((1024, 4)))
        z = z.float()
        pairs = drawn(labels, 4, batches=8, seed=draw)
        found.append(read(name, z, pairs, temperature=0.2, sources=sources))
    spread = np.std([reading.bits for reading in found], ddof=1)
    told = np.sqrt(np.mean([reading.standard_error_bits**2 for reading in found]))
    assert told == pytest.approx(spread, rel=0.35)


def test_an_offset_from_other_rows_keeps_nwj_a_bound():
    """However badly it fits."""
    z, labels = codes(16)
    pairs, sources = drawn(labels, 16), np.arange(len(z))
    for offset in (-5.0, -1.0, 0.0):
        assert read_nwj(z, pairs, sources, temperature=0.2, offset=offset).bits < 4
