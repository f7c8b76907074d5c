"""Encoders: trained here, or read from a checkpoint file."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal, assert_never, get_args

from mi_ray.compute.choices import Input, Layout, Precision, Stem, archs
from mi_ray.experiments.declare.checks import at_least, did_you_mean, instance, one_of, positive, refuse, within
from mi_ray.experiments.declare.images import CDP, Data, Labelled, tasks
from mi_ray.experiments.declare.pairings import Pairing, SameClass, SimCLR

OptimizerName = Literal["adamw", "sgd"]


@dataclass(frozen=True, kw_only=True)
class NTXent:
    """L_InfoNCE of Eq. 2 in NT-Xent form."""


@dataclass(frozen=True, kw_only=True)
class SupCon:
    """Supervised contrastive loss (Khosla et al. 2020): every view of the same class of ``task`` is a positive."""

    task: str


Objective = NTXent | SupCon


@dataclass(frozen=True, kw_only=True)
class Training:
    """Contrastive training with L_InfoNCE (Eq. 2). ``k_tr`` counts positive pairs over all workers; the budget is
    ``views`` images seen, whatever ``k_tr`` is; ``warmup`` is a share of the steps. Batch normalisation takes its
    moments over all of a step's views, however many workers share them; with ``batch_norm_parts`` of as many workers,
    each takes them over its own."""

    data: Data
    pairing: Pairing
    arch: str
    stem: Stem = "imagenet"
    objective: Objective = field(default_factory=NTXent)
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
    batch_norm_parts: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        instance("data", self.data, CDP, Labelled)
        instance("pairing", self.pairing, SameClass, SimCLR)
        instance("objective", self.objective, NTXent, SupCon)
        for task in self._tasks():
            one_of("task", task, tasks(self.data))
        known_arch(self.arch)
        one_of("stem", self.stem, get_args(Stem))
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
        at_least("batch_norm_parts", self.batch_norm_parts, 1)
        at_least("seed", self.seed, 0)
        if isinstance(self.objective, SupCon) and isinstance(self.data, Labelled) and self.data.negatives:
            raise refuse("negatives", self.data.negatives, "None with SupCon")

    def _tasks(self) -> list[str]:
        """Tasks whose labels the training sees."""
        of_objective = [self.objective.task] if isinstance(self.objective, SupCon) else []
        return of_objective + ([self.pairing.task] if isinstance(self.pairing, SameClass) else [])

    @property
    def steps(self) -> int:
        """Optimiser steps: views / (2 K_tr)."""
        return self.views // (2 * self.k_tr)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """An encoder in a file of ``layout``: one of others at path ``source``, or a training of ours written in that
    layout and read back.

    ``hidden`` and ``out`` size the critics asked about it, as a training's projector does. ``allow_code`` lets a pickle
    run code; the file's sha256 is the checkpoint's identity. Images are resized and normalised as ``input`` says; if it
    is None, as timm states for ``arch``, and not at all for a training's.
    """

    data: Data
    arch: str
    source: Training | str
    layout: Layout = "flat"
    stem: Stem = "imagenet"
    input: Input | None = None
    allow_code: bool = False
    hidden: int = 512
    out: int = 128
    name: str = ""

    def __post_init__(self) -> None:
        instance("data", self.data, CDP, Labelled)
        known_arch(self.arch)
        instance("source", self.source, Training, str)
        one_of("layout", self.layout, get_args(Layout))
        one_of("stem", self.stem, get_args(Stem))
        instance("input", self.input, Input, type(None))
        at_least("hidden", self.hidden, 1)
        at_least("out", self.out, 1)
        if isinstance(self.source, Training) and self.source.arch != self.arch:
            raise refuse("arch", self.arch, f"that of its training, {self.source.arch}")
        if isinstance(self.source, Training) and self.source.data != self.data:
            raise refuse("data", self.data, "the images of its training")


Encoder = Training | Checkpoint


def known_arch(arch: str) -> None:
    """Refuse what timm does not know, with what is near."""
    instance("arch", arch, str)
    name = arch.partition(".")[0]
    if name not in archs():
        raise refuse(
            "arch", arch, f"an encoder of timm, such as {', '.join(_similar(name))}{did_you_mean(name, archs())}"
        )


def _similar(name: str) -> list[str]:
    return get_close_matches(name.lower(), archs(), n=3, cutoff=0.3) or ["resnet10t", "resnet18", "resnet50"]


def input_name(seen: Input | None) -> str:
    """What a checkpoint is declared to see, in a word; ``default`` leaves it to timm, or to its training."""
    if seen is None:
        return "default"
    mean, std = (" ".join(f"{value:g}" for value in of) for of in (seen.mean, seen.std))
    return f"{seen.size} px less {mean} over {std}"


def objective_name(objective: Objective) -> str:
    """The objective in a word."""
    match objective:
        case NTXent():
            return "nt_xent"
        case SupCon():
            return f"sup_con {objective.task}"
        case _:
            assert_never(objective)
