"""Views of photographs by mi-ray's loader, for the benchmarks: the one place that knows how it is called."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mi_ray.compute.frozen.plain_views import plain_batches
from mi_ray.compute.images.encoded import Encoded, InPlace, digest_of
from mi_ray.compute.images.image_set import ImageSet, Photographs
from mi_ray.compute.pairs.augmentation import Rows, SimCLRView, View, plain
from mi_ray.compute.pairs.feed import Feed, Request, feed_of

SIDE = 224


def photographs(paths: list[Path], repeat: int = 1) -> ImageSet:
    """The files as one split of streamed photographs, ``repeat`` times over."""
    root = paths[0].parents[2]
    names = [str(path.relative_to(root)) for path in paths] * repeat
    digests = np.frombuffer(b"".join(digest_of(path.read_bytes()) for path in paths), dtype=np.uint8).reshape(-1, 16)
    encoded = Encoded(
        files=InPlace(root, names),
        names=names,
        digests=np.tile(digests, (repeat, 1)),
        sizes=np.tile(np.array([Image.open(path).size for path in paths]), (repeat, 1)),
        field="photographs",
    )
    labels = np.zeros((len(names), 1), dtype=np.int64)
    return ImageSet(Photographs(encoded, SIDE), labels, np.arange(len(names)), names)


def feed(
    data: ImageSet, view: View, *, pairs: int, steps: int, workers: int, device: torch.device, itself: bool = True
) -> Feed:
    """The feed of a training with ``pairs`` pairs a step: of an image with ``itself``, or of two images."""

    def request(step: int) -> Request:
        rng = np.random.default_rng(step)
        first = rng.integers(len(data), size=pairs)
        second = first if itself else rng.integers(len(data), size=pairs)
        return Request(np.concatenate([first, second]), step, Rows.all(2 * pairs))

    return feed_of(data, request, view, steps=steps, device=device, loaders=workers)


def mi_ray_views(
    paths: list[Path], kind: str, images: int, workers: int, device: torch.device | None = None
) -> Callable[[int], Iterator[Tensor]]:
    """Batches of normalised float32 views of ``images`` photographs, by the number of batches.

    ``kind``: ``simclr``, two SimCLR views of each photograph, [2 images, 3, 224, 224], as a training has them;
    ``plain pairs``, plain views of photographs in pairs, [images, ...], as a training with same-class sampling has;
    ``plain``, plain views in order, as an embedding has them.
    """
    data, device = photographs(paths), device or torch.device("cpu")

    def pairs(view: View, n: int, itself: bool, batches: int) -> Iterator[Tensor]:
        fed = feed(data, view, pairs=n, steps=batches, workers=workers, device=device, itself=itself)
        return map(fed, range(batches))

    def in_order(batches: int) -> Iterator[Tensor]:
        enough = photographs(paths, repeat=-(-batches * images // len(paths)))
        loaded = plain_batches(enough, images, device=device, input=None, loaders=workers)
        for _ in range(batches):
            yield next(loaded)

    match kind:
        case "simclr":
            return partial(pairs, SimCLRView(), images, True)
        case "plain pairs":
            return partial(pairs, plain, images // 2, False)
        case _:
            return in_order
