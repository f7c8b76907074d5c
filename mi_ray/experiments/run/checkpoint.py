"""Read an encoder from a checkpoint file."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import torch

from mi_ray.compute.frozen import checkpoint_files
from mi_ray.compute.frozen.layouts import laid_out
from mi_ray.compute.numerics.disk import telling_room
from mi_ray.compute.numerics.tensor_files import load_tensors, save_tensors
from mi_ray.experiments.declare import Checkpoint
from mi_ray.experiments.declare.identity import key_of_science
from mi_ray.experiments.declare.kind import Values
from mi_ray.experiments.run.training import ENCODER
from mi_ray.experiments.store.files import sha256
from mi_ray.experiments.store.store import Attempt, Store

FILE = "checkpoint.pth"


def read_back(
    declaration: Checkpoint, attempt: Attempt, store: Store, upstream: str | None, data_digest: str
) -> Values:
    """Read an encoder from a checkpoint file and save its state alone; a training of this system is written first.

    NotFinite names a tensor of the encoder that is not finite; Exchanged a file that is not the one of the plan.
    """
    if upstream is not None:
        state = load_tensors(store.read(upstream).file(ENCODER))
        write_state(laid_out(state, declaration.layout), attempt.payload / FILE)
    path = Path(declaration.source) if isinstance(declaration.source, str) else attempt.payload / FILE
    file = checkpoint_files.read_state(path, allow_code=declaration.allow_code)
    if isinstance(declaration.source, str):
        refuse_exchanged(declaration, file.sha256, attempt.key, data_digest)
    read = checkpoint_files.read_encoder(
        file.tensors, declaration.arch, stem=declaration.stem, file=path, weights=declaration.weights
    )
    save_tensors(read.state, attempt.payload / ENCODER)
    found = {"layout": read.layout, "prefix": read.prefix, "naming": read.naming, "averaged": read.averaged}
    counts = {"ran_code": file.ran_code, "tensors": len(read.state)}
    return {"sha256": file.sha256} | found | {"others": ", ".join(read.others)} | counts


def write_state(content: object, path: Path) -> None:
    """Write what `torch.save` makes; OSError of a full disk tells the room, of which torch says nothing."""
    buffer = BytesIO()
    torch.save(content, buffer)
    with telling_room(path, buffer.tell()):
        path.write_bytes(buffer.getbuffer())


class Exchanged(ValueError):
    """A checkpoint file was exchanged after the plan, or differs between nodes."""


def refuse_exchanged(declaration: Checkpoint, read: str, key: str, data_digest: str) -> None:
    """Exchanged unless the file whose sha256 was ``read`` has the cell's key and is still in place."""
    path = Path(str(declaration.source))
    for digest in (read, sha256(path)):  # a file that was exchanged while it was read
        if key_of_science(declaration, declaration.science_with(digest), data_digest) != key:
            raise Exchanged(
                f"checkpoint: {path} was exchanged after the plan, or is another file on this node (sha256 "
                f"{digest[:16]}...); the same command reads what is there now"
            )
