"""Measure the geometry of embeddings."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from mi_ray.compute.images.duplicates import distinct_rows
from mi_ray.compute.images.image_set import ImageSet
from mi_ray.compute.probes import geometry
from mi_ray.experiments.declare import Geometry, SameClass
from mi_ray.experiments.declare.kind import Values
from mi_ray.experiments.declare.measures import ALIGNMENT, TOLERANCE, UNIFORMITY
from mi_ray.experiments.images.pairs import independent_sources, label_channel, labelled
from mi_ray.experiments.images.prepared import PreparedData
from mi_ray.experiments.run.embedding import Embedded, names_of
from mi_ray.experiments.run.evaluation import without_unknown_errors


def measured(declaration: Geometry, data: PreparedData, h: Embedded, device: torch.device) -> Values:
    """Alignment and uniformity on the test images, and the tolerance of same-class pairs; ``device`` computes."""
    images, _ = data.split("test"), names_of(data, h)
    if isinstance(declaration.pairing, SameClass):
        classes = of_classes(declaration.pairing, images, h["test"], device)
        quantities = {ALIGNMENT: classes.alignment, UNIFORMITY: classes.uniformity, TOLERANCE: classes.tolerance}
    else:
        views = geometry.of_views(h["test"], independent_sources(images), device)
        quantities = {ALIGNMENT: views.alignment, UNIFORMITY: views.uniformity}
    result: Values = {}
    for measure, number in quantities.items():
        result |= {measure.name: number.value, measure.error: number.standard_error}
    return without_unknown_errors(result)


def of_classes(
    pairing: SameClass, images: ImageSet, h: NDArray[np.float32], device: torch.device
) -> geometry.OfClasses:
    """Geometry by the pairs that the estimate draws: of different images, classes weighted as declared."""
    labels = labelled(pairing.task, images)[0]
    rows = distinct_rows(images.identities, labels)
    is_share_of_rows = pairing.prior == "empirical" and len(rows) == len(images)
    prior = None if is_share_of_rows else label_channel(pairing, images).prior
    sampling = geometry.Sampling(labels=labels[rows], prior=prior, redraw=pairing.redraw)
    different = h if len(rows) == len(h) else h[rows]  # all rows are not copied
    return geometry.of_classes(different, sampling, independent_sources(images)[rows], device)
