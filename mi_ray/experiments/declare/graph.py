"""The graph of declarations: what a cell depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mi_ray.experiments.declare.checkpoint import Encoder
from mi_ray.experiments.declare.images import Data
from mi_ray.experiments.declare.own.question import OwnQuestion
from mi_ray.experiments.declare.training import Training

if TYPE_CHECKING:
    from mi_ray.experiments.declare import Declaration, Question


def upstream(declaration: Declaration) -> Declaration | None:
    """The declaration that must be committed before this one can start."""
    return declaration.upstream


def encoder_of(declaration: Declaration) -> Encoder:
    """The encoder that a declaration is about."""
    return declaration.encoder


def training_of(declaration: Declaration) -> Training | None:
    """The training behind an encoder; None for a published checkpoint."""
    encoder = encoder_of(declaration)
    return encoder if isinstance(encoder, Training) else encoder.upstream


def data_of(declaration: Declaration) -> Data:
    """The images."""
    return encoder_of(declaration).data


def task_of(question: Question) -> str:
    """The downstream task of a question, or the augmentation of its views."""
    return question.subject if isinstance(question, OwnQuestion) else question.task
