"""The contrastive loss of h itself, and the loss of its mean classifier: both ends of `theory.surrogate`'s bounds.

Nothing is fitted but class means: similarities are cosines of h, at temperature 1, as Bao et al. (2022) evaluate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mi_ray.compute.estimation.readings import Pairs, score
from mi_ray.compute.numerics.blocks import CPU, rows_within, slices, tensor_of
from mi_ray.compute.numerics.sphere import directions
from mi_ray.compute.numerics.uncertainty import paired_standard_error

Labelled = tuple[Float[np.ndarray, "_ width"], Int64[np.ndarray, " _"]]
"""h and the class of each row."""

LARGEST = 1.0
"""The largest |similarity|: a cosine."""


@dataclass(frozen=True, kw_only=True)
class ContrastiveLoss:
    """InfoNCE with ``negatives`` negatives a pair, in nats, and its standard error over source images."""

    nats: float
    standard_error_nats: float
    negatives: int


def contrastive_loss(h: Float[np.ndarray, "n width"], pairs: Pairs, device: torch.device = CPU) -> ContrastiveLoss:
    """R_cont of `theory.surrogate` on ``pairs`` of h: the negatives of x are the y of its batch's other pairs, and so
    for y. NotFinite if a value of h is not."""
    rows = -score(tensor_of(h).to(device), pairs, temperature=1.0).strict.ravel()
    error = paired_standard_error(rows, pairs.sources[pairs.x.ravel()], pairs.sources[pairs.y.ravel()])
    return ContrastiveLoss(nats=float(rows.mean()), standard_error_nats=error, negatives=pairs.k - 1)


def mean_classifier_loss(known: Labelled, asked: Labelled, prior: Sequence[float], device: torch.device = CPU) -> float:
    """R_mean of `theory.surrogate` in nats: classes are the means of ``known`` rows, the loss is of ``asked`` rows.

    ``prior`` [C] weighs classes; those without a chance are no alternative. ValueError names a class with a chance that
    has no row.
    """
    chance = np.asarray(prior)
    possible = np.flatnonzero(chance > 0)
    for name, (_, labels) in {"known": known, "asked": asked}.items():
        absent = possible[np.bincount(labels, minlength=len(chance))[possible] == 0]
        if len(absent):
            raise ValueError(f"{name}: class {absent[0]} has no row")
    means = _class_means(*known, len(chance), device)[possible]
    h, labels, place = tensor_of(asked[0]), asked[1], np.cumsum(chance > 0) - 1
    losses, rows = np.zeros(len(chance)), np.bincount(labels, minlength=len(chance))
    for part in slices(len(h), rows_within(8 * max(h.shape[1], len(possible)))):
        logits = directions(h[part].to(device).double()) @ means.T
        own = logits.gather(1, torch.from_numpy(place[labels[part], None]).to(device))[:, 0]
        nats = (logits.logsumexp(1) - own).cpu().numpy()
        losses += np.bincount(labels[part], weights=nats, minlength=len(chance))
    return float(chance[possible] @ (losses[possible] / rows[possible]))


def _class_means(h: np.ndarray, labels: np.ndarray, n_classes: int, device: torch.device) -> Float[Tensor, "c width"]:
    """The mean direction of each class; that of a class without rows is NaN."""
    rows, classes = tensor_of(h), torch.from_numpy(labels)
    sums = torch.zeros(n_classes, h.shape[1], dtype=torch.float64, device=device)
    for part in slices(len(rows), rows_within(8 * h.shape[1])):
        sums.index_add_(0, classes[part].to(device), directions(rows[part].to(device).double()))
    return sums / torch.bincount(classes, minlength=n_classes)[:, None].to(device)
