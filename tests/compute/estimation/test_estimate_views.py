"""Estimates under T_SimCLR with known answers: codes of images, seen in views."""

from dataclasses import replace
from functools import lru_cache
from math import log2

import numpy as np
import pytest

from mi_ray.compute.estimation.critics import Settings, ignore
from mi_ray.compute.estimation.estimate import NO_TRUTH, estimate
from mi_ray.compute.estimation.learned import LearnedCritics
from mi_ray.compute.estimation.problem import Problem
from mi_ray.compute.estimation.samples import Origin, flattened
from mi_ray.compute.images.duplicates import identities_of_rows
from mi_ray.compute.images.image_set import SPLITS
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import nominal_bound_bits, strict_bound_bits


def origin(h, sources):
    return Origin(identities=identities_of_rows(h), sources=sources)


SETTINGS = Settings(
    hidden=256,
    out=64,
    temperature=0.12,
    seeds=(0, 1),
    k=128,
    steps=200,
    learning_rate=1e-2,
    weight_decay=3.0,
    patience=4,
)
IMAGES = 256
"""Of test; log n = 8 bits."""


def coded(code, noise=0.02, per_image=4, train=4 * IMAGES):
    """Splits of codes [n, views, width], or [n, 1, width] for what the views of an image share, in noise."""
    samples = {}
    for number, (split, n) in enumerate(zip(SPLITS, (train, IMAGES, IMAGES), strict=True)):
        rng = np.random.default_rng(number)
        shown = code(n, per_image, rng)
        h = shown + noise * rng.standard_normal((n, per_image, shown.shape[2]))
        h = h.astype(np.float32)
        samples[split] = flattened(h, origin(h, number * 10**6 + np.arange(n)))
    return samples


def apart(n, per_image, rng):
    """An encoder that tells every image from every other, and nothing of the view."""
    return rng.standard_normal((n, 1, 64))


def of_eight_classes(n, per_image, rng):
    """One that tells an image's class and nothing else."""
    return np.random.default_rng(7).standard_normal((8, 64))[rng.permutation(n) % 8][:, None]


def unrelated(n, per_image, rng):
    """One whose views of an image have nothing in common."""
    return rng.standard_normal((n, per_image, 64))


def estimate_views(samples, *others, k_est, batches, settings, report=ignore):
    problem = Problem(samples=samples, k_est=k_est, batches=batches, seed=settings.seeds[0])
    return estimate(problem, LearnedCritics(settings=settings, report=report), *others)


@lru_cache
def asked(code, k_est=1024, batches=4, **rest):
    return estimate_views(coded(code, **rest), k_est=k_est, batches=batches, settings=SETTINGS)


def test_an_encoder_that_tells_every_image_apart_reads_log_n():
    found = asked(apart)
    channel = LabelChannel.uniform(IMAGES)
    assert found.bracket.upper_bits == found.ceilings_bits["nwj"] == pytest.approx(log2(IMAGES))
    assert found.readings["nominal"].bits == pytest.approx(log2(IMAGES), abs=0.05)
    assert found.readings["nwj"].bits == pytest.approx(log2(IMAGES), abs=0.05)
    assert found.readings["strict"].bits == pytest.approx(channel.strict_ceiling_bits(1024), abs=0.05)
    assert found.bracket.lower_bits > log2(IMAGES) - 0.3


@pytest.mark.parametrize("k_est", [8, 32])
def test_few_pairs_cap_its_readings_at_their_ceilings_below_their_bounds_and_that_is_said(k_est):
    found = asked(apart, k_est=k_est, batches=4096 // k_est)
    assert found.bounds_bits == {"nominal": nominal_bound_bits(k_est), "strict": strict_bound_bits(k_est)}
    for name, bound in found.bounds_bits.items():
        assert found.readings[name].bits == pytest.approx(found.ceilings_bits[name], abs=0.05), name
        assert found.readings[name].bits < found.ceilings_bits[name] + 3 * found.readings[name].standard_error_bits
        assert found.ceilings_bits[name] < bound < log2(IMAGES)
        assert f"{name} {found.readings[name].bits:.2f} of {found.ceilings_bits[name]:.2f} bits" in found.note
    assert "saturated" in found.note


def test_an_encoder_that_tells_eight_classes_reads_three_bits_whatever_the_views():
    found = asked(of_eight_classes)
    for name, reading in found.readings.items():
        assert reading.bits == pytest.approx(3, abs=0.1), name
        assert reading.bits < 3 + 3 * reading.standard_error_bits, name
    assert found.bracket.lower_bits < 3 < found.bracket.upper_bits
    assert found.note == ""


def test_unrelated_views_read_nothing():
    found = asked(unrelated)
    for name, reading in found.readings.items():
        assert abs(reading.bits) < 0.03, name
    assert found.bracket.lower_bits == 0
    assert "saturated" not in found.note


@pytest.mark.parametrize("code", [apart, of_eight_classes, unrelated])
def test_nothing_is_certified_for_want_of_a_truth(code):
    found = asked(code)
    assert not found.certified
    assert found.reasons == (NO_TRUTH,)
    assert set(found.readings) == {"nominal", "strict", "nwj"}


def test_more_views_of_the_same_images_read_the_same():
    few, many = asked(apart, per_image=2), asked(apart, per_image=8)
    for name in few.readings:
        assert few.readings[name].bits == pytest.approx(many.readings[name].bits, abs=0.05), name


def test_critics_of_few_noisy_images_are_overfitted_and_that_is_said_of_no_others():
    eager = replace(SETTINGS, learning_rate=3e-3, weight_decay=0.0)
    found = estimate_views(coded(apart, noise=1.0, train=64), k_est=1024, batches=4, settings=eager)
    assert found.learned.train_mean_bits > found.learned.fit.validation_bits.mean() + 0.5
    assert "critics or encoder are overfitted: train pairs read" in found.note
    for code in (apart, of_eight_classes, unrelated):
        assert "overfitted" not in asked(code).note


def test_the_train_reading_is_that_of_the_fit():
    found = asked(apart)
    assert found.learned.train_mean_bits == pytest.approx(
        LabelChannel.uniform(4 * IMAGES).nominal_ceiling_bits(128), abs=0.1
    )


def test_test_images_that_were_seen_before_are_counted_among_the_reasons():
    samples = coded(apart)
    seen_before = samples | {"test": replace(samples["test"], origin=samples["validation"].origin)}
    found = estimate_views(seen_before, k_est=256, batches=1, settings=replace(SETTINGS, steps=20))
    called = "image 0 = image 0, image 1 = image 1, image 2 = image 2, and 253 more"
    assert found.reasons == (f"test images are not untouched: {IMAGES} in validation ({called})", NO_TRUTH)


def test_no_label_moves_a_reading():
    samples = coded(apart)
    other = {split: replace(sample, labels=sample.labels[::-1].copy()) for split, sample in samples.items()}
    one, two = (estimate_views(s, k_est=256, batches=1, settings=replace(SETTINGS, steps=20)) for s in (samples, other))
    assert one.readings == two.readings


def test_an_estimate_says_how_its_fit_goes():
    heard = []
    estimate_views(
        coded(apart),
        k_est=64,
        batches=1,
        settings=replace(SETTINGS, steps=20),
        report=lambda *check: heard.append(check),
    )
    assert [step for step, _, _ in heard] == list(range(2, 21, 2))
