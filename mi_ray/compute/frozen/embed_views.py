"""Embeddings of the views of augmentation-based pairings (Fig. 1b), computed once: any two views of an image are a
positive pair.

T_SimCLR draws fresh views for every pair. With ``per_image`` views kept for each image, a batch of pairs may use a view
twice; the more views are kept, the less often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import assert_never

import numpy as np
import torch
from jaxtyping import Float, Float32
from numpy.typing import NDArray
from torch import Tensor, nn

from mi_ray.compute.choices import Input
from mi_ray.compute.frozen.plain_views import batch_size, freeze
from mi_ray.compute.images.crops import PLAIN_SHARE
from mi_ray.compute.images.image_set import ImageSet, Photographs, Squares
from mi_ray.compute.images.pixels import as_trained, pixels, regions
from mi_ray.compute.numerics.finite import refuse_rows
from mi_ray.compute.pairs.augmentation import Rows, View
from mi_ray.compute.pairs.loader import computed
from mi_ray.compute.pairs.photograph_views import crops_of, recoloured, rest_of
from mi_ray.compute.seeding import stream

BATCH = 256
"""Images viewed at once. A view depends on the place of its image in its batch, so another value gives other views."""


@torch.inference_mode()
def embed_views(
    encoder: nn.Module,
    data: ImageSet,
    view: View,
    *,
    per_image: int,
    seed: int,
    device: torch.device,
    input: Input | None = None,
    purpose: str = "views",
    names: Sequence[str] = (),
    loaders: int = 0,
    out: Float32[np.ndarray, "n per_image width"] | None = None,
) -> Float32[np.ndarray, "n per_image width"]:
    """Embed ``per_image`` fresh views of every image of a split, in evaluation mode and float32.

    View v of batch b is drawn from (seed, purpose, v, b) alone, so that more views per image do not change the first
    ones; ``purpose`` separates splits. ``input``: the input of the encoder's training, if it was not trained here: a
    view of squares is made of these and then resized, one of a photograph is cropped at the size of the input. Returns
    ``out`` if given. NotFinite if an embedding is not finite; it names the images by ``names`` [n], or by number.
    """
    freeze(encoder, device)

    def seed_of(v: int, b: int) -> int:
        return int(stream(seed, f"{purpose} {v}", b).integers(2**63))

    most = batch_size(encoder, input.size if input else data.side, device)
    for start, v, x in _views(data, view, seed_of, per_image, most, device=device, input=input, loaders=loaders):
        rows = torch.cat([encoder(part).float().cpu() for part in x.split(most)]).numpy()
        if out is None:
            out = np.empty((len(data), per_image, rows.shape[1]), dtype=np.float32)
        out[start : start + len(rows), v] = rows
    assert out is not None
    refuse_rows("embeddings", torch.from_numpy(out), names)
    return out


Viewed = Iterator[tuple[int, int, Float[Tensor, "m 3 size size"]]]
"""The first image, the number of the view, and some views."""


def _views(
    data: ImageSet,
    view: View,
    seed_of: Callable[[int, int], int],
    per_image: int,
    most: int,
    *,
    device: torch.device,
    input: Input | None,
    loaders: int,
) -> Viewed:
    n, fetch = len(data), partial(computed, loaders=loaders, device=device)
    starts = range(0, n, BATCH)
    match data.images:
        case np.ndarray():
            squares: Iterator[Tensor] = iter(torch.from_numpy(data.images).split(BATCH))
        case Squares() as images:
            squares = fetch(
                lambda start: torch.from_numpy(images.pixels(np.arange(start, min(start + BATCH, n)))), starts
            )
        case Photographs() as images:
            yield from _views_of_photographs(images, view, seed_of, per_image, most, fetch, device=device, input=input)
            return
        case _:
            assert_never(data.images)
    for b, (start, part) in enumerate(zip(starts, squares, strict=True)):
        x = pixels(part.to(device))
        for v in range(per_image):
            yield start, v, as_trained(view(x, seed_of(v, b)), input)


def _views_of_photographs(
    images: Photographs,
    view: View,
    seed_of: Callable[[int, int], int],
    per_image: int,
    most: int,
    fetch: Callable[..., Iterator[Tensor]],
    *,
    device: torch.device,
    input: Input | None,
) -> Viewed:
    """Views in parts of a batch, cropped by loader processes, which on a CPU finish them too."""
    n, size = len(images), input.size if input else images.side
    tasks = [
        (b, v, start)
        for b in range(-(-n // BATCH))
        for v in range(per_image)
        for start in range(b * BATCH, min((b + 1) * BATCH, n), most)
    ]

    def batch_of(b: int, start: int) -> tuple[NDArray[np.int64], Rows]:
        end = min((b + 1) * BATCH, n)
        chosen = np.arange(start, min(start + most, end))
        return chosen, Rows(chosen - b * BATCH, batch=end - b * BATCH)

    def work(task: tuple[int, int, int]) -> Tensor:
        b, v, start = task
        chosen, rows = batch_of(b, start)
        crops = crops_of(
            view,
            images.encoded.sizes[chosen],
            size=size,
            seed=seed_of(v, b),
            rows=rows,
            share=input.share if input else PLAIN_SHARE,
        )
        cropped = regions(images.encoded, chosen, crops)
        return recoloured(cropped, view, seed_of(v, b), rows) if device.type == "cpu" else cropped

    for (b, v, start), part in zip(tasks, fetch(work, tasks), strict=True):
        x, rows = part.to(device, non_blocking=True), batch_of(b, start)[1]
        if device.type != "cpu":
            x = recoloured(x, view, seed_of(v, b), rows)
        yield start, v, as_trained(rest_of(view)(pixels(x), seed_of(v, b), rows), input)
