"""Pairings T: couples of images and the views taken of them (Sec. III-A, Fig. 1)."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from mi_ray.experiments.declare.checks import one_of, within
from mi_ray.experiments.declare.identity import flat, own_fields
from mi_ray.experiments.declare.images import CLASS
from mi_ray.experiments.declare.own.pairing import OwnPairing
from mi_ray.theory.tasks import TASKS

Prior = Literal["uniform", "empirical"]
TASK_NAMES = (*(task.name for task in TASKS), *CLASS, "domain")


@dataclass(frozen=True, kw_only=True)
class SameClass:
    """Same-class sampling T_class (Sec. III-A): a pair is two images of one class of ``task``, without augmentation.

    ``prior`` is the distribution of the class: ``uniform``, or ``empirical``, its frequencies in the split. ``redraw``
    is the probability that the partner's class is drawn anew, which lowers the true MI (label channel).
    """

    task: str
    prior: Prior = "uniform"
    redraw: float = 0.0

    def __post_init__(self) -> None:
        one_of("task", self.task, TASK_NAMES)
        one_of("prior", self.prior, get_args(Prior))
        within("redraw", self.redraw, 0, 1)

    @property
    def name(self) -> str:
        """The task, with a prior that is not uniform and with the redraw."""
        prior = "" if self.prior == "uniform" else f" {self.prior}"
        return self.task + prior + (f"~{self.redraw:g}" if self.redraw else "")


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

    @property
    def name(self) -> str:
        """``simclr``, or the only augmentation that is left with its strength."""
        if self == color_jitter(self.jitter_strength):
            return f"jitter {self.jitter_strength:g}"
        if self == resized_crop(self.crop_min_scale):
            return f"crop {self.crop_min_scale:g}"
        return "simclr"


@dataclass(frozen=True, kw_only=True)
class SimCLRWithBlur:
    """SimCLR's recipe for ImageNet (Chen et al. 2020, App. A): its augmentation at strength 1, then a Gaussian blur of
    a share ``blur`` of the views, with a standard deviation uniform from ``sigma_min`` to ``sigma_max`` pixels."""

    crop_min_scale: float = 0.08
    flip: float = 0.5
    jitter_strength: float = 1.0
    jitter: float = 0.8
    grayscale: float = 0.2
    blur: float = 0.5
    sigma_min: float = 0.1
    sigma_max: float = 2.0

    def __post_init__(self) -> None:
        _ = self.simclr  # refuses its fields
        within("blur", self.blur, 0, 1)
        within("sigma_max", self.sigma_max, 0.01, 100)
        within("sigma_min", self.sigma_min, 0.01, self.sigma_max)

    @property
    def name(self) -> str:
        """``simclr_blur``."""
        return "simclr_blur"

    @property
    def simclr(self) -> SimCLR:
        """The augmentation before the blur."""
        return SimCLR(**{field.name: getattr(self, field.name) for field in fields(SimCLR)})


UNTOUCHED = SimCLR(crop_min_scale=1.0, flip=0.0, jitter_strength=0.0, grayscale=0.0)

Augmentation = SimCLR | SimCLRWithBlur | OwnPairing
"""Pairings of an image with itself, viewed twice through an augmentation."""

Pairing = SameClass | Augmentation


def color_jitter(strength: float) -> SimCLR:
    """Colour jitter of one ``strength`` and nothing else (Fig. 5a), applied to every view."""
    return replace(UNTOUCHED, jitter_strength=strength, jitter=1.0)


def resized_crop(min_scale: float) -> SimCLR:
    """Random resized crops of at least ``min_scale`` of the image and nothing else (Fig. 5b)."""
    return replace(UNTOUCHED, crop_min_scale=min_scale)


def pairing_called(name: str) -> Pairing:
    """The pairing that `pairing_name` calls ``name``: ``simclr``, ``simclr_blur``, or same-class sampling of a task."""
    augmentations = {pairing.name: pairing for pairing in (SimCLR(), SimCLRWithBlur())}
    one_of("pairing", name, [*augmentations, *TASK_NAMES])
    return augmentations[name] if name in augmentations else SameClass(task=name)


def pairing_name(pairing: Pairing) -> str:
    """Short name of a pairing: the task of its classes, or the augmentation."""
    return pairing.name


def training_parameters(pairing: Pairing) -> dict[str, Any]:
    """Parameters of a training's pairing: ``pairing_<field>``; fields of SimCLR, with and without blur, by their own
    names."""
    own = own_fields(pairing)
    prefix = "" if isinstance(pairing, SimCLR | SimCLRWithBlur) else "pairing_"
    return {"pairing_kind": type(pairing).__name__} | {f"{prefix}{name}": value for name, value in flat(own).items()}
