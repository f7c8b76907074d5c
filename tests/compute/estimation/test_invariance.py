"""No offset and no scale of a feature moves a number, as far as the number type holds the feature at all."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from benchmarks.peers.discovered import discover, score_couples
from mi_ray.compute.estimation.baselines import ksg
from mi_ray.compute.images.image_set import SPLITS
from mi_ray.compute.numerics.axes import FAR, PrincipalAxes, Standardiser
from mi_ray.compute.pairs.couples import WithinClass
from mi_ray.compute.probes import geometry
from mi_ray.compute.probes.accuracy import evaluate_linearly
from mi_ray.compute.probes.logistic import fit_probes
from tests.compute.estimation.class_codes import Problem, asked

CLASSES, WIDTH, N = 4, 8, 400
SIZES = dict(zip(SPLITS, (N, N, 1000), strict=True))
LABELS = {split: np.random.default_rng(i).integers(CLASSES, size=n) for i, (split, n) in enumerate(SIZES.items())}
CODES = np.random.default_rng(9).standard_normal((CLASSES, WIDTH))


def codes(noise=0.1):
    """Class codes in float64, by split."""
    return {
        split: CODES[labels] + noise * np.random.default_rng(10 + i).standard_normal((len(labels), WIDTH))
        for i, (split, labels) in enumerate(LABELS.items())
    }


def moved(h, offset=0.0, scale=1.0, kind=np.float32):
    return {split: (offset + scale * rows).astype(kind) for split, rows in h.items()}


def accuracy(h):
    if h["train"].dtype == np.float32:
        (found,) = evaluate_linearly(h, [LABELS], [CLASSES], np.arange(len(h["test"])), penalties=[1e-3])
        return found.accuracy
    fitted = fit_probes(torch.from_numpy(h["train"]), [torch.from_numpy(LABELS["train"])], [CLASSES], [1e-3])
    logits = fitted.logits(torch.from_numpy(h["test"]), 0)
    return float((logits[:, 0].argmax(1).numpy() == LABELS["test"]).mean())


def scikit_learn(h):
    """The same in float64, standardised; columns are of size one before, as scikit-learn squares them."""
    size = np.abs(h["train"]).max(0).astype(float)
    scaler = StandardScaler().fit(h["train"] / size)
    train, test = (scaler.transform(h[split] / size) for split in ("train", "test"))
    return LogisticRegression(max_iter=1000).fit(train, LABELS["train"]).score(test, LABELS["test"])


PER_COLUMN = np.logspace(-6, 6, WIDTH)
MOVES = {
    "mean 100, spread 5e-4": (100.0, 5e-4, np.float32),
    "mean -3e4, spread 0.1": (-3e4, 0.1, np.float32),
    "mean 1e6, spread 3": (1e6, 3.0, np.float32),
    "mean 1e9, spread 1 in float64": (1e9, 1.0, np.float64),
    "scale 1e-20": (0.0, 1e-20, np.float32),
    "scale 1e20": (0.0, 1e20, np.float32),
    "scale 1e37": (0.0, 1e37, np.float32),
    "scale 1e-300 in float64": (0.0, 1e-300, np.float64),
    "scale 1e300 in float64": (0.0, 1e300, np.float64),
    "columns 1e12 apart": (0.0, PER_COLUMN, np.float32),
    "columns 1e12 apart, each far from 0": (30 * PER_COLUMN, PER_COLUMN, np.float32),
    "float16": (1.0, 0.1, np.float16),
}


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("noise", [0.1, 0.8])
def test_linear_accuracy_is_scikit_learns_at_any_offset_and_scale(name, noise):
    h = moved(codes(noise), *MOVES[name])
    expected = scikit_learn(h)
    assert expected > (0.99 if noise == 0.1 else 0.8)
    assert accuracy(h) == pytest.approx(expected, abs=0.01)
    if not (name.startswith("mean") or name == "float16"):  # nothing is rounded away
        assert accuracy(h) == pytest.approx(accuracy(moved(codes(noise))), abs=0.002)


@pytest.mark.parametrize("constant", [0.0, 1.0, 100.1, 1e30, -1e-30])
def test_constant_columns_among_others_change_no_accuracy(constant):
    h = moved(codes(0.8), 100.0, 5e-3)
    wider = {s: np.insert(rows, [0, 3], np.float32(constant), axis=1) for s, rows in h.items()}
    assert accuracy(wider) == pytest.approx(accuracy(h), abs=0.002)


@pytest.mark.parametrize("mean", [0.0, 1.0, 100.0, 1e6, -1e30])
def test_a_feature_of_two_neighbouring_numbers_is_not_constant(mean):
    """One level apart: all that float32 can tell."""
    near = np.nextafter(np.float32(mean), np.float32(np.inf))
    h = {s: np.where(labels[:, None] == 0, np.float32(mean), near) for s, labels in LABELS.items()}
    two = {s: (labels > 0).astype(np.int64) for s, labels in LABELS.items()}
    (found,) = evaluate_linearly(h, [two], [2], np.arange(len(h["test"])), penalties=[1e-4])
    assert found.accuracy == 1


# Principal axes


@pytest.mark.parametrize("kind", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_standardised_features_are_those_of_float64(kind, shift):
    h = (torch.randn(500, 3, generator=torch.Generator().manual_seed(0)) + shift).to(kind)
    exact = h.double()
    expected = (exact - exact.mean(0)) / exact.std(0)
    torch.testing.assert_close(Standardiser(h)(h).double(), expected, atol=1e-6, rtol=1e-6)


def test_only_what_is_the_same_on_every_row_is_constant():
    h = torch.full((50, 3), 1e8)
    h[7, 1] = 1e8 + 8
    h[:, 2] = 0
    found = Standardiser(h)(h)
    assert (found[:, [0, 2]] == 0).all()
    assert found[7, 1] == pytest.approx(49 / 50**0.5, rel=1e-5)


def test_rows_in_parts_are_standardised_as_rows_at_once(monkeypatch):
    h = torch.randn(100, 4, generator=torch.Generator().manual_seed(0)) + 7
    whole = Standardiser(h)(h)
    monkeypatch.setattr("mi_ray.compute.numerics.axes.ROWS", 17)
    torch.testing.assert_close(Standardiser(h)(h), whole)


def test_other_rows_at_the_end_of_float32_are_drawn_in():
    h = torch.randn(100, 4, generator=torch.Generator().manual_seed(0)) * 1e-30
    far = PrincipalAxes(h)(torch.full((2, 4), 3e38))
    assert far.norm(dim=1) == pytest.approx(torch.full((2,), FAR * 2), rel=1e-4)


# Estimates


@lru_cache
def easy():
    problem = Problem(classes=CLASSES, noise=0.3)
    return problem, problem.samples(0), asked(problem.samples(0), problem.channel)


@pytest.mark.parametrize(
    ("offset", "scale"), [(100.0, 1e-2), (0.0, 1e-20), (0.0, 1e20), (0.0, np.logspace(-6, 6, 32))], ids=str
)
def test_no_reading_of_probe_or_critics_is_moved(offset, scale):
    problem, samples, found = easy()
    other = {s: replace(of, h=(offset + scale * of.h.astype(float)).astype(np.float32)) for s, of in samples.items()}
    again = asked(other, problem.channel)
    for name, reading in found.readings.items():
        assert again.readings[name].bits == pytest.approx(reading.bits, abs=0.02), name


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-20, 1e-6, 1e6, 1e20])
def test_ksg_at_any_scale_is_ksg(kind, scale):
    x, y = correlated()
    assert ksg((x * scale).astype(kind), (y / scale).astype(kind)) == pytest.approx(ksg(x, y), abs=1e-3)


@pytest.mark.parametrize(("offset", "kind"), [(1e6, np.float64), (-1e9, np.float64), (1e3, np.float32)])
def test_ksg_at_any_offset_is_ksg(offset, kind):
    x, y = correlated()
    expected = ksg(x, y)
    assert ksg((x + offset).astype(kind), y) == pytest.approx(expected, abs=5e-3)
    assert ksg(x, np.hstack([y + offset, np.full_like(y, offset)]).astype(kind)) == pytest.approx(expected, abs=5e-3)


def correlated():
    x, noise = np.random.default_rng(0).standard_normal((2, 2000, 1))
    return x, 0.8 * x + 0.6 * noise


@pytest.mark.parametrize("scale", [1e-37, 1e-20, 1e20, 1e37])
def test_no_length_moves_a_measure_of_geometry(scale):
    h, labels = codes()["test"].astype(np.float32), LABELS["test"]
    sources = np.arange(len(h))
    x, y = WithinClass(labels, CLASSES)(500, np.random.default_rng(0))
    for measure in (
        lambda h: geometry.alignment(h, x, y, sources),
        lambda h: geometry.uniformity(h, sources),
        lambda h: geometry.tolerance(h, geometry.Sampling(labels=labels), sources),
    ):
        assert measure(h * np.float32(scale)).value == pytest.approx(measure(h).value, abs=1e-4)


@pytest.mark.parametrize(("offset", "scale"), [(100.0, 1e-2), (0.0, 1e-20), (0.0, PER_COLUMN)], ids=str)
def test_discovered_classes_are_found_at_any_offset_and_scale(offset, scale):
    h, labels = codes(), LABELS

    def read(h):
        x, y = {}, {}
        for split in SPLITS:
            one, other = WithinClass(labels[split], CLASSES)(400, np.random.default_rng(0))
            x[split], y[split] = h[split][one], h[split][other]
        found = discover((x["train"], y["train"]), (x["validation"], y["validation"]), roundness=0.5, seed=0)
        scored = score_couples(found(np.concatenate([x["test"], y["test"]])), found.channel)
        return scored.value(scored.best_offset)

    assert read(moved(h, offset, scale)) == pytest.approx(read(moved(h)), abs=0.01)
