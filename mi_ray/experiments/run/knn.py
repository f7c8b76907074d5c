"""Measure the kNN accuracy of a downstream task on embeddings."""

from __future__ import annotations

import torch

from mi_ray.compute.images.image_set import SPLITS
from mi_ray.compute.probes.nearest import evaluate_nearest
from mi_ray.experiments.declare.kind import Values
from mi_ray.experiments.declare.knn import KNN_ACCURACY, KNN_BALANCED_ACCURACY, NearestNeighbours
from mi_ray.experiments.images.pairs import independent_sources, labelled
from mi_ray.experiments.images.prepared import PreparedData
from mi_ray.experiments.run.embedding import Embedded, names_of
from mi_ray.experiments.run.evaluation import touched_note, without_unknown_errors


def voted(declaration: NearestNeighbours, data: PreparedData, h: Embedded, device: torch.device) -> Values:
    """kNN accuracy on the test images, the number of neighbours chosen on validation; ``device`` compares images."""
    splits, names = {split: data.split(split) for split in SPLITS}, names_of(data, h)
    classes = {split: labelled(declaration.task, images) for split, images in splits.items()}
    accuracy = evaluate_nearest(
        h,
        {split: labels for split, (labels, _) in classes.items()},
        classes["train"][1],
        independent_sources(splits["test"]),
        neighbours=declaration.neighbours,
        temperature=declaration.temperature,
        device=device,
    )
    result = {
        KNN_ACCURACY.name: accuracy.accuracy,
        KNN_ACCURACY.error: accuracy.standard_error,
        KNN_BALANCED_ACCURACY.name: accuracy.balanced_accuracy,
        KNN_BALANCED_ACCURACY.error: accuracy.balanced_standard_error,
        "knn_validation_accuracy": accuracy.validation_accuracy,
        "knn_neighbours_chosen": accuracy.neighbours,
    }
    return without_unknown_errors(result) | touched_note(splits, names)
