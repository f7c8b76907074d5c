"""The one pass over the encoded photographs of a split, in parallel.

Every file is read, digested and decoded, so that a damaged file is refused before anything is computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from mi_ray.compute.images.alike import Extent
from mi_ray.compute.images.decode import WHITE, decode_bytes, refusals, shows_matte
from mi_ray.compute.images.duplicates import Identities, identities_of_pixels
from mi_ray.compute.images.encoded import Encoded, InPlace, Names, digest_of
from mi_ray.compute.images.image_set import in_order, square
from mi_ray.compute.images.readers import Catalogue

Report = Callable[[int], None]
"""Progress callback: the number of images read since the last call."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scan:
    """A split of encoded photographs; the identities of their squares of ``side`` pixels, and the extent of these."""

    encoded: Encoded
    identities: Identities
    extent: Extent


@dataclass(frozen=True, kw_only=True, eq=False)
class _Chunk:
    digests: UInt8[np.ndarray, "m 16"]
    sizes: Int64[np.ndarray, "m 2"]
    identities: Identities
    low: int
    high: int
    shows_matte: bool


def scan(
    field: str, catalogue: Catalogue, rows: Int64[np.ndarray, " n"], *, side: int, matte: str, report: Report
) -> Scan:
    """Read the images ``rows`` of a catalogue of files. ValueError names a file that is corrupt, ``field`` first."""
    assert catalogue.root is not None
    root, names = Path(catalogue.root), Names.of(list(map(catalogue.name, rows.tolist())))
    files = InPlace(root, names)
    nothing = np.zeros((0, 2), dtype=np.int64)
    encoded = Encoded(
        files=files, names=names, digests=np.zeros((0, 16), np.uint8), sizes=nothing, field=field, matte=matte
    )

    def read(chunk: Int64[np.ndarray, " m"]) -> _Chunk:
        digests, sizes, squares, shown = [], [], [], False
        for i in chunk.tolist():
            with refusals(encoded.called(i)):
                content = files.read(i)
            photograph = decode_bytes(content, encoded.called(i), matte)
            digests.append(digest_of(content))
            sizes.append(photograph.size)
            squares.append(square(photograph, side))
            shown = shown or shows_matte(content)
        pixels = np.stack(squares)
        return _Chunk(
            digests=np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, 16),
            sizes=np.array(sizes, dtype=np.int64),
            identities=identities_of_pixels(pixels),
            low=int(pixels.min()),
            high=int(pixels.max()),
            shows_matte=shown,
        )

    chunks: list[_Chunk] = []
    for chunk in in_order(read, len(rows)):
        chunks.append(chunk)
        report(len(chunk.sizes))
    if not chunks:
        return Scan(encoded=encoded, identities=np.zeros(0, dtype=np.int64), extent=Extent(low=0, high=255))
    return Scan(
        encoded=replace(
            encoded,
            digests=np.concatenate([chunk.digests for chunk in chunks]),
            sizes=np.concatenate([chunk.sizes for chunk in chunks]),
            # the matte enters the content digest, so that of opaque photographs is always the same
            matte=matte if any(chunk.shows_matte for chunk in chunks) else WHITE,
        ),
        identities=np.concatenate([chunk.identities for chunk in chunks]),
        extent=Extent(low=min(chunk.low for chunk in chunks), high=max(chunk.high for chunk in chunks)),
    )
