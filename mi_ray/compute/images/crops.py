"""Regions of photographs: what is cut out of each, resized and mirrored to make a view."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

import numpy as np
from jaxtyping import Bool, Int64

PLAIN_SHARE = 0.875
"""Side of the plain view of an encoder trained here, as a share of the photograph's short side.

The recipes for ImageNet resize the short side to 256 pixels and keep the central 224."""

Sizes = Int64[np.ndarray, "n 2"]
"""Width and height of upright photographs, in pixels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Crops:
    """One region of each of n photographs, to be resized to ``size`` x ``size`` pixels with antialiasing.

    ``boxes``: left, top, width and height in pixels of the upright photograph; ``mirrored``: whether the view is
    mirrored from left to right; ``bicubic``: whether it is resized by cubic instead of linear interpolation.
    """

    boxes: Int64[np.ndarray, "n 4"]
    mirrored: Bool[np.ndarray, " n"]
    size: int
    bicubic: bool = False

    def __len__(self) -> int:
        return len(self.boxes)


def centred(sizes: Sizes, *, size: int, share: float = PLAIN_SHARE, bicubic: bool = False) -> Crops:
    """The plain view: the central square whose side is ``share`` of the short side, at least a pixel."""
    short = sizes.min(axis=1)
    width = np.maximum(1, np.array([floor(share * side + 0.5) for side in short.tolist()], dtype=np.int64))
    corners = (sizes - width[:, None]) // 2
    boxes = np.column_stack([corners, width, width]).astype(np.int64)
    return Crops(boxes=boxes, mirrored=np.zeros(len(sizes), dtype=np.bool_), size=size, bicubic=bicubic)
