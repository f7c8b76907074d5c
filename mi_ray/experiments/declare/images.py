"""Images that can be declared: CDP, the labelled data sets of the paper's tables, and what negatives come from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log2
from typing import Literal, assert_never, get_args

from mi_ray.compute.choices import Form, Mix, is_colour
from mi_ray.compute.images.catalogue import DATASETS, Dataset
from mi_ray.compute.images.readers import ClassTree
from mi_ray.experiments.declare.checks import at_least, instance, one_of, refuse, within
from mi_ray.experiments.declare.identity import flat, own_fields
from mi_ray.experiments.declare.kind import Counts, Values
from mi_ray.experiments.declare.own.images import OwnImages
from mi_ray.theory.tasks import TASKS, Task

BUNDLED = "scikit-learn"
"""Digits and photographs that scikit-learn ships; any other value is a folder."""

CANVASES = (32, 64, 224)

LEAST_SIDE = 32
"""Encoders halve an image five times; below it, PyTorch's bfloat16 convolutions on a CPU read memory they must not."""

CLASS = ("class",)
HALVED = tuple(name for name, dataset in DATASETS.items() if dataset.has_halves)
"""Data sets whose first or second half of classes can be declared."""
OWN_SHARE = 0.2
"""Share of validation images, and of test images, that is assumed of a user's own images."""
Half = Literal["", "first", "second"]
CropsFrom = Literal["auto", "photograph", "square"]


@dataclass(frozen=True, kw_only=True)
class CDP:
    """Colour-digit-position images (Sec. III-B).

    ``digits``: bundled, or a folder holding MNIST; ``backgrounds``: bundled, or a folder of images, whose transparent
    pixels become ``matte``. Image counts are per split; drawings and photographs are disjoint between splits.
    """

    canvas: int = 32
    digits: str = BUNDLED
    backgrounds: str = BUNDLED
    mix: Mix = "linear"
    background_weight: float = 0.3
    matte: str = "white"
    train_images: int = 16384
    validation_images: int = 4096
    test_images: int = 4096
    seed: int = 0

    def __post_init__(self) -> None:
        one_of("canvas", self.canvas, CANVASES)
        one_of("mix", self.mix, get_args(Mix))
        within("background_weight", self.background_weight, 0, 1)
        _colour("matte", self.matte)
        at_least("train_images", self.train_images, 1024)
        at_least("validation_images", self.validation_images, 1024)
        at_least("test_images", self.test_images, 1024)
        at_least("data seed", self.seed, 0)

    @property
    def side(self) -> int:
        """Pixels along an image."""
        return self.canvas

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the downstream tasks that the labels allow."""
        return tuple(task.name for task in TASKS)

    @property
    def counts(self) -> Counts:
        """Images of each split."""
        return Counts(train=self.train_images, validation=self.validation_images, test=self.test_images)

    def n_classes(self, task: str) -> int:
        """Classes of a downstream task."""
        return Task(task).n_classes

    def layer(self) -> Values:
        """Parameters: every field by the name that people use."""
        return {"data": "cdp"} | _parameters(self)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Images of uniform random pixels, as negatives (Table X)."""

    images: int = 4096
    seed: int = 0

    def __post_init__(self) -> None:
        at_least("noise images", self.images, 1)


@dataclass(frozen=True, kw_only=True)
class Crops:
    """Random crops of the photographs that scikit-learn ships, as negatives of another domain."""

    images: int = 4096
    seed: int = 0

    def __post_init__(self) -> None:
        at_least("crop images", self.images, 1)


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A labelled data set below ``root``, or an ``ImageFolder`` at it, every image a square of ``side`` pixels.

    ``half`` keeps the first or second half of the classes (CIFAR-5A, 5B, 50A, 50B; Table X), ``domain`` one domain of
    PACS. ``held_out`` is the share of a class that validation gets, and test, where there is no official one.
    ``matte``: the colour that transparent pixels become. ``crops``: whether views are cropped from the whole
    ``photograph``, as public recipes do, or from its centre ``square`` of ``side`` pixels; ``auto``: photographs of
    image files, squares of all other data sets.
    ``negatives``: the set D- that training draws its negatives from; the images themselves if None.
    """

    name: Dataset
    root: str = "data"
    side: int = 32
    held_out: float = 0.1
    class_list: str = ""
    half: Half = ""
    domain: str = ""
    matte: str = "white"
    crops: CropsFrom = "auto"
    negatives: Labelled | Noise | Crops | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        one_of("data", self.name, get_args(Dataset))
        at_least("side", self.side, LEAST_SIDE)
        within("held_out", self.held_out, 0.01, 0.49)
        one_of("half", self.half, get_args(Half))
        if self.half and self.name not in HALVED:
            raise refuse("half", self.half, f"'' for {self.name}; halves are of {', '.join(HALVED)}")
        one_of("domain", self.domain, ["", *DATASETS[self.name].domains])
        if DATASETS[self.name].needs_class_list and not self.class_list:
            raise refuse("class_list", self.class_list, "the file with the 100 wnids")
        _colour("matte", self.matte)
        one_of("crops", self.crops, get_args(CropsFrom))
        if self.crops == "photograph" and not DATASETS[self.name].has_files:
            having = ", ".join(name for name, dataset in DATASETS.items() if dataset.has_files)
            raise refuse("crops", self.crops, f"auto or square for {self.name}; photographs are of {having}")
        instance("negatives", self.negatives, Labelled, Noise, Crops, type(None))
        if isinstance(self.negatives, Labelled) and self.negatives.negatives is not None:
            raise refuse("negatives", self.negatives.negatives, "None: negatives have no negatives")
        at_least("data seed", self.seed, 0)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the downstream tasks that the labels allow."""
        return CLASS if self.domain else DATASETS[self.name].tasks

    @property
    def counts(self) -> Counts:
        """Images of each split, from the facts about the data set; of a folder and of one domain they are guesses."""
        row, of_domain = DATASETS[self.name], len(DATASETS[self.name].domains) if self.domain else 1
        parts = (2 if self.half else 1) * of_domain
        exact, classes = row.n_classes is not None and of_domain == 1, self.n_classes("class")
        own = Counts.of_shares(
            row.n_images // parts, self.held_out, test=row.n_test // parts, classes=classes, exact=exact
        )
        return replace(own, negatives=negative_images(self.negatives))

    def n_classes(self, task: str) -> int | None:
        """Classes of a downstream task; None for a folder, which has to be read first."""
        if task == "domain":
            return len(DATASETS[self.name].domains)
        whole = DATASETS[self.name].n_classes
        return whole // 2 if whole and self.half else whole

    def layer(self) -> Values:
        """Parameters: every field by the name that people use, and a short name of the negatives."""
        return _parameters(self) | {"negatives": negatives_name(self.negatives)}

    @property
    def form(self) -> Form:
        """Where views are taken from."""
        if self.crops == "auto":
            return "photograph" if DATASETS[self.name].has_files else "square"
        return self.crops

    @property
    def sibling(self) -> Labelled:
        """The other half of the classes."""
        one_of("half", self.half, ("first", "second"))
        return replace(self, half="second" if self.half == "first" else "first", negatives=None)


def _colour(field: str, value: object) -> None:
    """Refuse anything but an opaque colour."""
    if not is_colour(value):
        raise refuse(field, value, "an opaque colour such as white or #ff8800")


Data = CDP | Labelled | OwnImages


def _parameters(data: CDP | Labelled) -> Values:
    names = {"seed": "data_seed", "kind": "data_kind", "name": "data"}
    own = {"kind": type(data).__name__} | own_fields(data)
    return {names.get(name, name): value for name, value in flat(own).items()}


def tasks(data: Data) -> tuple[str, ...]:
    """Names of the downstream tasks that the labels of ``data`` allow."""
    return data.tasks


def n_classes(data: Data, task: str) -> int | None:
    """Classes of a downstream task; None for a folder, which has to be read first."""
    return data.n_classes(task)


def entropy_bits(data: Data, task: str) -> float | None:
    """Class entropy H(C) in bits of a uniform prior; None where the number of classes is not known."""
    known = n_classes(data, task)
    return log2(known) if known else None


def side(data: Data) -> int:
    """Pixels along an image."""
    return data.side


def counts(data: Data) -> Counts:
    """Images and classes as far as the declaration tells them; a guess for images that have to be read first."""
    if isinstance(data, OwnImages):
        return Counts.of_shares(data.n_images, OWN_SHARE, classes=data.n_classes("class"), exact=False)
    return data.counts


def has_image_files(data: Data) -> bool:
    """Whether every image is a file of its own, in class folders."""
    return isinstance(data, Labelled) and isinstance(DATASETS[data.name].reader, ClassTree)


def negative_images(negatives: Labelled | Noise | Crops | None) -> int:
    """Images of the set D-, as far as the declaration tells: of a labelled set those for training."""
    match negatives:
        case None:
            return 0
        case Noise() | Crops():
            return negatives.images
        case Labelled():
            return negatives.counts.train
        case _:
            assert_never(negatives)


def negatives_name(negatives: Labelled | Noise | Crops | None) -> str:
    """Short name of the set D-."""
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
