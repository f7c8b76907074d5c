"""Declarations: frozen values that say what is trained and what is asked of it. Building one does no work.

Train, freeze, ask: a `Training` makes an encoder, an `Embedding` freezes what it makes of the images, and the questions
`Estimation` and `LinearEvaluation` read that. Each holds what is upstream of it, so a question is a whole story.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, assert_never, get_args

from mi_ray.compute.choices import Mix, Precision, archs
from mi_ray.experiments.checks import at_least, instance, one_of, positive, refuse, within
from mi_ray.theory.tasks import TASKS, Task

BUNDLED = "scikit-learn"
"""Digits and photographs that scikit-learn ships; any other value is a folder."""

CANVASES = (32, 64, 224)
OptimizerName = Literal["adamw", "sgd"]
Prior = Literal["uniform", "empirical"]


@dataclass(frozen=True, kw_only=True)
class CDP:
    """Colour-digit-position images (Sec. III-B).

    ``digits``: bundled, or a folder holding MNIST; ``backgrounds``: bundled, or a folder of images. Image counts are
    per split; drawings and photographs are disjoint between splits.
    """

    canvas: int = 32
    digits: str = BUNDLED
    backgrounds: str = BUNDLED
    mix: Mix = "linear"
    background_weight: float = 0.3
    train_images: int = 16384
    validation_images: int = 4096
    test_images: int = 4096
    seed: int = 0

    def __post_init__(self) -> None:
        one_of("canvas", self.canvas, CANVASES)
        one_of("mix", self.mix, get_args(Mix))
        within("background_weight", self.background_weight, 0, 1)
        at_least("train_images", self.train_images, 1024)
        at_least("validation_images", self.validation_images, 1024)
        at_least("test_images", self.test_images, 1024)
        at_least("data seed", self.seed, 0)


@dataclass(frozen=True, kw_only=True)
class SameClass:
    """Same-class sampling T_class (Sec. III-A): two images of one class of ``task``, viewed plainly.

    ``prior`` says how classes are drawn: all alike, or as often as a split holds them. ``redraw`` is the probability
    that the partner's class is drawn anew, which dials the true MI down (label channel).
    """

    task: str
    prior: Prior = "uniform"
    redraw: float = 0.0

    def __post_init__(self) -> None:
        one_of("task", self.task, [task.name for task in TASKS])
        one_of("prior", self.prior, get_args(Prior))
        within("redraw", self.redraw, 0, 1)


@dataclass(frozen=True, kw_only=True)
class SimCLR:
    """An image with itself, viewed twice through SimCLR's augmentation (Fig. 1b)."""

    crop_min_scale: float = 0.2
    flip: float = 0.5
    jitter_strength: float = 0.5
    jitter: float = 0.8
    grayscale: float = 0.2

    def __post_init__(self) -> None:
        within("crop_min_scale", self.crop_min_scale, 0.01, 1)
        within("flip", self.flip, 0, 1)
        within("jitter_strength", self.jitter_strength, 0, 2.5)
        within("jitter", self.jitter, 0, 1)
        within("grayscale", self.grayscale, 0, 1)


Pairing = SameClass | SimCLR


@dataclass(frozen=True, kw_only=True)
class Training:
    """Contrastive training with L_InfoNCE (Eq. 2). ``k_tr`` counts positive pairs over all workers; the budget is
    ``views`` images seen, whatever ``k_tr`` is; ``warmup`` is a share of the steps."""

    data: CDP
    pairing: Pairing
    arch: str
    k_tr: int = 64
    temperature: float = 0.2
    views: int = 100_000
    optimizer: OptimizerName = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup: float = 0.1
    hidden: int = 512
    out: int = 128
    precision: Precision = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        instance("data", self.data, CDP)
        instance("pairing", self.pairing, SameClass, SimCLR)
        instance("arch", self.arch, str)
        if self.arch.partition(".")[0] not in archs():
            raise refuse("arch", self.arch, f"an encoder of timm, such as {', '.join(_similar(self.arch))}")
        at_least("k_tr", self.k_tr, 2)
        positive("temperature", self.temperature)
        at_least("views", self.views, 2 * self.k_tr)
        one_of("optimizer", self.optimizer, get_args(OptimizerName))
        positive("learning_rate", self.learning_rate)
        within("weight_decay", self.weight_decay, 0, 1)
        within("warmup", self.warmup, 0, 1)
        at_least("hidden", self.hidden, 1)
        at_least("out", self.out, 1)
        one_of("precision", self.precision, get_args(Precision))
        at_least("seed", self.seed, 0)

    @property
    def steps(self) -> int:
        """Optimiser steps: views / (2 K_tr)."""
        return self.views // (2 * self.k_tr)


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """The frozen encoder's h of every image, viewed plainly: computed once, read by every question."""

    training: Training

    def __post_init__(self) -> None:
        instance("training", self.training, Training)


@dataclass(frozen=True, kw_only=True)
class Estimation:
    """Post-training MI estimation of I(h_X; h_Y) under ``pairing`` (Sec. III-C) by ``critics`` critics, each the
    projector's MLP, and by a linear probe.

    Readings are taken on ``batches`` batches of ``k_est`` held-out positive pairs; critics are fitted with ``k_fit``
    pairs a step and learn their ``temperature``. The probe's penalty is chosen among ``penalties`` on validation.
    """

    embedding: Embedding
    pairing: SameClass
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
        instance("embedding", self.embedding, Embedding)
        instance("pairing", self.pairing, SameClass)
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
        one_of("task", self.task, [task.name for task in TASKS])
        instance("embedding", self.embedding, Embedding)
        _penalties(self.penalties)


def _penalties(penalties: tuple[float, ...]) -> None:
    instance("penalties", penalties, tuple)
    if not penalties:
        raise refuse("penalties", penalties, "at least one number > 0")
    for penalty in penalties:
        positive("penalties", penalty)


Question = Estimation | LinearEvaluation
Declaration = Training | Embedding | Question


def upstream(declaration: Declaration) -> Declaration | None:
    """The declaration that must be committed before this one can start."""
    match declaration:
        case Training():
            return None
        case Embedding():
            return declaration.training
        case Estimation() | LinearEvaluation():
            return declaration.embedding
        case _:
            assert_never(declaration)


def training_of(declaration: Declaration) -> Training:
    """The training at the root of a declaration."""
    above = upstream(declaration)
    if above is None:
        assert isinstance(declaration, Training)
        return declaration
    return training_of(above)


def pairing_called(name: str) -> Pairing:
    """The pairing that `pairing_name` calls ``name``: ``simclr``, or same-class sampling of a task."""
    one_of("pairing", name, ["simclr", *(task.name for task in TASKS)])
    return SimCLR() if name == "simclr" else SameClass(task=name)


def pairing_name(pairing: Pairing) -> str:
    """The pairing in one word: the task that defines the class, or ``simclr``."""
    match pairing:
        case SameClass():
            prior = "" if pairing.prior == "uniform" else f" {pairing.prior}"
            return pairing.task + prior + (f"~{pairing.redraw:g}" if pairing.redraw else "")
        case SimCLR():
            return "simclr"
        case _:
            assert_never(pairing)


def _similar(arch: str) -> list[str]:
    return get_close_matches(arch, archs(), n=3, cutoff=0.3) or ["resnet10t", "resnet18", "resnet50"]


def task_of(question: Question) -> Task:
    """The task that a question is about."""
    match question:
        case Estimation():
            return Task(question.pairing.task)
        case LinearEvaluation():
            return Task(question.task)
        case _:
            assert_never(question)
