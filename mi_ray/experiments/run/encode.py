"""Encoders and what they make of images: the cells that need a GPU where there is one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn

from mi_ray.compute.frozen import checkpoint_files as foreign
from mi_ray.compute.frozen import embed as embeddings
from mi_ray.compute.frozen import embed_views as views
from mi_ray.compute.frozen.layouts import laid_out
from mi_ray.compute.images.image_set import SPLITS, ImageSet
from mi_ray.compute.numerics.finite import NotFinite, refuse_tensors
from mi_ray.compute.numerics.precision import number_type
from mi_ray.compute.numerics.tensor_files import load_tensors, save_tensors
from mi_ray.compute.training import networks
from mi_ray.compute.training.objectives import NT_XENT, Loss, NTXentAgainstLoss, SupConLoss
from mi_ray.compute.training.trainer import Trainer
from mi_ray.compute.training.workers import ALONE, Workers
from mi_ray.experiments.declare import (
    Checkpoint,
    Embedding,
    Encoder,
    Labelled,
    NTXent,
    SupCon,
    Training,
    Views,
    encoder_of,
)
from mi_ray.experiments.declare.measures import EFFECTIVE_RANK, FIRST_LOSS, IN_TRAINING, IN_TRAINING_BOUND, NOT_LEARNED
from mi_ray.experiments.images.pairs import couple, labelled, view
from mi_ray.experiments.images.prepared import PreparedData
from mi_ray.experiments.images.render import NEGATIVES
from mi_ray.experiments.plan.fit import seen_by
from mi_ray.experiments.plan.plan import Cell
from mi_ray.experiments.run.history import Diverged, History
from mi_ray.experiments.run.learning import EMBEDDINGS, curve_of, embeddings_seen
from mi_ray.experiments.run.loop import Progress, staying, train
from mi_ray.experiments.store.store import Attempt, Store
from mi_ray.theory.information import nominal_bound_bits
from mi_ray.theory.learned import last_reports, why_untrained

Values = dict[str, Any]
Embedded = dict[str, NDArray[np.float32]]

ENCODER, FILE = "encoder.safetensors", "checkpoint.pth"


def trained(
    declaration: Training,
    data: PreparedData,
    attempt: Attempt | None,
    device: torch.device,
    workers: Workers = ALONE,
    leaving: Callable[[], bool] = staying,
) -> Values:
    """Train an encoder and its projector; the worker that has the attempt keeps both. Raises what `train` raises, and
    Diverged if a weight or statistic is not finite in the end, which the loss of the last step need not show."""
    images = data.split("train")
    encoder = networks.encoder(declaration.arch, seed=declaration.seed, stem=declaration.stem)
    projector = networks.projector(
        _width(declaration), hidden=declaration.hidden, out=declaration.out, seed=declaration.seed
    )
    trainer = Trainer(
        encoder,
        projector,
        images,
        couple(declaration.pairing, images),
        view(declaration.pairing),
        k_tr=declaration.k_tr,
        steps=declaration.steps,
        temperature=declaration.temperature,
        optimizer=declaration.optimizer,
        learning_rate=declaration.learning_rate,
        weight_decay=declaration.weight_decay,
        warmup_steps=round(declaration.warmup * declaration.steps),
        seed=declaration.seed,
        dtype=number_type(declaration.precision, device),
        device=device,
        objective=_objective(declaration, data, images),
        workers=workers,
        batch_norm_parts=declaration.batch_norm_parts,
    )
    history = train(trainer, attempt, leaving)
    _refuse_divergence(trainer, declaration)
    if attempt:
        save_tensors(encoder.state_dict(), attempt.payload / ENCODER)
        save_tensors(projector.state_dict(), attempt.payload / "projector.safetensors")
    return _summary(declaration, history, images)


def _refuse_divergence(trainer: Trainer, declaration: Training) -> None:
    def limits() -> set[str]:
        return {f"encoder.{name}" for name in networks.limits(declaration.arch, declaration.stem)}

    try:
        refuse_tensors("networks", trainer.networks.state_dict(), limits)
    except NotFinite as error:
        raise Diverged(f"{error}; lower learning_rate or raise temperature") from error


def _summary(declaration: Training, history: History, images: ImageSet) -> Values:
    """Means over the last reports; of the in-training estimate its bound, and its standard error as reports differ.
    Besides the loss of the first step, and why the encoder did not learn."""
    last = history.records[-last_reports(len(history.records)) :]
    means = {name: float(np.mean([record[name] for record in last])) for name in last[-1] if name != "step"}
    learned = {NOT_LEARNED: why_untrained(curve_of(declaration, history.records, history.first_loss_nats, images))}
    first = {} if history.first_loss_nats is None else {FIRST_LOSS.name: history.first_loss_nats}
    told = means | {"steps": declaration.steps} | first | learned
    return told | _in_training(declaration, last) if IN_TRAINING.name in means else told


def _in_training(declaration: Training, last: list[dict[str, float]]) -> Values:
    bound = {IN_TRAINING_BOUND.name: nominal_bound_bits(declaration.k_tr)}
    if len(last) < 2:
        return bound
    spread = np.std([record[IN_TRAINING.name] for record in last], ddof=1)
    return bound | {IN_TRAINING.error: float(spread / len(last) ** 0.5)}


def _objective(declaration: Training, data: PreparedData, images: ImageSet) -> Loss:
    match declaration.objective:
        case SupCon():
            return SupConLoss(labelled(declaration.objective.task, images)[0])
        case NTXent():
            apart = isinstance(declaration.data, Labelled) and declaration.data.negatives is not None
            return NTXentAgainstLoss(data.split(NEGATIVES).images) if apart else NT_XENT
        case _:
            assert_never(declaration.objective)


def read_back(declaration: Checkpoint, attempt: Attempt, store: Store, upstream: str | None) -> Values:
    """Read an encoder out of a checkpoint file, ours written first; keeps its state alone. NotFinite names a tensor of
    the encoder that is not."""
    if upstream is not None:
        state = load_tensors(store.read(upstream).file(ENCODER))
        torch.save(laid_out(state, declaration.layout), attempt.payload / FILE)
    path = Path(declaration.source) if isinstance(declaration.source, str) else attempt.payload / FILE
    found = foreign.read_state(path, allow_code=declaration.allow_code)
    state = foreign.encoder_state(found.tensors, declaration.arch, stem=declaration.stem, file=path)
    save_tensors(state, attempt.payload / ENCODER)
    layout = foreign.layout_of(found.tensors, declaration.arch, stem=declaration.stem)
    return {"sha256": found.sha256, "layout": layout, "ran_code": found.ran_code, "tensors": len(state)}


def embedded(cell: Cell, data: PreparedData, attempt: Attempt, store: Store, device: torch.device) -> Values:
    """The frozen encoder's h of every image, or of fresh views of them."""
    declaration = cell.declaration
    assert isinstance(declaration, Embedding | Views)
    encoder, progress = _frozen(cell, store), Progress(attempt)
    h: Embedded = {}
    for done, split in enumerate(SPLITS, start=1):
        h[split] = _embed(encoder, data, declaration, device, split)
        progress(done / len(SPLITS))
    save_file(h, attempt.payload / EMBEDDINGS)
    found, collapsed = embeddings_seen(declaration, h["test"])
    told = {"width": h["train"].shape[-1], "images": sum(map(len, h.values()))}
    return told | {EFFECTIVE_RANK.name: found.effective_rank, NOT_LEARNED: collapsed}


def _embed(
    encoder: nn.Module, data: PreparedData, declaration: Embedding | Views, device: torch.device, split: str
) -> NDArray[np.float32]:
    seen, images, names = seen_by(declaration.encoder), data.split(split), data.names(split)
    match declaration:
        case Embedding():
            return embeddings.embed(encoder, images, device=device, input=seen, names=names)
        case Views():
            return views.embed_views(
                encoder, images, view(declaration.pairing), per_image=declaration.per_image, seed=declaration.seed,
                device=device, input=seen,
                purpose=f"views {split}", names=names,
            )  # fmt: skip
        case _:
            assert_never(declaration)


def h_of(cell: Cell, store: Store) -> Embedded:
    """What the embedding upstream of a question holds: [n, width], of views [n, per_image, width]."""
    assert cell.upstream
    return load_file(store.read(cell.upstream).file(EMBEDDINGS))


def _frozen(cell: Cell, store: Store) -> nn.Module:
    assert cell.upstream
    declared = encoder_of(cell.declaration)
    encoder = networks.encoder(declared.arch, seed=0, stem=declared.stem)
    encoder.load_state_dict(_state(store, cell.upstream))
    limits = partial(networks.limits, declared.arch, declared.stem)
    refuse_tensors(f"{cell.upstream}: {ENCODER}", encoder.state_dict(), limits)
    return encoder


def _state(store: Store, key: str) -> dict[str, Tensor]:
    return load_tensors(store.read(key).file(ENCODER))


def _width(encoder: Encoder) -> int:
    return networks.width(encoder.arch, encoder.stem)
