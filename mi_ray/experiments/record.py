"""What is told of a cell to people and trackers: flat parameters, the same names on trainings and on questions."""

from __future__ import annotations

from typing import Any, assert_never

from mi_ray.experiments.declare import (
    Checkpoint,
    Crops,
    Data,
    Declaration,
    Embedding,
    Encoder,
    Estimation,
    Geometry,
    Labelled,
    LinearEvaluation,
    Noise,
    SimCLR,
    Training,
    Views,
    data_of,
    encoder_of,
    pairing_name,
    task_of,
    training_of,
)
from mi_ray.experiments.declare.encoders import input_name, objective_name
from mi_ray.experiments.identity import own_fields

PLAIN = frozenset({"k_est", "k_fit", "critics", "batches", "penalties"})
"""Fields of an estimation that no training has."""


def parameters(declaration: Declaration) -> dict[str, str]:
    """Axes and settings by name: the training's on every cell; ``task``, ``k_est`` and the critic's on questions."""
    told = _trained(declaration) | _own(declaration) | _encoder(encoder_of(declaration)) | _data(data_of(declaration))
    return {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in told.items()}


def _trained(declaration: Declaration) -> dict[str, Any]:
    """The pairing first: what a training is known by."""
    training = training_of(declaration)
    return {"pairing": pairing_name(training.pairing)} if training else {}


def _own(declaration: Declaration) -> dict[str, Any]:
    match declaration:
        case Training() | Checkpoint() | Embedding():
            return {}
        case Views():
            return {"task": pairing_name(declaration.pairing)} | _views(declaration)
        case Estimation():
            told = {name: value for name, value in own_fields(declaration).items() if name != "pairing"}
            critic = {name if name in PLAIN else f"critic_{name}": value for name, value in told.items()}
            return {"task": pairing_name(declaration.pairing)} | critic | _penalties(declaration) | _seen(declaration)
        case Geometry():
            return {"task": task_of(declaration)} | _seen(declaration)
        case LinearEvaluation():
            return {"task": task_of(declaration)} | _penalties(declaration)
        case _:
            assert_never(declaration)


def _penalties(question: Estimation | LinearEvaluation) -> dict[str, str]:
    return {"penalties": " ".join(f"{penalty:g}" for penalty in question.penalties)}


def _seen(question: Estimation | Geometry) -> dict[str, Any]:
    """How the question's own pairing views images, where that is through augmentation."""
    return _views(question.embedding) if isinstance(question.embedding, Views) else {}


def _views(views: Views) -> dict[str, Any]:
    through = {f"view_{name}": value for name, value in own_fields(views.pairing).items()}
    return through | {"views_per_image": views.per_image, "view_seed": views.seed}


def _encoder(encoder: Encoder) -> dict[str, Any]:
    match encoder:
        case Training():
            return _training(encoder)
        case Checkpoint():
            told = {name: value for name, value in own_fields(encoder).items() if name not in ("source", "name")}
            behind = _training(encoder.source) if isinstance(encoder.source, Training) else {"file": encoder.source}
            named = {"encoder": encoder.name} if encoder.name else {}
            return behind | told | {"input": input_name(encoder.input)} | named
        case _:
            assert_never(encoder)


def _training(training: Training) -> dict[str, Any]:
    views = own_fields(training.pairing) if isinstance(training.pairing, SimCLR) else {}
    told = {name: value for name, value in own_fields(training).items() if name != "pairing"}
    return views | told | {"objective": objective_name(training.objective)}


def _data(data: Data) -> dict[str, Any]:
    told = {f"data_{name}" if name == "seed" else name: value for name, value in own_fields(data).items()}
    if not isinstance(data, Labelled):
        return told
    named = {name: value for name, value in told.items() if name not in ("name", "root", "negatives")}
    return {"data": data.name} | named | {"negatives": negatives_name(data.negatives)}


def negatives_name(negatives: Labelled | Noise | Crops | None) -> str:
    """The set D- in a word."""
    match negatives:
        case None:
            return "own"
        case Noise():
            return "noise"
        case Crops():
            return "crops"
        case Labelled():
            return " ".join(filter(None, [negatives.name, negatives.half, negatives.domain]))
        case _:
            assert_never(negatives)
