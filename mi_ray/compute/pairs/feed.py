"""Feeds of a training: the views of each step on the device, from resident or from streamed images.

A step's request names images, the seed of their views, and the rows of the batch that are viewed here. Resident and
streamed squares give the same views, bit for bit, with any number of loader processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, assert_never, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mi_ray.compute.images.crops import PLAIN_SHARE
from mi_ray.compute.images.image_set import ImageSet, Photographs, Squares, Streamed
from mi_ray.compute.images.pixels import pixels, regions
from mi_ray.compute.pairs.augmentation import Rows, View
from mi_ray.compute.pairs.couples import Couple, Indices
from mi_ray.compute.pairs.loader import computed, parts_of
from mi_ray.compute.pairs.photograph_views import crops_of, recoloured, rest_of
from mi_ray.compute.seeding import stream


@dataclass(frozen=True, eq=False)
class Request:
    """The views of a step: image ``indices`` [n], the ``seed`` of their views, and their ``rows`` of the batch."""

    indices: Indices
    seed: int
    rows: Rows


def pairs_of_step(couple: Couple, k: int, rows: Rows, *, seed: int, step: int) -> Request:
    """The positive pairs of a training's step, a function of (seed, step): ``k`` of them in all, of which ``rows`` are
    viewed here. Rows 0 to k - 1 are the views x, rows k to 2 k - 1 their partners y."""
    rng = stream(seed, "pairs", step)
    indices = np.concatenate(couple(k, rng))[rows.places]
    return Request(indices, int(rng.integers(2**63)), rows)


LARGE_ROW = 2**14
"""Bytes of an image from which a CPU copies it alone faster than by an index: 8 times at 224 pixels."""

Requests = Callable[[int], Request]
"""The request of each step, a function of its number; every request has as many rows."""


@runtime_checkable
class Feed(Protocol):
    """Gives the views of a step, float32 [n, 3, side, side] on the device."""

    def __call__(self, step: int) -> Float[Tensor, "n 3 side side"]: ...


def feed_of(
    images: ImageSet, requests: Requests, view: View, *, steps: int, device: torch.device, loaders: int = 0
) -> Feed:
    """The feed of a training of ``steps`` steps. ``loaders``: processes that decode streamed images, or 0 for none."""
    match images.images:
        case np.ndarray():
            return ResidentFeed(torch.from_numpy(images.images).to(device), requests, view)
        case Squares() | Photographs():
            return StreamedFeed(images.images, requests, view, steps=steps, device=device, loaders=loaders)
        case _:
            assert_never(images.images)


@dataclass(frozen=True, eq=False)
class ResidentFeed:
    """Views of images that lie on the device, uint8 [n, 3, side, side]."""

    images: Tensor
    requests: Requests
    view: View

    def __call__(self, step: int) -> Float[Tensor, "n 3 side side"]:
        """The views of a step."""
        request = self.requests(step)
        chosen = self.images[torch.from_numpy(request.indices).to(self.images.device)]
        return self.view(pixels(chosen), request.seed, request.rows)


class StreamedFeed:
    """Views of encoded photographs, which loader processes decode ahead, a part of a step at a time."""

    def __init__(
        self, images: Streamed, requests: Requests, view: View, *, steps: int, device: torch.device, loaders: int
    ) -> None:
        self._images, self._requests, self._view = images, requests, view
        self._steps, self._device, self._loaders = steps, device, loaders
        self._copies = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._parts: Iterator[Tensor] = iter(())
        self._next: int | None = None

    def __call__(self, step: int) -> Float[Tensor, "n 3 side side"]:
        """The views of a step. Steps in order are decoded ahead; any other step begins anew from there."""
        request = self._requests(step)
        parts = parts_of(len(request.indices), self._images.side)
        order = torch.from_numpy(_grouped(request))
        if self._next != step:
            self._parts = computed(
                _Parts(self._images, self._requests, self._view, viewed_here=self._copies is None),
                ((ahead, number) for ahead in range(step, self._steps) for number in range(len(parts))),
                loaders=self._loaders,
                device=self._device,
                at_once=len(parts),
            )
        self._next = step + 1
        batch = self._copied([next(self._parts) for _ in parts], order)
        if self._next == self._steps:
            for _ in self._parts:  # the end of the tasks ends the processes, at once and not when memory is collected
                raise AssertionError("no step is left")
        match self._images:
            case Squares():
                return self._view(pixels(batch), request.seed, request.rows)
            case Photographs():
                if self._copies is not None:
                    batch = recoloured(batch, self._view, request.seed, request.rows)
                return rest_of(self._view)(pixels(batch), request.seed, request.rows)
            case _:
                assert_never(self._images)

    def _copied(self, parts: list[Tensor], order: Tensor) -> Tensor:
        """The parts of a step on the device, each row in its place. A GPU copies them on a stream of their own, while
        it still computes the step before."""
        if self._copies is None:
            return _placed(parts, order)
        with torch.cuda.stream(self._copies):
            batch = _placed([part.to(self._device, non_blocking=True) for part in parts], order.to(self._device))
        current = torch.cuda.current_stream(self._device)
        current.wait_stream(self._copies)
        batch.record_stream(current)
        return batch


def _grouped(request: Request) -> Indices:
    """An order of a request's rows in which all views of an image are neighbours, so that it is decoded once."""
    return np.argsort(request.indices, kind="stable")


def _placed(parts: list[Tensor], order: Tensor) -> Tensor:
    """The rows of the parts, each in its place in ``order``."""
    first = parts[0]
    batch = torch.empty_like(first[:1].expand(len(order), -1, -1, -1), memory_format=torch.channels_last)
    for part, places in zip(parts, order.split([len(part) for part in parts]), strict=True):
        if batch.device.type == "cpu" and first[0].numel() >= LARGE_ROW:
            for row, place in zip(part, places.tolist(), strict=True):
                batch[place].copy_(row)
        else:
            batch[places] = part
    return batch


class _Parts:
    """The work of a loader process: a part of the rows of a step, as bytes; on a CPU with their colours
    changed."""

    def __init__(self, images: Streamed, requests: Requests, view: View, *, viewed_here: bool) -> None:
        self._images, self._view, self._viewed_here = images, view, viewed_here
        self._request = lru_cache(maxsize=2)(requests)  # the parts of a step share its draws

    def __call__(self, task: tuple[int, int]) -> Tensor:
        step, number = task
        request = self._request(step)
        part = _grouped(request)[parts_of(len(request.indices), self._images.side)[number]]
        chosen = request.indices[part]
        match self._images:
            case Squares():
                return torch.from_numpy(self._images.pixels(chosen))
            case Photographs(encoded, side):
                rows = Rows(request.rows.places[part], request.rows.batch)
                crops = crops_of(
                    self._view, encoded.sizes[chosen], size=side, seed=request.seed, rows=rows, share=PLAIN_SHARE
                )
                cropped = regions(encoded, chosen, crops)
                return recoloured(cropped, self._view, request.seed, rows) if self._viewed_here else cropped
            case _:
                assert_never(self._images)
