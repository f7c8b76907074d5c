"""Losses that a training minimises: L_InfoNCE, SupCon (Table III) or NT-Xent against another data set D- (Table X).

Each is a function of projections and of the indices of their images: z holds the x of all pairs, then their y, then the
views of D-, if any.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, assert_never

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mi_ray.compute.images.image_set import ImageSet
from mi_ray.compute.training.losses import nt_xent, nt_xent_against, sup_con
from mi_ray.compute.training.workers import ALONE, Workers

Indices = Int64[np.ndarray, " views"]
Projections = Float[Tensor, "rows d"]
Scalar = Float[Tensor, ""]


@dataclass(frozen=True)
class NTXentLoss:
    """L_InfoNCE of Eq. 2; log(2K-1) less this loss is the in-training estimate of Eq. 4."""

    estimates: ClassVar[bool] = True
    negatives: ClassVar[None] = None

    def __call__(self, z: Projections, indices: Indices, *, temperature: float, workers: Workers = ALONE) -> Scalar:
        """z: [2k, d]; indices: [2k], the images of x, then of y; both of this worker's pairs."""
        k = len(indices) // 2
        return nt_xent(z[:k], z[k:], temperature=temperature, workers=workers)


@dataclass(frozen=True, eq=False)
class SupConLoss:
    """L_out^sup of Khosla et al. 2020: all views of a class are positives of each other. No estimate by Eq. 4.

    labels: [n], the class of each image. The two images of a pair must have the same class.
    """

    labels: Int64[np.ndarray, " n"]
    estimates: ClassVar[bool] = False
    negatives: ClassVar[None] = None

    def __call__(self, z: Projections, indices: Indices, *, temperature: float, workers: Workers = ALONE) -> Scalar:
        """z: [2k, d]; indices: [2k]; both of this worker's pairs. ValueError if a pair joins two classes."""
        k = len(indices) // 2
        labels_x, labels_y = self.labels[indices].reshape(2, k)
        if (labels_x != labels_y).any():
            raise ValueError("couple: a pair joins two classes; allowed with SupCon: both images of one class")
        labels = torch.from_numpy(workers.gather_integers(labels_x))
        return sup_con(z[:k], z[k:], labels, temperature=temperature, workers=workers)


@dataclass(frozen=True, eq=False)
class NTXentAgainstLoss:
    """NT-Xent whose negatives come from another data set D- (Appendix C, Table X). No estimate by Eq. 4.

    negatives: the images of D-, with the side of the training images. A step draws K - 1 of them and views each twice,
    so that a denominator has 1 + 2(K - 1) = 2K - 1 terms, as in Eq. 3.
    """

    negatives: ImageSet
    estimates: ClassVar[bool] = False

    def __call__(self, z: Projections, indices: Indices, *, temperature: float, workers: Workers = ALONE) -> Scalar:
        """z: [2k + m, d], m views from D- last; indices: [2k]. For a single worker (`refuse_misfit`)."""
        n = len(indices)
        return nt_xent_against(z[: n // 2], z[n // 2 : n], z[n:], temperature=temperature)


Loss = NTXentLoss | SupConLoss | NTXentAgainstLoss

NT_XENT = NTXentLoss()


def refuse_misfit(objective: Loss, data: ImageSet, workers: Workers = ALONE) -> None:
    """Raise ValueError if the labels or the negatives of ``objective`` do not fit the images of ``data``, or if D- is
    used with more than one worker."""
    match objective:
        case NTXentLoss():
            return
        case SupConLoss():
            if len(objective.labels) != len(data):
                raise ValueError(f"labels: {len(objective.labels)} are given; allowed: one per image, {len(data)}")
        case NTXentAgainstLoss():
            if workers.size > 1:
                raise ValueError(
                    f"workers: {workers.size} is not allowed with negatives of another data set; allowed: 1"
                )
            given = objective.negatives
            if not len(given) or given.side != data.side:
                raise ValueError(
                    f"negatives: {len(given)} images of {given.side} pixels are not allowed; allowed: one or more, of"
                    f" {data.side} pixels"
                )
        case _:
            assert_never(objective)
