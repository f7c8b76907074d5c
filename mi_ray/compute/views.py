"""Views of augmentation-based pairings (Fig. 1b), embedded once: any two of an image's are a positive pair.

Only fresh views are drawn from the law of T_SimCLR: of ``per_image`` views kept for each image, a batch of pairs may
meet one twice. The more there are, the rarer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from mi_ray.compute.embeddings import freeze
from mi_ray.compute.estimation import Sample
from mi_ray.compute.images import ImageSet
from mi_ray.compute.networks import Input, as_trained, pixels
from mi_ray.compute.pairings import Indices
from mi_ray.compute.seeding import stream
from mi_ray.compute.training import View
from mi_ray.compute.uncertainty import Sources

BATCH = 256
"""Images viewed at once. A view depends on its image's place in its batch: another value is another draw of views."""


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
) -> Float32[np.ndarray, "n per_image width"]:
    """Embed ``per_image`` fresh views of every image of a split, in evaluation mode and float32.

    View v of batch b is drawn from (seed, purpose, v, b) alone, so more views per image leave the first ones as they
    are; ``purpose`` keeps splits apart. ``input``: what the encoder was trained to see, if by others; a view is made of
    the split's own pixels and then resized.
    """
    freeze(encoder, device)
    h = []
    for b, part in enumerate(torch.from_numpy(data.images).split(BATCH)):
        x = pixels(part.to(device))
        seeds = [int(stream(seed, f"{purpose} {v}", b).integers(2**63)) for v in range(per_image)]
        h.append(torch.stack([encoder(as_trained(view(x, s), input)).float().cpu() for s in seeds], dim=1))
    return torch.cat(h).numpy()


@dataclass(frozen=True)
class TwoViews:
    """Two distinct views of an image uniform over ``n``: rows image * per_image + v of flattened views.

    ValueError if there is no image, or no second view.
    """

    n: int
    per_image: int

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"n: {self.n} images make no pair; allowed: at least 1")
        if self.per_image < 2:
            raise ValueError(f"per_image: {self.per_image} makes no pair of distinct views; allowed: at least 2")

    def __call__(self, k: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
        first = rng.integers(self.n, size=k) * self.per_image
        one, other = rng.integers(self.per_image, size=k), rng.integers(self.per_image - 1, size=k)
        return first + one, first + other + (other >= one)


def flattened(h: Float32[np.ndarray, "n per_image width"], sources: Sources) -> Sample:
    """A split of views to be paired by `TwoViews`: labels are the images' indices, ``sources`` [n] theirs."""
    n, per_image, width = h.shape
    return Sample(
        h=h.reshape(n * per_image, width),
        labels=np.repeat(np.arange(n), per_image),
        sources=np.repeat(sources, per_image),
        couple=TwoViews(n, per_image),
    )
