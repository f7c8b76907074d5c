"""kNN accuracy of a frozen encoder: the nearest train images vote on the class of each test image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from mi_ray.compute.numerics.blocks import CPU, Rows, slices, tensor_of
from mi_ray.compute.numerics.sphere import directions
from mi_ray.compute.numerics.uncertainty import Sources, clustered_standard_error
from mi_ray.compute.probes.accuracy import balanced

SIMILARITIES = 2**26
"""Cosines that are held in memory at once (256 MiB)."""

KNOWN = 2**16
"""Train images that are compared at once; the nearest of several such parts are merged."""


@dataclass(frozen=True, kw_only=True)
class NearestAccuracy:
    """Held-out kNN accuracy, in 0..1, with its standard error over source images.

    ``accuracy`` weighs classes by their share of the test images, ``balanced_accuracy`` weighs them alike.
    ``neighbours``: the k that validation chose.
    """

    accuracy: float
    standard_error: float
    balanced_accuracy: float
    balanced_standard_error: float
    validation_accuracy: float
    neighbours: int


def evaluate_nearest(
    h: Mapping[str, NDArray[np.float32]],
    labels: Mapping[str, NDArray[np.int64]],
    n_classes: int,
    sources: Sources,
    *,
    neighbours: Sequence[int],
    temperature: float,
    device: torch.device = CPU,
) -> NearestAccuracy:
    """Choose k on validation and score the vote of the k nearest train images on test.

    h: per split [n, width]; labels: per split [n]; ``sources``: [n of test]. Of the k in ``neighbours`` the one with
    the best validation accuracy is used, the larger on a tie; a k beyond the number of train images is that number.
    The vote is that of Wu et al. (2018): a neighbour at cosine s weighs exp(s / temperature). ``device``: where cosines
    are computed.
    """
    known = Rows(tensor_of(h["train"]), directions, device=device)
    ks = sorted({min(k, len(known)) for k in neighbours})
    hits = {
        split: votes(tensor_of(h[split]), known, torch.from_numpy(labels["train"]), n_classes, ks, temperature)
        == torch.from_numpy(labels[split])[:, None]
        for split in ("validation", "test")
    }
    validation = hits["validation"].double().mean(0).numpy()
    best = int(np.flatnonzero(validation == validation.max())[-1])
    test = hits["test"][:, best].numpy()
    alike = balanced(test, labels["test"], sources)
    return NearestAccuracy(
        accuracy=float(test.mean()),
        standard_error=clustered_standard_error(test.astype(float), sources),
        balanced_accuracy=alike.accuracy,
        balanced_standard_error=alike.standard_error,
        validation_accuracy=float(validation[best]),
        neighbours=ks[best],
    )


def votes(
    h: Float[Tensor, "n width"],
    known: Rows,
    labels: Int64[Tensor, " train"],
    n_classes: int,
    ks: Sequence[int],
    temperature: float,
) -> Int64[Tensor, "n ks"]:
    """The class that the nearest rows of ``known`` (unit vectors) vote for, for each k of ascending ``ks``.

    ``labels``: class indices of ``known``. Computed on the device of ``known``.
    """
    chosen, labels = [], labels.to(known.device)
    at_once = SIMILARITIES // max(min(len(known), KNOWN), len(ks) * n_classes, ks[-1])
    for part in slices(len(h), max(1, at_once)):
        rows = directions(h[part].to(known.device))
        cosine, nearest = _nearest(rows, known, ks[-1])
        weights, classes = ((cosine - 1) / temperature).exp(), labels[nearest]
        counts = [weights.new_zeros(len(rows), n_classes).scatter_add_(1, classes[:, :k], weights[:, :k]) for k in ks]
        chosen.append(torch.stack([count.argmax(1) for count in counts], dim=1).cpu())
    return torch.cat(chosen)


def _nearest(rows: Float[Tensor, "n width"], known: Rows, k: int) -> tuple[Tensor, Tensor]:
    """The ``k`` greatest cosines of each row with the rows of ``known``, and the numbers of these: [n, k] each."""
    parts = []
    for part in slices(len(known), KNOWN):
        cosine, nearest = (rows @ known[part].T).topk(min(k, part.stop - part.start), dim=1)
        parts.append((cosine, nearest + part.start))
    if len(parts) == 1:
        return parts[0]
    cosines, numbers = (torch.cat(of, dim=1) for of in zip(*parts, strict=True))
    greatest, place = cosines.topk(k, dim=1)
    return greatest, numbers.gather(1, place)
