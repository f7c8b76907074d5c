"""Embeddings h = f_e(x) of a frozen encoder, computed once for all questions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from mi_ray.compute.choices import Input
from mi_ray.compute.images.image_set import ImageSet
from mi_ray.compute.images.pixels import as_trained, pixels
from mi_ray.compute.numerics.finite import refuse_rows

BATCH = 256


@torch.inference_mode()
def embed(
    encoder: nn.Module,
    data: ImageSet,
    *,
    device: torch.device,
    input: Input | None = None,
    names: Sequence[str] = (),
) -> Float32[np.ndarray, "n width"]:
    """Embed every image of a split in evaluation mode and float32. Returns h [n, width].

    ``input``: the input of the encoder's training, if it was not trained here. NotFinite if an embedding is not finite;
    it names the images by ``names`` [n], or by number.
    """
    freeze(encoder, device)
    images = torch.from_numpy(data.images)
    parts = [encoder(as_trained(pixels(part.to(device)), input)).float().cpu() for part in images.split(BATCH)]
    h = torch.cat(parts)
    refuse_rows("embeddings", h, names)
    return h.numpy()


def freeze(encoder: nn.Module, device: torch.device) -> None:
    """Prepare an encoder for embedding: on ``device``, channels last, in evaluation mode."""
    encoder.to(device).to(memory_format=torch.channels_last).eval()
