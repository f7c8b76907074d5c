"""Views of augmentation-based pairings (Fig. 1b), embedded once: any two of an image's are a positive pair.

Only fresh views are drawn from the law of T_SimCLR: of ``per_image`` views kept for each image, a batch of pairs may
meet one twice. The more there are, the rarer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from mi_ray.compute.copies import different
from mi_ray.compute.embeddings import freeze
from mi_ray.compute.finite import refuse_rows
from mi_ray.compute.images import ImageSet
from mi_ray.compute.networks import Input, as_trained, pixels
from mi_ray.compute.pairings import Indices, among
from mi_ray.compute.samples import Origin, Sample
from mi_ray.compute.seeding import stream
from mi_ray.compute.training import View

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
    names: Sequence[str] = (),
) -> Float32[np.ndarray, "n per_image width"]:
    """Embed ``per_image`` fresh views of every image of a split, in evaluation mode and float32.

    View v of batch b is drawn from (seed, purpose, v, b) alone, so more views per image leave the first ones as they
    are; ``purpose`` keeps splits apart. ``input``: what the encoder was trained to see, if by others; a view is made of
    the split's own pixels and then resized. NotFinite if an embedding is not; it calls images by ``names`` [n], or by
    number.
    """
    freeze(encoder, device)
    parts = []
    for b, part in enumerate(torch.from_numpy(data.images).split(BATCH)):
        x = pixels(part.to(device))
        seeds = [int(stream(seed, f"{purpose} {v}", b).integers(2**63)) for v in range(per_image)]
        parts.append(torch.stack([encoder(as_trained(view(x, s), input)).float().cpu() for s in seeds], dim=1))
    h = torch.cat(parts)
    refuse_rows("embeddings", h, names)
    return h.numpy()


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


def flattened(h: Float32[np.ndarray, "n per_image width"], origin: Origin) -> Sample:
    """A split of views to be paired by `TwoViews`: labels are the images' indices; ``origin``: of the n images.

    Copies of an image are one image: of one label, and paired as often as one.
    """
    n, per_image, width = h.shape
    chosen = different(origin.identities)
    rows = (chosen[:, None] * per_image + np.arange(per_image)).ravel()
    _, first, image = np.unique(origin.identities, return_index=True, return_inverse=True)
    return Sample(
        h=h.reshape(n * per_image, width),
        labels=np.repeat(first[image], per_image),
        origin=Origin(
            identities=np.repeat(origin.identities, per_image),
            sources=np.repeat(origin.sources, per_image),
            names=[origin.name(image) for image in range(n) for _ in range(per_image)],
        ),
        couple=among(TwoViews(len(chosen), per_image), rows, n * per_image),
    )
