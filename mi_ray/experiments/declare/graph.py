"""What a declaration needs: the one upstream of it, and what lies at its root."""

from __future__ import annotations

from typing import assert_never

from mi_ray.experiments.declare.encoders import Checkpoint, Encoder, Training
from mi_ray.experiments.declare.images import Data
from mi_ray.experiments.declare.questions import (
    Embedding,
    Estimation,
    Geometry,
    LinearEvaluation,
    Question,
    Views,
)

Declaration = Encoder | Embedding | Views | Question


def upstream(declaration: Declaration) -> Declaration | None:
    """The declaration that must be committed before this one can start."""
    match declaration:
        case Training():
            return None
        case Checkpoint():
            return declaration.source if isinstance(declaration.source, Training) else None
        case Embedding() | Views():
            return declaration.encoder
        case Estimation() | LinearEvaluation() | Geometry():
            return declaration.embedding
        case _:
            assert_never(declaration)


def encoder_of(declaration: Declaration) -> Encoder:
    """The encoder that a declaration is about."""
    match declaration:
        case Training() | Checkpoint():
            return declaration
        case Embedding() | Views():
            return declaration.encoder
        case Estimation() | LinearEvaluation() | Geometry():
            return declaration.embedding.encoder
        case _:
            assert_never(declaration)


def training_of(declaration: Declaration) -> Training | None:
    """The training behind an encoder; None where others trained it."""
    encoder = encoder_of(declaration)
    if isinstance(encoder, Checkpoint):
        return encoder.source if isinstance(encoder.source, Training) else None
    return encoder


def data_of(declaration: Declaration) -> Data:
    """The images."""
    return encoder_of(declaration).data
