"""Views of photographs by mi-ray's loader, for the benchmarks: the one place that knows how it is called."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from torch import Tensor


def mi_ray_views(folder: Path, kind: str, images: int, workers: int) -> Callable[[int], Iterator[Tensor]]:
    """Batches of ``images`` photographs below ``folder``/train as normalised float32 views: two SimCLR views of each
    ([2 images, 3, 224, 224]) if ``kind`` is ``simclr``, one plain view if it is ``plain``."""
    raise NotImplementedError
