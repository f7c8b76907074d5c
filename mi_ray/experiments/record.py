"""What is told of a cell to people and trackers: flat parameters, the same names on trainings and on questions."""

from __future__ import annotations

from typing import Any, assert_never

from mi_ray.experiments.declare import (
    CDP,
    Declaration,
    Embedding,
    Estimation,
    LinearEvaluation,
    SimCLR,
    Training,
    pairing_name,
    task_of,
    training_of,
)
from mi_ray.experiments.identity import own_fields

PLAIN = frozenset({"k_est", "k_fit", "critics", "batches", "penalties"})
"""Fields of an estimation that no training has."""


def parameters(declaration: Declaration) -> dict[str, str]:
    """Axes and settings by name: the training's on every cell; ``task``, ``k_est`` and the critic's on questions."""
    training = training_of(declaration)
    told = {"pairing": pairing_name(training.pairing)} | _own(declaration) | _training(training) | _data(training.data)
    return {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in told.items()}


def _own(declaration: Declaration) -> dict[str, Any]:
    match declaration:
        case Training() | Embedding():
            return {}
        case Estimation():
            told = {name: value for name, value in own_fields(declaration).items() if name != "pairing"}
            critic = {name if name in PLAIN else f"critic_{name}": value for name, value in told.items()}
            return {"task": pairing_name(declaration.pairing)} | critic | _penalties(declaration)
        case LinearEvaluation():
            return {"task": task_of(declaration).name} | _penalties(declaration)
        case _:
            assert_never(declaration)


def _penalties(question: Estimation | LinearEvaluation) -> dict[str, str]:
    return {"penalties": " ".join(f"{penalty:g}" for penalty in question.penalties)}


def _training(training: Training) -> dict[str, Any]:
    views = own_fields(training.pairing) if isinstance(training.pairing, SimCLR) else {}
    return views | {name: value for name, value in own_fields(training).items() if name != "pairing"}


def _data(data: CDP) -> dict[str, Any]:
    return {f"data_{name}" if name == "seed" else name: value for name, value in own_fields(data).items()}
