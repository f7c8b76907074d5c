"""Blocks: what they compute is what one operation does, in bounded memory, of h that is mapped for reading."""

import warnings
from dataclasses import astuple

import numpy as np
import pytest
import torch

from mi_ray.compute.estimation.posterior import fit_posterior, score_posterior
from mi_ray.compute.images.image_set import SPLITS
from mi_ray.compute.numerics import blocks
from mi_ray.compute.numerics.axes import PrincipalAxes
from mi_ray.compute.numerics.blocks import Rows, rows_within, slices, tensor_of
from mi_ray.compute.numerics.finite import NotFinite, refuse_rows
from mi_ray.compute.probes import geometry, nearest
from mi_ray.compute.probes.accuracy import evaluate_linearly
from mi_ray.compute.probes.logistic import fit_probes
from mi_ray.compute.probes.nearest import evaluate_nearest
from mi_ray.theory.channel import LabelChannel
from tests.compute.estimation.class_codes import Problem, asked
from tests.compute.estimation.test_posterior import pairs_of

N, WIDTH, CLASSES = 300, 12, 5
PENALTIES = (1e-3, 1e-1)
SOURCES = np.arange(N) // 2


@pytest.fixture
def tiny(monkeypatch):
    """Budgets so small that nothing is kept and a block has few rows."""

    def shrink(block=2048, kept=0):
        monkeypatch.setattr(blocks, "BLOCK", block)
        monkeypatch.setattr(blocks, "KEPT", kept)
        monkeypatch.setattr(nearest, "KNOWN", 64)
        monkeypatch.setattr(nearest, "SIMILARITIES", 2048)

    return shrink


def embedded(seed=0):
    """h and labels by split: class means in noise."""
    rng = np.random.default_rng(seed)
    means = rng.standard_normal((CLASSES, WIDTH))
    labels = {split: rng.integers(CLASSES, size=N) for split in SPLITS}
    h = {split: means[of] + rng.standard_normal((N, WIDTH)) for split, of in labels.items()}
    return {split: rows.astype(np.float32) for split, rows in h.items()}, labels


H, LABELS = embedded()


def mapped(h, folder):
    """h in files that are mapped for reading."""
    files = {}
    for split, rows in h.items():
        np.save(folder / f"{split}.npy", rows)
        files[split] = np.load(folder / f"{split}.npy", mmap_mode="r")
    return files


# Rows


def test_blocks_are_all_rows_once_and_never_larger_than_the_budget(tiny):
    tiny(block=1000)
    assert rows_within(100) == 10 and rows_within(5000) == 1
    assert [(part.start, part.stop) for part in slices(25, 10)] == [(0, 10), (10, 20), (20, 25)]


@pytest.mark.parametrize("kept", [0, 2**20])
def test_rows_are_the_same_kept_and_made_anew(tiny, kept):
    tiny(kept=kept)
    h = torch.from_numpy(H["train"])
    rows, expected = Rows(h, lambda part: 2 * part[:, :3]), 2 * h[:, :3]
    assert len(rows) == N and rows.shape == (N, 3)
    assert torch.equal(rows[10:20], expected[10:20])
    index = torch.tensor([[5, 5, 299], [0, 7, 1]])
    assert torch.equal(rows[index], expected[index])


def test_mapped_rows_are_neither_copied_nor_warned_of(tmp_path):
    rows = mapped(H, tmp_path)["train"]
    assert not rows.flags.writeable
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tensor_of(rows).data_ptr() == rows.ctypes.data


def test_a_refusal_counts_bad_rows_of_all_blocks():
    h = np.zeros((20_000, 2), np.float32)
    h[[3, 9000, 19_999]] = np.nan
    with pytest.raises(NotFinite, match=r"^h: 3 of 20000 rows hold NaN or infinity \(row 3, row 9000, row 19999\)"):
        refuse_rows("h", h)


# Questions


def test_axes_and_probes_are_those_of_one_block(tiny):
    h, labels = torch.from_numpy(H["train"]), [torch.from_numpy(LABELS["train"]), torch.from_numpy(LABELS["train"] % 2)]
    axes = PrincipalAxes(h)
    whole = fit_probes(h, labels, [CLASSES, 2], PENALTIES, axes=axes)
    tiny()
    parts = fit_probes(h, labels, [CLASSES, 2], PENALTIES, axes=axes)
    assert len(list(parts.blocks(h, 0))) == 8
    for task in (0, 1):
        torch.testing.assert_close(parts.logits(h, task), whole.logits(h, task), atol=2e-3, rtol=2e-3)
    torch.testing.assert_close(PrincipalAxes(h)(h).abs(), axes(h).abs(), atol=1e-4, rtol=1e-4)


def test_linear_and_knn_accuracy_of_mapped_rows_are_those_of_one_block(tiny, tmp_path):
    def accuracies(h):
        (linear,) = evaluate_linearly(h, [LABELS], [CLASSES], SOURCES, penalties=PENALTIES)
        return linear, evaluate_nearest(h, LABELS, CLASSES, SOURCES, neighbours=(1, 9, 100), temperature=0.1)

    whole = accuracies(H)
    tiny()
    for found, expected in zip(accuracies(mapped(H, tmp_path)), whole, strict=True):
        assert astuple(found) == pytest.approx(astuple(expected), abs=0.004)


@pytest.mark.parametrize("redraw", [0.0, 0.4])
def test_geometry_in_blocks_is_that_of_one(tiny, redraw):
    sampling = geometry.Sampling(labels=LABELS["test"], prior=(0.1, 0.2, 0.3, 0.2, 0.2), redraw=redraw)

    def quantities():
        classes = geometry.of_classes(H["test"], sampling, SOURCES)
        views = geometry.of_views(H["test"].reshape(100, 3, WIDTH), np.arange(100))
        measured = (classes.alignment, classes.uniformity, classes.tolerance, views.alignment, views.uniformity)
        return [number for quantity in measured for number in (quantity.value, quantity.standard_error)]

    whole = quantities()
    tiny()
    assert quantities() == pytest.approx(whole, rel=1e-9)


def test_the_posterior_and_its_score_in_blocks_are_those_of_one(tiny):
    channel = LabelChannel.uniform(CLASSES, 0.1)
    h = {split: torch.from_numpy(rows) for split, rows in H.items()}
    axes, pairs = PrincipalAxes(h["train"]), pairs_of(LABELS["test"], channel)

    def read():
        train, validation = ((h[split], LABELS[split]) for split in ("train", "validation"))
        model = fit_posterior(train, validation, SOURCES, channel.prior, penalties=PENALTIES, axes=axes)
        return model, score_posterior(model(h["test"]), pairs, channel)

    (model, score) = read()
    tiny()
    (other, parts) = read()
    assert (other.penalty, other.softness) == (model.penalty, model.softness)
    assert parts.value(0.3) == pytest.approx(score.value(0.3), abs=1e-3)
    np.testing.assert_allclose(parts.leave_one_out(0.3), score.leave_one_out(0.3), atol=2e-3)


def test_an_estimate_in_blocks_is_that_of_one(tiny):
    problem = Problem(classes=4, noise=0.3)
    samples = problem.samples(0)
    whole = asked(samples, problem.channel).readings
    tiny(block=2**16)
    for name, reading in asked(samples, problem.channel).readings.items():
        assert reading.bits == pytest.approx(whole[name].bits, abs=0.01), name


# Devices


def test_no_tensor_is_made_on_a_device_that_was_not_asked_for():
    """With another default device, a tensor that is made without ``device`` does not fit those of the CPU."""
    problem = Problem(classes=4)
    samples = problem.samples(0)
    with torch.device("meta"):
        evaluate_linearly(H, [LABELS], [CLASSES], SOURCES, penalties=PENALTIES)
        evaluate_nearest(H, LABELS, CLASSES, SOURCES, neighbours=(1, 9), temperature=0.1)
        geometry.of_classes(H["test"], geometry.Sampling(labels=LABELS["test"]), SOURCES)
        asked(samples, problem.channel)
