"""Which images are one: files whose decoded pixels are equal, whatever they are called and however many there are.

An image is identified by its pixels and never by its embedding: an encoder may map different images to one point. What
is not recognised: near-copies, such as one photograph saved twice with other compression, size, crop or colours.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from jaxtyping import Float, Int64, UInt8
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mi_ray.compute.numerics.uncertainty import Sources

Identities = Int64[np.ndarray, " n"]
"""Equal for two rows, of one split or of two, if and only if they are of one image. As 64 bits of a digest: among
10^7 images two different ones are taken for one with a chance of 3 in 10^6."""


def identities_of_pixels(images: UInt8[np.ndarray, "n 3 side side"]) -> Identities:
    """Identities of decoded images; of views, those of the images that were viewed."""
    return _digests(images)


def identities_of_rows(h: Float[np.ndarray, "n ..."]) -> Identities:
    """Identities where nothing but embeddings is known: rows of equal bytes are taken for one image.

    This accuses an encoder that maps different images to one point, and misses copies that were embedded with other
    rounding; where the images are at hand, `identities_of_pixels` is right.
    """
    return _digests(h)


def _digests(rows: np.ndarray) -> Identities:
    digests = [blake2b(row.tobytes(), digest_size=8).digest() for row in rows]
    return np.frombuffer(b"".join(digests), dtype=np.int64)


def different(identities: Identities, labels: Int64[np.ndarray, " n"] | None = None) -> Int64[np.ndarray, " m"]:
    """The first row of each image, ascending; with ``labels`` the first of each image under each label."""
    told = identities[:, None] if labels is None else np.stack([identities, labels], axis=1)
    return np.sort(np.unique(told, axis=0, return_index=True)[1])


def joined(sources: Sources, identities: Identities) -> Sources:
    """Sources [n], where all that have an image in common are one, known by the least of them.

    Copies are no independent observations. Where no image is in two sources, the sources are as they were.
    """
    known, source = np.unique(sources, return_inverse=True)
    _, image = np.unique(identities, return_inverse=True)
    size = len(known) + image.max(initial=-1) + 1
    links = coo_array((np.ones(len(source)), (source, len(known) + image)), shape=(size, size))
    component = connected_components(links, directed=False)[1][: len(known)]
    _, first, of = np.unique(component, return_index=True, return_inverse=True)
    return known[first[of]][source]
