"""Labels, couples, views and class channel of a split's images under a declared pairing and task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mi_ray.compute.images.duplicates import Identities, distinct_rows, merged_sources
from mi_ray.compute.images.image_set import ImageSet
from mi_ray.compute.numerics.uncertainty import Sources
from mi_ray.compute.pairs.augmentation import Rows, SimCLRView, View, plain
from mi_ray.compute.pairs.blur import BlurredView
from mi_ray.compute.pairs.couples import Couple, Indices, WithinClass, WithItself, among
from mi_ray.experiments.declare import OwnPairing, Pairing, SameClass, SimCLR, SimCLRWithBlur
from mi_ray.experiments.declare.identity import own_fields
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
    """How ``pairing`` couples the images of a split: all files, as a training sees them."""
    if isinstance(pairing, SameClass):
        return _within_class(pairing, images, np.arange(len(images)))
    own = pairing.couple(images) if isinstance(pairing, OwnPairing) else None
    return own or WithItself(len(images))


def couple_of_different(pairing: SameClass, images: ImageSet, identities: Identities) -> Couple:
    """The same for an estimate: two different images of a class, each as likely as any other, however often copied.

    Under T_class x and y are independent given the class; an image and its own copy are not, and would count as
    evidence that the encoder tells classes. Copies do count in the classes' shares (``prior="empirical"``), as they do
    in a training and in linear accuracy. ValueError if a class has but one image; where there are no copies, the
    couples are those of `couple`, draw by draw.
    """
    rows = distinct_rows(identities, labelled(pairing.task, images)[0])
    try:
        return _within_class(pairing, images, rows)
    except ValueError as error:
        raise ValueError(f"{error}, copies counted once ({len(images)} files, {len(rows)} images)") from error


def _within_class(pairing: SameClass, images: ImageSet, rows: Indices) -> Couple:
    labels, n_classes = labelled(pairing.task, images)
    prior = None if pairing.prior == "uniform" else np.array(label_channel(pairing, images).prior)
    return among(WithinClass(labels[rows], n_classes, redraw=pairing.redraw, prior=prior), rows, len(images))


def independent_sources(images: ImageSet) -> Sources:
    """Sources [n] of a split, where those that share an image are one: what a standard error counts."""
    return merged_sources(images.sources, images.identities)


def view(pairing: Pairing) -> View:
    """The function that makes a view of an image: the identity for same-class sampling, else the augmentation of
    ``pairing``."""
    match pairing:
        case SameClass():
            return plain
        case SimCLR():
            return SimCLRView(**own_fields(pairing))
        case SimCLRWithBlur():
            return BlurredView(
                simclr=SimCLRView(**own_fields(pairing.simclr)),
                share=pairing.blur,
                sigma_min=pairing.sigma_min,
                sigma_max=pairing.sigma_max,
            )
        case OwnPairing():
            return OwnView(pairing)
        case _:
            assert_never(pairing)


@dataclass
class OwnView:
    """The views by a pairing of a user's own, each checked; the first batch is viewed twice."""

    pairing: OwnPairing
    is_tried: bool = False

    def __call__(self, images: Tensor, seed: int, rows: Rows | None = None) -> Tensor:
        """ValueError names the class if a view is not finite or not of the images' shape and type, or if the first
        comes out otherwise when it is asked for again. A view that writes into its images changes a copy."""
        views = self._view(images, seed, rows)
        if not self.is_tried:
            self.is_tried = True
            if not torch.allclose(views, self._view(images, seed, rows), rtol=1e-3, atol=1e-3):
                raise self._fault("two views differ", "a function of (images, seed, rows), such as stream(seed, ...)")
        return views

    def _view(self, images: Tensor, seed: int, rows: Rows | None) -> Tensor:
        given = images.clone()
        views = self.pairing.view(given, seed, rows)
        if not isinstance(views, Tensor) or views.shape != images.shape or views.dtype != images.dtype:
            form = f"{tuple(views.shape)} of {views.dtype}" if isinstance(views, Tensor) else type(views).__name__
            raise self._fault(form, f"{tuple(images.shape)} of {images.dtype}")
        if not views.isfinite().all():
            raise self._fault("NaN or infinity", "finite numbers")
        return views.detach().contiguous(memory_format=torch.channels_last)

    def _fault(self, what: str, allowed: str) -> ValueError:
        return ValueError(f"{type(self.pairing).__name__}: view: {what}; allowed: {allowed}")
