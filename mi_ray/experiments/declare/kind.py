"""Facts that every kind of cell states about itself, in its own file.

A training, checkpoint, embedding, set of views or question is a frozen dataclass with these members; mypy reports a
member of the union `Declaration` that lacks one. Nothing here or in a kind's file imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from mi_ray.compute.choices import MANY_CLASSES, MANY_CLASSES_ITERATIONS, PROBE_ITERATIONS

if TYPE_CHECKING:
    from mi_ray.experiments.declare.checkpoint import Encoder

Values = dict[str, Any]

FORWARD_AND_BACKWARD = 3
"""Work of a training step in forward passes."""

STEP_OVERHEAD = 1e9
"""Operations that the fixed cost of one optimiser step is worth: small K_tr makes long jobs."""

SOFTMAX = 100
"""Columns of h that the softmax of a score costs as much as."""

MOST_CLASSES = 100
"""Classes that a folder is assumed to have until it is read."""


class Sizes(Protocol):
    """Sizes of a network, measured on shapes when they are asked for, and of its images (`plan.cost`)."""

    @property
    def forward(self) -> float:
        """Operations of the encoder for one image."""
        ...

    @property
    def width(self) -> int:
        """Width of h."""
        ...

    @property
    def counts(self) -> Counts:
        """Images of each split: counted if the files have been listed, else as declared."""
        ...

    def classes(self, task: str) -> int:
        """Classes of a downstream task; `MOST_CLASSES` while nobody knows."""
        ...


class Kind(Protocol):
    """A kind of cell."""

    @property
    def kind(self) -> str:
        """Name of the kind, in lower case: ``training``, ``evaluation``, ... Begins every key."""
        ...

    @property
    def protocol(self) -> int:
        """Version of the numbers: raise it when they move, and say so in the CHANGELOG."""
        ...

    @property
    def upstream(self) -> Kind | None:
        """The declaration that must be committed first."""
        ...

    @property
    def encoder(self) -> Encoder:
        """The encoder that the cell is about; an encoder is its own."""
        ...

    @property
    def subject(self) -> str:
        """Value of the parameter ``task``: a downstream task, or the augmentation of views; empty for encoders."""
        ...

    @property
    def company(self) -> str:
        """Cells of one kind with one upstream and equal, non-empty company are computed in one job."""
        ...

    def science(self) -> Values:
        """The fields that determine the numbers, as JSON values; they enter the key."""
        ...

    def layer(self) -> Values:
        """Parameters by the names that people use, without ``task`` and without those of its upstream."""
        ...

    def work(self, sizes: Sizes) -> float:
        """Predicted floating-point operations."""
        ...


def probe_work(width: int, images: int, classes: int, penalties: int = 1) -> float:
    """Operations of fitting linear probes of ``classes`` for each of ``penalties`` to h [images, width]."""
    passes = MANY_CLASSES_ITERATIONS if classes > MANY_CLASSES else PROBE_ITERATIONS
    return passes * 4.0 * images * (width + SOFTMAX) * classes * penalties


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Images of each split, and classes of the task ``class``.

    ``classes``: None if they are not known; ``negatives``: images of a set D- of its own; ``file_bytes``: size of the
    encoded files that are read, 0 if they were not measured; ``exact``: whether files were counted, or the declaration
    tells, rather than a guess.
    """

    train: int
    validation: int
    test: int
    classes: int | None = None
    negatives: int = 0
    file_bytes: int = 0
    exact: bool = True

    @property
    def images(self) -> int:
        """Images of all splits, without negatives."""
        return self.train + self.validation + self.test

    @classmethod
    def of_shares(cls, images: int, held_out: float, *, test: int = 0, classes: int | None, exact: bool) -> Counts:
        """Counts of ``images`` of which ``test`` are an official test part: validation gets the share ``held_out`` of
        the rest, and so does test if it has no official part."""
        rest = images - test
        share = round(held_out * rest)
        train = rest - share - (0 if test else share)
        return cls(train=train, validation=share, test=test or share, classes=classes, exact=exact)
