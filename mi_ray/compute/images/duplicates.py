"""Files whose decoded pixels are equal: copies of one image, whatever the files are called.

An image is identified by its pixels and never by its embedding, because an encoder may map different images to one
point. Near-copies (one photograph saved twice with other compression, size, crop or colours) are not recognised.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from jaxtyping import Float, Int64, UInt8

from mi_ray.compute.numerics.uncertainty import Sources

Identities = Int64[np.ndarray, " n"]
"""64-bit digests, equal for two rows (of one split or of two) if and only if the rows are copies of one image. Among
10^7 images two different ones get the same digest with probability 3e-6."""


def identities_of_pixels(images: UInt8[np.ndarray, "n 3 side side"]) -> Identities:
    """Identities of decoded images. The views of an image have the image's identity."""
    return _digests(images)


def identities_of_rows(h: Float[np.ndarray, "n ..."]) -> Identities:
    """Identities where only embeddings are known: rows of equal bytes count as one image.

    This counts different images as one where the encoder maps them to one point, and misses copies whose embeddings
    were rounded differently. Where the images are at hand, use `identities_of_pixels`.
    """
    return _digests(h)


def _digests(rows: np.ndarray) -> Identities:
    digests = [blake2b(row.tobytes(), digest_size=8).digest() for row in rows]
    return np.frombuffer(b"".join(digests), dtype=np.int64)


def distinct_rows(identities: Identities, labels: Int64[np.ndarray, " n"] | None = None) -> Int64[np.ndarray, " m"]:
    """The first row of each image, ascending; with ``labels``, the first row of each image under each label."""
    keys = identities[:, None] if labels is None else np.stack([identities, labels], axis=1)
    return np.sort(np.unique(keys, axis=0, return_index=True)[1])


def merged_sources(sources: Sources, identities: Identities) -> Sources:
    """Sources [n] in which all sources that share an image are replaced by the least of them.

    Copies are not independent observations, so a standard error must count them as one source.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    known, source = np.unique(sources, return_inverse=True)
    _, image = np.unique(identities, return_inverse=True)
    size = len(known) + image.max(initial=-1) + 1
    links = coo_array((np.ones(len(source)), (source, len(known) + image)), shape=(size, size))
    component = connected_components(links, directed=False)[1][: len(known)]
    _, first, member = np.unique(component, return_index=True, return_inverse=True)
    return known[first[member]][source]
