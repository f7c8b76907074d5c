"""Pairings T: couples of images and the views taken of them (Sec. III-A, Fig. 1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, assert_never, get_args

from mi_ray.experiments.declare.checks import one_of, within
from mi_ray.experiments.declare.images import CLASS
from mi_ray.theory.tasks import TASKS

Prior = Literal["uniform", "empirical"]
TASK_NAMES = (*(task.name for task in TASKS), *CLASS, "domain")


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
        one_of("task", self.task, TASK_NAMES)
        one_of("prior", self.prior, get_args(Prior))
        within("redraw", self.redraw, 0, 1)


@dataclass(frozen=True, kw_only=True)
class SimCLR:
    """An image with itself, viewed twice through SimCLR's augmentation (Fig. 1b); a ``crop_min_scale`` of 1 crops
    nothing."""

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


UNTOUCHED = SimCLR(crop_min_scale=1.0, flip=0.0, jitter_strength=0.0, grayscale=0.0)
Pairing = SameClass | SimCLR


def color_jitter(strength: float) -> SimCLR:
    """Colour jitter of one ``strength`` and nothing else (Fig. 5a), applied to every view."""
    return replace(UNTOUCHED, jitter_strength=strength, jitter=1.0)


def resized_crop(min_scale: float) -> SimCLR:
    """Random resized crops of at least ``min_scale`` of the image and nothing else (Fig. 5b)."""
    return replace(UNTOUCHED, crop_min_scale=min_scale)


def pairing_called(name: str) -> Pairing:
    """The pairing that `pairing_name` calls ``name``: ``simclr``, or same-class sampling of a task."""
    one_of("pairing", name, ["simclr", *TASK_NAMES])
    return SimCLR() if name == "simclr" else SameClass(task=name)


def pairing_name(pairing: Pairing) -> str:
    """The pairing in a word: the task that defines the class, or ``simclr`` and what it does otherwise."""
    match pairing:
        case SameClass():
            prior = "" if pairing.prior == "uniform" else f" {pairing.prior}"
            return pairing.task + prior + (f"~{pairing.redraw:g}" if pairing.redraw else "")
        case SimCLR():
            return _simclr_name(pairing)
        case _:
            assert_never(pairing)


def _simclr_name(pairing: SimCLR) -> str:
    if pairing == color_jitter(pairing.jitter_strength):
        return f"jitter {pairing.jitter_strength:g}"
    if pairing == resized_crop(pairing.crop_min_scale):
        return f"crop {pairing.crop_min_scale:g}"
    return "simclr"
