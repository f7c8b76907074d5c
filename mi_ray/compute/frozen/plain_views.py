"""Views of images as a frozen encoder takes them, in batches that fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from mi_ray.compute.choices import Input
from mi_ray.compute.images.crops import PLAIN_SHARE, centred
from mi_ray.compute.images.image_set import ImageSet, Photographs, Squares
from mi_ray.compute.images.pixels import as_trained, pixels, regions
from mi_ray.compute.pairs.loader import computed

BATCH = 256
"""Most images of a batch."""

ACTIVATION_BYTES = {"cpu": 2**29, "cuda": 2**32}
"""Bytes of activations that a batch may take, by type of device."""

HELD = 2
"""How many of the largest layer's inputs and outputs exist at once: a residual block keeps its input."""


def freeze(encoder: nn.Module, device: torch.device) -> None:
    """Prepare an encoder for embedding: on ``device``, channels last, in evaluation mode."""
    encoder.to(device).to(memory_format=torch.channels_last).eval()


def batch_size(encoder: nn.Module, size: int, device: torch.device) -> int:
    """Images of ``size`` pixels that a frozen encoder takes at once, 1 to `BATCH`, by its activations for one image."""
    largest = 1

    def measure(_: nn.Module, given: tuple[object, ...], result: object) -> None:
        nonlocal largest
        taken = sum(x.numel() for x in (*given, result) if isinstance(x, Tensor))
        largest = max(largest, taken)

    hooks = [layer.register_forward_hook(measure) for layer in encoder.modules() if not list(layer.children())]
    try:
        encoder(torch.zeros(1, 3, size, size, device=device).to(memory_format=torch.channels_last))
    finally:
        for hook in hooks:
            hook.remove()
    return max(1, min(BATCH, ACTIVATION_BYTES.get(device.type, 2**29) // (4 * HELD * largest)))


def plain_batches(
    data: ImageSet, batch: int, *, device: torch.device, input: Input | None, loaders: int
) -> Iterator[Float[Tensor, "m 3 size size"]]:
    """The images without augmentation as an encoder takes them, ``batch`` at a time.

    Squares are resized as ``input`` states; of photographs, the central share that it states is cut out and resized.
    """
    starts = range(0, len(data), batch)
    match data.images:
        case np.ndarray():
            parts: Iterator[Tensor] = iter(torch.from_numpy(data.images).split(batch))
        case Squares() as squares:
            parts = computed(
                lambda start: torch.from_numpy(squares.pixels(np.arange(start, min(start + batch, len(squares))))),
                starts,
                loaders=loaders,
                device=device,
            )
        case Photographs() as photographs:
            parts = computed(
                lambda start: _plain(photographs, np.arange(start, min(start + batch, len(photographs))), input),
                starts,
                loaders=loaders,
                device=device,
            )
        case _:
            assert_never(data.images)
    for part in parts:
        yield as_trained(pixels(part.to(device, non_blocking=True)), input)


def _plain(photographs: Photographs, rows: np.ndarray, seen: Input | None) -> Tensor:
    encoded = photographs.encoded
    crops = centred(
        encoded.sizes[rows],
        size=seen.size if seen else photographs.side,
        share=seen.share if seen else PLAIN_SHARE,
        bicubic=seen is not None and seen.interpolation == "bicubic",
    )
    return regions(encoded, rows, crops)
