"""Refusals of splits whose images are (nearly) all equal, as after a wrong export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from mi_ray.compute.images.duplicates import Identities, identities_of_pixels
from mi_ray.compute.images.image_set import ImageSet
from mi_ray.theory.listing import listed

LEAST_DISTINCT = 3
"""Distinct images that a split of a data set needs."""


FLAT = 2
"""Largest difference in grey levels between two values of a split at which its images still count as all equal."""


@dataclass(frozen=True, kw_only=True)
class Extent:
    """The least and the largest value of some pixels, 0 to 255."""

    low: int
    high: int


def refuse_equal(what: str, images: UInt8[np.ndarray, "n 3 side side"], names: Sequence[str]) -> None:
    """Raise ValueError if (nearly) all images of a split are equal (`refuse_alike`)."""
    if len(images) > 1:
        extent = Extent(low=int(images.min()), high=int(images.max()))
        refuse_alike(what, identities_of_pixels(images), extent, names)


def refuse_alike(what: str, identities: Identities, extent: Extent, names: Sequence[str]) -> None:
    """Raise ValueError if (nearly) all images of a split are equal, as after a wrong export: more than half have the
    same pixels, fewer than `LEAST_DISTINCT` differ, or all values lie within `FLAT` grey levels. The error names two
    images. ``extent``: of all pixels."""
    n = len(identities)
    if n < 2:
        return
    distinct, first, counts = np.unique(identities, return_index=True, return_counts=True)
    most = min(range(len(distinct)), key=lambda group: (-counts[group], first[group]))
    if counts[most] * 2 > n or len(distinct) < min(LEAST_DISTINCT, n):
        alike = f"{counts[most]} have the same pixels"
        one, *others = np.flatnonzero(identities == distinct[most]).tolist()
        other = others[0]
        allowed = f"at least {LEAST_DISTINCT} distinct images, none of them more than half"
    elif extent.high - extent.low <= FLAT:
        alike, one, other = f"all values are {extent.low} to {extent.high} of 255", 0, n - 1
        allowed = f"values more than {FLAT} levels apart"
    else:
        return
    raise ValueError(
        f"{what}: {n} images, {len(distinct)} of them distinct; {alike}, such as {names[one]} and"
        f" {names[other]}; allowed: {allowed}"
    )


def refuse_single(what: str, images: ImageSet, classes: Sequence[str]) -> None:
    """Raise ValueError if all images of a class have the same pixels: a same-class pair needs two images (Sec. III-A).

    ``classes``: names of the classes. Classes without images are ignored.
    """
    labels = images.attributes[:, 0]
    pairs = np.unique(np.stack([labels, images.identities], axis=1), axis=0)
    counts = np.bincount(pairs[:, 0], minlength=len(classes))
    single = {label: np.flatnonzero(labels == label) for label in np.flatnonzero(counts == 1).tolist()}
    if single:
        named = listed([f"{classes[label]} ({len(rows)}, {images.names[rows[0]]})" for label, rows in single.items()])
        raise ValueError(
            f"{what}: all images of a class have the same pixels: {named}; allowed: at least 2 that differ"
        )
