"""Geometry and linear evaluation of unbalanced images, asked as declared, against the pairs that the estimate draws."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from mi_ray.compute.images.image_set import SPLITS, ImageSet
from mi_ray.experiments.declare import Embedding, Geometry, Labelled, LinearEvaluation, SameClass, Training
from mi_ray.experiments.images.pairs import couple, label_channel, labelled
from mi_ray.experiments.images.prepared import PreparedData
from mi_ray.experiments.run.evaluation import evaluated
from mi_ray.experiments.run.geometry import measured
from mi_ray.experiments.store.files import MANIFEST, sha256, write_json

CLASSES = np.array([0] * 60 + [1] * 30 + [2] * 6 + [3] * 2)
ENCODER = Training(data=Labelled(name="pacs", root="images"), pairing=SameClass(task="class"), arch="resnet10t")
DRAWN = 200_000
CPU = torch.device("cpu")


def images_of(classes: np.ndarray = CLASSES, sources: np.ndarray | None = None) -> ImageSet:
    n = len(classes)
    attributes = np.stack([classes, (np.arange(n) % 5 == 0).astype(np.int64)], axis=1)
    pixels = np.random.default_rng(0).integers(256, size=(n, 3, 4, 4), dtype=np.uint8)
    return ImageSet(pixels, attributes, np.arange(n) if sources is None else sources)


def prepared(folder: Path, splits: Mapping[str, ImageSet]) -> PreparedData:
    for name, images in splits.items():
        images.save(folder / f"{name}.safetensors")
        write_json(folder / f"{name}.names.json", [f"{i}.png" for i in range(len(images))])
    files = [*folder.glob("*.safetensors"), *folder.glob("*.names.json")]
    write_json(folder / MANIFEST, {"files": {path.name: sha256(path) for path in files}})
    return PreparedData(folder, "0" * 64)


def embedded(images: ImageSet, seed: int = 0) -> np.ndarray:
    """h [n, 6]: classes apart, and the larger the nearer together."""
    rng = np.random.default_rng(seed)
    label = images.attributes[:, 0]
    h = 2 * np.eye(6)[label] + (0.2 + 0.2 * label[:, None]) * rng.standard_normal((len(label), 6))
    return h.astype(np.float32)


def geometry_of(folder: Path, pairing: SameClass, images: ImageSet, h: np.ndarray) -> dict[str, float]:
    geometry = Geometry(embedding=Embedding(encoder=ENCODER), pairing=pairing)
    return measured(geometry, prepared(folder, {"test": images}), {"test": h}, CPU)


@pytest.mark.parametrize("redraw", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("prior", ["uniform", "empirical"])
@pytest.mark.parametrize("task", ["class", "domain"])
def test_geometry_is_that_of_the_pairs_that_the_estimate_draws(tmp_path, task, prior, redraw):
    pairing, images = SameClass(task=task, prior=prior, redraw=redraw), images_of()
    h = embedded(images)
    result = geometry_of(tmp_path, pairing, images, h)
    unit = h / np.linalg.norm(h, axis=1, keepdims=True)
    (x, y), (z, _) = (couple(pairing, images)(DRAWN, np.random.default_rng(seed)) for seed in (0, 1))
    inner = (unit[x] * unit[y]).sum(1)
    assert abs(result["tolerance"] - inner.mean()) < 4 * inner.std() / DRAWN**0.5
    assert result["alignment"] == pytest.approx(2 - 2 * result["tolerance"])
    potential = np.exp(-2 * ((unit[x] - unit[z]) ** 2).sum(1))[x != z]
    error = potential.std() / len(potential) ** 0.5
    assert abs(np.exp(result["uniformity"]) - potential.mean()) < 4 * error


def test_the_declared_sampling_moves_what_is_measured_of_uneven_classes(tmp_path):
    images = images_of()
    h = embedded(images)
    pairings = [SameClass(task="class", prior=p, redraw=r) for p in ("uniform", "empirical") for r in (0.0, 0.5)]
    results = [geometry_of(tmp_path, pairing, images, h) for pairing in pairings]
    assert len({round(result["tolerance"], 2) for result in results}) == 4
    assert results[0]["uniformity"] == results[1]["uniformity"] < results[2]["uniformity"] - 0.1


@pytest.mark.parametrize("prior", ["uniform", "empirical"])
def test_a_class_with_a_single_image_is_refused_by_geometry_as_by_the_estimate(tmp_path, prior):
    images, pairing = images_of(np.append(CLASSES, 4)), SameClass(task="class", prior=prior)
    with pytest.raises(ValueError, match=r"class 4 has 1 image"):
        couple(pairing, images)
    with pytest.raises(ValueError, match=r"too few images: 4 \(1\)"):
        geometry_of(tmp_path, pairing, images, embedded(images))


def test_errors_that_one_source_cannot_tell_are_left_out(tmp_path):
    images = images_of(sources=np.zeros(len(CLASSES), dtype=np.int64))
    result = geometry_of(tmp_path, SameClass(task="class"), images, embedded(images))
    assert result.keys() == {"alignment", "uniformity", "tolerance"}


def test_accuracies_weigh_classes_as_the_two_priors_do(tmp_path):
    """What the estimate's prior gives each class is its weight in the accuracy beside it."""
    splits = {split: images_of() for split in SPLITS}
    h = {split: embedded(images, seed) for seed, (split, images) in enumerate(splits.items())}
    data, question = prepared(tmp_path, splits), LinearEvaluation(embedding=Embedding(encoder=ENCODER), task="class")
    (result,) = evaluated([question], data, h, CPU)
    labels, n_classes = labelled("class", splits["test"])
    priors = [label_channel(SameClass(task="class", prior=p), splits["test"]).prior for p in ("uniform", "empirical")]
    recalls = [_recall(question, tmp_path, splits, h, np.flatnonzero(labels == c)) for c in range(n_classes)]
    assert result["linear_balanced_accuracy"] == pytest.approx(np.dot(priors[0], recalls))
    assert result["linear_accuracy"] == pytest.approx(np.dot(priors[1], recalls))
    assert result["linear_balanced_accuracy"] < result["linear_accuracy"]
    assert result["linear_balanced_standard_error"] > result["linear_standard_error"] > 0
    assert result["linear_absent_classes"] == 0


def _recall(
    question: LinearEvaluation,
    folder: Path,
    splits: Mapping[str, ImageSet],
    h: Mapping[str, np.ndarray],
    rows: np.ndarray,
) -> float:
    """Plain accuracy of the same probe on some of the test rows."""
    test = splits["test"]
    part = ImageSet(test.pixels(rows), test.attributes[rows], test.sources[rows])
    folder.joinpath("part").mkdir(exist_ok=True)
    data = prepared(folder / "part", {**splits, "test": part})
    return evaluated([question], data, {**h, "test": h["test"][rows]}, CPU)[0]["linear_accuracy"]
