"""Measure embeddings without fitting a network: their geometry, their rank and the analytic bounds of a loss."""

from __future__ import annotations

from math import isfinite

import numpy as np
import torch
from numpy.typing import NDArray

from mi_ray.compute.estimation.contrastive import LARGEST, contrastive_loss, mean_classifier_loss
from mi_ray.compute.estimation.readings import draw_pairs
from mi_ray.compute.images.duplicates import distinct_rows
from mi_ray.compute.images.image_set import ImageSet
from mi_ray.compute.probes import geometry
from mi_ray.compute.probes.rank_me import rank_me
from mi_ray.experiments.declare import Geometry, Quality, SameClass
from mi_ray.experiments.declare.geometry import BAO_LOWER, BAO_UPPER, H_LOSS, MEAN_LOSS, RANK_ME
from mi_ray.experiments.declare.kind import Values
from mi_ray.experiments.declare.measures import ALIGNMENT, TOLERANCE, UNIFORMITY
from mi_ray.experiments.images.pairs import couple_of_different, independent_sources, label_channel, labelled
from mi_ray.experiments.images.prepared import PreparedData
from mi_ray.experiments.run.embedding import Embedded, names_of
from mi_ray.experiments.run.evaluation import without_unknown_errors
from mi_ray.theory.surrogate import Surrogate


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


def graded(declaration: Quality, data: PreparedData, h: Embedded, device: torch.device) -> Values:
    """RankMe of the test images, the contrastive loss of their same-class pairs, the bounds that follow from it, and
    the loss that they bound: that of the classes' means on train; ``device`` computes."""
    pairing, test, _ = declaration.pairing, data.split("test"), names_of(data, h)
    pairs = draw_pairs(
        couple_of_different(pairing, test, test.identities), independent_sources(test), k=declaration.k_est,
        batches=declaration.batches, seed=declaration.seed, purpose="read test",
    )  # fmt: skip
    loss = contrastive_loss(h["test"], pairs, device)
    prior = label_channel(pairing, test).prior
    known, asked = ((h[split], labelled(pairing.task, data.split(split))[0]) for split in ("train", "test"))
    values = {
        RANK_ME.name: rank_me(h["test"]),
        H_LOSS.name: loss.nats,
        H_LOSS.error: loss.standard_error_nats,
        MEAN_LOSS.name: mean_classifier_loss(known, asked, prior, device),
        "negatives": loss.negatives,
    }
    possible = tuple(chance for chance in prior if chance > 0)
    return values | bounds(Surrogate(prior=possible, negatives=loss.negatives, largest=LARGEST), loss.nats)


def bounds(setting: Surrogate, loss: float) -> Values:
    """Every bound that ``setting`` allows, without those that are infinite."""
    values = {BAO_LOWER.name: setting.bao_lower(loss), BAO_UPPER.name: setting.bao_upper(loss)}
    if setting.is_balanced:
        others = {"arora": setting.arora, "nozawa_sato": setting.nozawa_sato, "ash": setting.ash}
        values |= {f"{name}_upper_nats": bound(loss) for name, bound in others.items()}
    return {name: value for name, value in values.items() if isfinite(value)}
