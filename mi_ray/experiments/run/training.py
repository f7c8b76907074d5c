"""Train an encoder with its projector."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

import numpy as np
import torch

from mi_ray.compute.images.image_set import ImageSet
from mi_ray.compute.numerics.finite import NotFinite, refuse_tensors
from mi_ray.compute.numerics.precision import number_type
from mi_ray.compute.numerics.tensor_files import save_tensors
from mi_ray.compute.training import networks, sizes
from mi_ray.compute.training.mlp import fresh_mlp
from mi_ray.compute.training.objectives import NT_XENT, Loss, NTXentAgainstLoss, SupConLoss
from mi_ray.compute.training.trainer import Trainer
from mi_ray.compute.training.workers import ALONE, Workers
from mi_ray.experiments.declare import Labelled, NTXent, SupCon, Training
from mi_ray.experiments.declare.kind import Values
from mi_ray.experiments.declare.measures import FIRST_LOSS, IN_TRAINING, IN_TRAINING_BOUND, NOT_LEARNED
from mi_ray.experiments.images.pairs import couple, labelled, view
from mi_ray.experiments.images.prepared import PreparedData
from mi_ray.experiments.images.render import NEGATIVES
from mi_ray.experiments.run.history import Diverged, History
from mi_ray.experiments.run.learning import curve_of
from mi_ray.experiments.run.loop import staying, train
from mi_ray.experiments.store.store import Attempt
from mi_ray.theory.information import nominal_bound_bits
from mi_ray.theory.learned import last_reports, why_untrained

ENCODER = "encoder.safetensors"


def trained(
    declaration: Training,
    data: PreparedData,
    attempt: Attempt | None,
    device: torch.device,
    workers: Workers = ALONE,
    leaving: Callable[[], bool] = staying,
    loaders: int = 0,
) -> Values:
    """Train an encoder and its projector; the worker with the attempt saves both. ``loaders``: processes
    that decode streamed images.

    Raises what `train` raises, and Diverged if a weight or statistic is not finite at the end, which the loss of the
    last step need not show.
    """
    images = data.split("train")
    encoder = networks.encoder(declaration.arch, seed=declaration.seed, stem=declaration.stem)
    projector = fresh_mlp(
        sizes.width(declaration.arch, declaration.stem),
        hidden=declaration.hidden,
        out=declaration.out,
        seed=declaration.seed,
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
        objective=objective_of(declaration, data, images),
        workers=workers,
        batch_norm_parts=declaration.batch_norm_parts,
        loaders=loaders,
    )
    history = train(trainer, attempt, leaving)
    refuse_divergence(trainer, declaration)
    if attempt:
        save_tensors(encoder.state_dict(), attempt.payload / ENCODER)
        save_tensors(projector.state_dict(), attempt.payload / "projector.safetensors")
    return summary(declaration, history, images)


def refuse_divergence(trainer: Trainer, declaration: Training) -> None:
    """Diverged if a weight or statistic of the networks is not finite."""

    def limits() -> set[str]:
        return {f"encoder.{name}" for name in networks.limits(declaration.arch, declaration.stem)}

    try:
        refuse_tensors("networks", trainer.networks.state_dict(), limits)
    except NotFinite as error:
        raise Diverged(f"{error}; lower learning_rate or raise temperature") from error


def summary(declaration: Training, history: History, images: ImageSet) -> Values:
    """Means over the last reports, the loss of the first step, and why the encoder did not learn.

    Of the in-training estimate also its bound, and a standard error from the spread of the reports.
    """
    last = history.records[-last_reports(len(history.records)) :]
    result: Values = {name: float(np.mean([record[name] for record in last])) for name in last[-1] if name != "step"}
    result["steps"] = declaration.steps
    if history.first_loss_nats is not None:
        result[FIRST_LOSS.name] = history.first_loss_nats
    result[NOT_LEARNED] = why_untrained(curve_of(declaration, history.records, history.first_loss_nats, images))
    if IN_TRAINING.name in result:
        result[IN_TRAINING_BOUND.name] = nominal_bound_bits(declaration.k_tr)
        if len(last) > 1:
            spread = np.std([record[IN_TRAINING.name] for record in last], ddof=1)
            result[IN_TRAINING.error] = float(spread / len(last) ** 0.5)
    return result


def objective_of(declaration: Training, data: PreparedData, images: ImageSet) -> Loss:
    """The loss of the declared objective; NT-Xent draws negatives from another set if one is declared."""
    match declaration.objective:
        case SupCon():
            return SupConLoss(labelled(declaration.objective.task, images)[0])
        case NTXent():
            apart = isinstance(declaration.data, Labelled) and declaration.data.negatives is not None
            return NTXentAgainstLoss(data.split(NEGATIVES)) if apart else NT_XENT
        case _:
            assert_never(declaration.objective)
