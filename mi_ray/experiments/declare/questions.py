"""What a frozen encoder makes of images, and what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from mi_ray.experiments.declare.checks import at_least, instance, one_of, positive, refuse, within
from mi_ray.experiments.declare.encoders import Checkpoint, Encoder, Training
from mi_ray.experiments.declare.images import tasks
from mi_ray.experiments.declare.pairings import Pairing, SameClass, SimCLR, pairing_name


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """The frozen encoder's h of every image, viewed plainly: computed once, read by every question."""

    encoder: Encoder

    def __post_init__(self) -> None:
        instance("encoder", self.encoder, Training, Checkpoint)


@dataclass(frozen=True, kw_only=True)
class Views:
    """The frozen encoder's h of ``per_image`` fresh views of every image through the augmentation of ``pairing``."""

    encoder: Encoder
    pairing: SimCLR
    per_image: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        instance("encoder", self.encoder, Training, Checkpoint)
        instance("pairing", self.pairing, SimCLR)
        at_least("per_image", self.per_image, 2)
        at_least("view seed", self.seed, 0)


Frozen = Embedding | Views


@dataclass(frozen=True, kw_only=True)
class Estimation:
    """Post-training MI estimation of I(h_X; h_Y) under ``pairing`` (Sec. III-C) by ``critics`` critics, each the
    projector's MLP, and under same-class sampling by a linear probe too.

    Readings are taken on ``batches`` batches of ``k_est`` held-out positive pairs; critics are fitted with ``k_fit``
    pairs a step and learn their ``temperature``. The probe's penalty is chosen among ``penalties`` on validation.
    """

    embedding: Frozen
    pairing: Pairing
    k_est: int = 4096
    batches: int = 4
    critics: int = 5
    k_fit: int = 128
    temperature: float = 0.12
    steps: int = 400
    learning_rate: float = 1e-2
    weight_decay: float = 3.0
    patience: int = 4
    penalties: tuple[float, ...] = (3e-4,)
    seed: int = 0

    def __post_init__(self) -> None:
        _couples(self.embedding, self.pairing)
        at_least("k_est", self.k_est, 2)
        at_least("batches", self.batches, 2)
        at_least("critics", self.critics, 1)
        at_least("k_fit", self.k_fit, 2)
        positive("critic temperature", self.temperature)
        within("critic temperature", self.temperature, 0, 1)
        at_least("critic steps", self.steps, 1)
        positive("critic learning_rate", self.learning_rate)
        within("critic weight_decay", self.weight_decay, 0, 100)
        at_least("patience", self.patience, 1)
        _penalties(self.penalties)
        at_least("critic seed", self.seed, 0)


@dataclass(frozen=True, kw_only=True)
class LinearEvaluation:
    """Linear evaluation of ``task`` on the frozen encoder (Fig. 6); the penalty is chosen on validation."""

    embedding: Embedding
    task: str
    penalties: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)

    def __post_init__(self) -> None:
        instance("embedding", self.embedding, Embedding)
        one_of("task", self.task, tasks(self.embedding.encoder.data))
        _penalties(self.penalties)


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Alignment, uniformity and tolerance of embeddings under ``pairing`` (Tables II and IV-IX); no tolerance of
    views."""

    embedding: Frozen
    pairing: Pairing

    def __post_init__(self) -> None:
        _couples(self.embedding, self.pairing)


Question = Estimation | LinearEvaluation | Geometry


def task_of(question: Question) -> str:
    """What a question is about, in a word: a downstream task, or the augmentation of its views."""
    match question:
        case Estimation() | Geometry():
            return question.pairing.task if isinstance(question.pairing, SameClass) else pairing_name(question.pairing)
        case LinearEvaluation():
            return question.task
        case _:
            assert_never(question)


def _couples(frozen: Frozen, pairing: Pairing) -> None:
    """Refuse a pairing that the frozen embeddings cannot make."""
    instance("embedding", frozen, Embedding, Views)
    instance("pairing", pairing, SameClass, SimCLR)
    if isinstance(pairing, SameClass):
        one_of("task", pairing.task, tasks(frozen.encoder.data))
        instance("embedding", frozen, Embedding)
    elif not isinstance(frozen, Views) or frozen.pairing != pairing:
        raise refuse("pairing", pairing, "that of the views that are embedded")


def _penalties(penalties: tuple[float, ...]) -> None:
    instance("penalties", penalties, tuple)
    if not penalties:
        raise refuse("penalties", penalties, "at least one number > 0")
    for penalty in penalties:
        positive("penalties", penalty)
