"""Read an encoder from a checkpoint file."""

from __future__ import annotations

from pathlib import Path

import torch

from mi_ray.compute.frozen import checkpoint_files
from mi_ray.compute.frozen.layouts import laid_out
from mi_ray.compute.numerics.tensor_files import load_tensors, save_tensors
from mi_ray.experiments.declare import Checkpoint
from mi_ray.experiments.declare.kind import Values
from mi_ray.experiments.run.training import ENCODER
from mi_ray.experiments.store.store import Attempt, Store

FILE = "checkpoint.pth"


def read_back(declaration: Checkpoint, attempt: Attempt, store: Store, upstream: str | None) -> Values:
    """Read an encoder from a checkpoint file and save its state alone; a training of this system is written first.

    NotFinite names a tensor of the encoder that is not finite.
    """
    if upstream is not None:
        state = load_tensors(store.read(upstream).file(ENCODER))
        torch.save(laid_out(state, declaration.layout), attempt.payload / FILE)
    path = Path(declaration.source) if isinstance(declaration.source, str) else attempt.payload / FILE
    file = checkpoint_files.read_state(path, allow_code=declaration.allow_code)
    read = checkpoint_files.read_encoder(
        file.tensors, declaration.arch, stem=declaration.stem, file=path, weights=declaration.weights
    )
    save_tensors(read.state, attempt.payload / ENCODER)
    found = {"layout": read.layout, "prefix": read.prefix, "naming": read.naming, "averaged": read.averaged}
    counts = {"ran_code": file.ran_code, "tensors": len(read.state)}
    return {"sha256": file.sha256} | found | {"others": ", ".join(read.others)} | counts
