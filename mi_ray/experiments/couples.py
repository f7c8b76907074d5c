"""What a declared pairing and task mean for the images of a split: labels, couples, views, class channel."""

from __future__ import annotations

from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from mi_ray.compute.augmentation import SimCLRView, plain
from mi_ray.compute.images import ImageSet
from mi_ray.compute.pairings import Couple, WithinClass, WithItself
from mi_ray.compute.training import View
from mi_ray.experiments.declare import Pairing, SameClass, SimCLR
from mi_ray.experiments.identity import own_fields
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.tasks import Task

COLUMNS = {"class": 0, "domain": 1}
"""Attributes of a labelled data set."""


def labelled(task: str, images: ImageSet) -> tuple[NDArray[np.int64], int]:
    """Class index of every image for a downstream task, and the number of classes."""
    if task in COLUMNS:
        column = images.attributes[:, COLUMNS[task]]
        return column, int(column.max()) + 1
    known = Task(task)
    return known.labels(images.attributes), known.n_classes


def label_channel(pairing: SameClass, images: ImageSet) -> LabelChannel:
    """The classes of the pairs that ``pairing`` makes of ``images``."""
    labels, n_classes = labelled(pairing.task, images)
    if pairing.prior == "uniform":
        return LabelChannel.uniform(n_classes, pairing.redraw)
    counts = np.bincount(labels, minlength=n_classes)
    return LabelChannel(prior=tuple(counts / counts.sum()), redraw=pairing.redraw)


def couple(pairing: Pairing, images: ImageSet) -> Couple:
    """How ``pairing`` couples the images of a split."""
    match pairing:
        case SameClass():
            labels, n_classes = labelled(pairing.task, images)
            prior = None if pairing.prior == "uniform" else np.array(label_channel(pairing, images).prior)
            return WithinClass(labels, n_classes, redraw=pairing.redraw, prior=prior)
        case SimCLR():
            return WithItself(len(images))
        case _:
            assert_never(pairing)


def view(pairing: Pairing) -> View:
    """How ``pairing`` views an image: plainly for same-class sampling, through augmentation for SimCLR."""
    match pairing:
        case SameClass():
            return plain
        case SimCLR():
            return SimCLRView(**own_fields(pairing))
        case _:
            assert_never(pairing)
