"""Embeddings h = f_e(x) of a frozen encoder, computed once for all questions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from mi_ray.compute.choices import Input
from mi_ray.compute.frozen.plain_views import batch_size, freeze, plain_batches
from mi_ray.compute.images.image_set import ImageSet
from mi_ray.compute.numerics.finite import refuse_rows


@torch.inference_mode()
def embed(
    encoder: nn.Module,
    data: ImageSet,
    *,
    device: torch.device,
    input: Input | None = None,
    names: Sequence[str] = (),
    loaders: int = 0,
    out: Float32[np.ndarray, "n width"] | None = None,
) -> Float32[np.ndarray, "n width"]:
    """Embed every image of a split in evaluation mode and float32. Returns h [n, width], which is ``out`` if given.

    ``input``: the input of the encoder's training, if it was not trained here; ``loaders``: processes that decode
    streamed images. NotFinite if an embedding is not finite; it names the images by ``names`` [n], or by number.
    """
    freeze(encoder, device)
    batch, done = batch_size(encoder, input.size if input else data.side, device), 0
    for x in plain_batches(data, batch, device=device, input=input, loaders=loaders):
        rows = encoder(x).float().cpu().numpy()
        if out is None:
            out = np.empty((len(data), rows.shape[1]), dtype=np.float32)
        out[done : done + len(rows)] = rows
        done += len(rows)
    assert out is not None and done == len(data)
    refuse_rows("embeddings", torch.from_numpy(out), names)
    return out
