"""Splits of frozen embeddings as an estimate reads them: rows, labels, and the image of each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32

from mi_ray.compute.estimation.readings import Pairs
from mi_ray.compute.images.duplicates import Identities, distinct_rows, merged_sources
from mi_ray.compute.numerics.strata import Labels
from mi_ray.compute.numerics.uncertainty import Sources
from mi_ray.compute.pairs.couples import Couple, TwoViews, among
from mi_ray.theory.channel import LabelChannel


@dataclass(frozen=True, kw_only=True, eq=False)
class Origin:
    """The image that each row of a split shows.

    ``identities`` [n] are equal for two rows, of any splits, that show one image: `identities_of_pixels`, or
    `identities_of_rows` where only embeddings are known. ``sources`` [n]: the drawing or file that the image was made
    from; splits share none. ``names`` [n] of the images, for messages: their numbers if empty.
    """

    identities: Identities
    sources: Sources
    names: Sequence[str] = ()

    @cached_property
    def independent(self) -> Sources:
        """Sources [n], those that share an image merged: the units that a standard error counts."""
        return merged_sources(self.sources, self.identities)

    def name(self, row: int) -> str:
        return self.names[row] if self.names else f"image {row}"


@dataclass(frozen=True, eq=False)
class Sample:
    """A split of frozen embeddings: h [n, width], labels [n], the origin of each row, and the couple.

    The couple pairs no image with its own copy (`among`): the two share everything, not their class alone.
    """

    h: Float32[np.ndarray, "n width"]
    labels: Labels
    origin: Origin
    couple: Couple


Samples = Mapping[str, Sample]
"""By split: train, validation, test."""


def shared(images: Origin, others: Origin) -> tuple[str, ...]:
    """The ``images`` that are among the ``others``, by name: as a copy of the same pixels, "a = b", or of one source.

    Copies are found by their pixels, however many there are and whatever their embeddings.
    """
    known, first = np.unique(others.identities, return_index=True)
    place = np.searchsorted(known, images.identities).clip(max=len(known) - 1)
    copied = known[place] == images.identities
    there = np.flatnonzero(copied | np.isin(images.sources, others.sources)).tolist()
    twins = {row: f" = {others.name(int(first[place[row]]))}" for row in there if copied[row]}
    return tuple(dict.fromkeys(images.name(row) + twins.get(row, "") for row in there))


def copied_share(sample: Sample, pairs: Pairs) -> float:
    """Share of the pairs that are an image and its own copy, of one class."""
    same = [values[pairs.x] == values[pairs.y] for values in (sample.origin.identities, sample.labels)]
    return float(np.logical_and(*same).mean())


def image_channel(sample: Sample) -> LabelChannel:
    """The channel of views: they share at most their image, uniform over the n images of a split."""
    return LabelChannel.uniform(len(np.unique(sample.labels)))


def flattened(h: Float32[np.ndarray, "n per_image width"], origin: Origin) -> Sample:
    """A split of views to be paired by `TwoViews`: labels are the images' indices; ``origin``: of the n images.

    Copies of an image are one image: of one label, and paired as often as one.
    """
    n, per_image, width = h.shape
    chosen = distinct_rows(origin.identities)
    rows = (chosen[:, None] * per_image + np.arange(per_image)).ravel()
    _, first, image = np.unique(origin.identities, return_index=True, return_inverse=True)
    return Sample(
        h=h.reshape(n * per_image, width),
        labels=np.repeat(first[image], per_image),
        origin=Origin(
            identities=np.repeat(origin.identities, per_image),
            sources=np.repeat(origin.sources, per_image),
            names=[origin.name(image) for image in range(n) for _ in range(per_image)],
        ),
        couple=among(TwoViews(len(chosen), per_image), rows, n * per_image),
    )
