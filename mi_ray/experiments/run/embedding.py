"""Embed images, or fresh views of them, with a frozen encoder; read embeddings back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mi_ray.compute.frozen.embed import embed
from mi_ray.compute.frozen.embed_views import embed_views
from mi_ray.compute.images.image_set import SPLITS
from mi_ray.compute.numerics.finite import refuse_rows, refuse_tensors
from mi_ray.compute.numerics.mapped_files import created_arrays, mapped_arrays
from mi_ray.compute.numerics.tensor_files import load_tensors
from mi_ray.compute.training import networks, sizes
from mi_ray.experiments.declare import Embedding, Frozen, Views
from mi_ray.experiments.declare.kind import Values
from mi_ray.experiments.declare.measures import EFFECTIVE_RANK, NOT_LEARNED
from mi_ray.experiments.images.pairs import view
from mi_ray.experiments.images.prepared import PreparedData
from mi_ray.experiments.plan.fit import seen_by
from mi_ray.experiments.run.learning import EMBEDDINGS, embeddings_seen
from mi_ray.experiments.run.loop import Progress
from mi_ray.experiments.run.training import ENCODER
from mi_ray.experiments.store.store import Attempt, Store

Embedded = dict[str, NDArray[np.float32]]
"""h by split: [n, width], of views [n, per_image, width]."""


def embedded(
    declaration: Frozen,
    data: PreparedData,
    attempt: Attempt,
    store: Store,
    upstream: str,
    device: torch.device,
    loaders: int = 0,
) -> Values:
    """Embed every image of every split, or fresh views of it, into a file that is filled as they come.

    ``upstream``: the key of the encoder's cell; ``loaders``: processes that decode streamed images.
    """
    encoder, progress = frozen_encoder(declaration, store, upstream), Progress(attempt)
    seen = seen_by(declaration.encoder)
    splits = {split: data.split(split) for split in SPLITS}
    width = sizes.width(declaration.encoder.arch, declaration.encoder.stem)
    per_image = (declaration.per_image,) if isinstance(declaration, Views) else ()
    shapes = {split: (len(images), *per_image, width) for split, images in splits.items()}
    with created_arrays(attempt.payload / EMBEDDINGS, shapes, np.float32) as h:
        for done, (split, images) in enumerate(splits.items(), start=1):
            names, out = data.names(split), h[split]
            match declaration:
                case Embedding():
                    embed(encoder, images, device=device, input=seen, names=names, loaders=loaders, out=out)
                case Views():
                    embed_views(
                        encoder, images, view(declaration.pairing), per_image=declaration.per_image,
                        seed=declaration.seed, device=device, input=seen, purpose=f"views {split}", names=names,
                        loaders=loaders, out=out,
                    )  # fmt: skip
                case _:
                    assert_never(declaration)
            progress(done / len(SPLITS))
        spectrum, collapsed = embeddings_seen(declaration, h["test"])
    return {
        "width": width,
        "images": sum(map(len, splits.values())),
        EFFECTIVE_RANK.name: spectrum.effective_rank,
        NOT_LEARNED: collapsed,
    }


def frozen_encoder(declaration: Frozen, store: Store, upstream: str) -> nn.Module:
    """The committed encoder; NotFinite names a weight that is not finite."""
    declared = declaration.encoder
    encoder = networks.encoder(declared.arch, seed=0, stem=declared.stem)
    encoder.load_state_dict(load_tensors(store.read(upstream).file(ENCODER)))
    limits = partial(networks.limits, declared.arch, declared.stem)
    refuse_tensors(f"{upstream}: {ENCODER}", encoder.state_dict(), limits)
    return encoder


def h_of(upstream: str, store: Store) -> Embedded:
    """h of a committed embedding, by its key, mapped into memory."""
    return mapped_arrays(store.read(upstream).file(EMBEDDINGS))


def names_of(data: PreparedData, h: Embedded) -> dict[str, Sequence[str]]:
    """Names of the images by split; NotFinite names the images whose embedding is not finite."""
    names = {split: data.names(split) for split in h}
    for split, rows in h.items():
        refuse_rows(f"embeddings of {split}", rows, names[split])
    return names
