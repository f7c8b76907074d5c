"""Embeddings of the views of augmentation-based pairings (Fig. 1b), computed once: any two views of an image are a
positive pair.

T_SimCLR draws fresh views for every pair. With ``per_image`` views kept for each image, a batch of pairs may use a view
twice; the more views are kept, the less often.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from mi_ray.compute.choices import Input
from mi_ray.compute.frozen.embed import freeze
from mi_ray.compute.images.image_set import ImageSet
from mi_ray.compute.images.pixels import as_trained, pixels
from mi_ray.compute.numerics.finite import refuse_rows
from mi_ray.compute.pairs.augmentation import View
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
) -> Float32[np.ndarray, "n per_image width"]:
    """Embed ``per_image`` fresh views of every image of a split, in evaluation mode and float32.

    View v of batch b is drawn from (seed, purpose, v, b) alone, so that more views per image do not change the first
    ones; ``purpose`` separates splits. ``input``: the input of the encoder's training, if it was not trained here; a
    view is made of the split's own pixels and then resized. NotFinite if an embedding is not finite; it names the
    images by ``names`` [n], or by number.
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
