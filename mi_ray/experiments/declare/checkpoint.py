"""Checkpoint: an encoder in a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, get_args

from mi_ray.compute.choices import Input, Layout, Stem, Weights
from mi_ray.experiments.declare.checks import at_least, did_you_mean, instance, one_of, refuse
from mi_ray.experiments.declare.identity import contents, flat, own_fields
from mi_ray.experiments.declare.images import Data
from mi_ray.experiments.declare.kind import STEP_OVERHEAD, Sizes, Values
from mi_ray.experiments.declare.training import Training, known_arch

INPUT_LATER: Values = {"share": Input.share, "interpolation": Input.interpolation}
"""Fields that `Input` did not have at first, at the value at which they do not enter a key."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """An encoder in a file of ``layout``: a published one at path ``source``, or a training of this system written in
    that layout and read back.

    ``weights``: which encoder of a file that holds several: ``raw``, ``averaged`` (a running average over the training:
    EMA, a momentum encoder, a teacher), the prefix of one, such as ``student.backbone.``, or, if empty, the one that
    its method publishes. ``hidden`` and ``out`` size the critics of its estimations, as a training's projector does.
    ``allow_code`` lets a pickle run code; the file's sha256 is the checkpoint's identity. Images are resized and
    normalised as ``input`` states; if it is None, as timm states for ``arch``, and not at all for a training of this
    system.
    """

    data: Data
    arch: str
    source: Training | str
    layout: Layout = "flat"
    stem: Stem = "imagenet"
    input: Input | None = None
    weights: str = ""
    allow_code: bool = False
    hidden: int = 512
    out: int = 128
    name: str = ""

    kind: ClassVar[str] = "checkpoint"
    protocol: ClassVar[int] = 1
    LABELS: ClassVar[frozenset[str]] = frozenset({"name", "source", "allow_code"})
    """Fields that say where the file is and how people call it; they do not enter the key."""
    LATER: ClassVar[dict[str, Any]] = {"weights": ""}
    """Fields added after the first release, with the value that restores the earlier behaviour: at that value a field
    does not enter the key, so that keys stay the same."""

    subject: ClassVar[str] = ""
    company: ClassVar[str] = ""

    def __post_init__(self) -> None:
        instance("data", self.data, Data)
        known_arch(self.arch)
        instance("source", self.source, Training, str)
        one_of("layout", self.layout, get_args(Layout))
        one_of("stem", self.stem, get_args(Stem))
        instance("weights", self.weights, str)
        if self.weights not in ("", *get_args(Weights)) and not self.weights.endswith("."):
            near = did_you_mean(self.weights, get_args(Weights))
            raise refuse("weights", self.weights, f"'', raw, averaged, or a prefix that ends with a dot{near}")
        if isinstance(self.source, Training) and self.weights:
            raise refuse("weights", self.weights, "'' for a training, whose file holds one encoder")
        instance("input", self.input, Input, type(None))
        at_least("hidden", self.hidden, 1)
        at_least("out", self.out, 1)
        if isinstance(self.source, Training) and self.source.arch != self.arch:
            raise refuse("arch", self.arch, f"that of its training, {self.source.arch}")
        if isinstance(self.source, Training) and self.source.data != self.data:
            raise refuse("data", self.data, "the images of its training")

    @property
    def upstream(self) -> Training | None:
        """The training; None of a published file."""
        return self.source if isinstance(self.source, Training) else None

    @property
    def encoder(self) -> Checkpoint:
        """Itself."""
        return self

    def science(self) -> Values:
        """The fields but for `LABELS` and those of `LATER` at their earlier value; for a file its sha256, by whose
        contents the layout is recognised."""
        return self.science_with(contents(Path(self.source)) if isinstance(self.source, str) else "")

    def science_with(self, sha256: str) -> Values:
        """`science`, if the file has this sha256."""
        own = {name: value for name, value in own_fields(self).items() if name not in self.LABELS}
        if self.input is not None:
            own["input"] = {n: v for n, v in own["input"].items() if n not in INPUT_LATER or v != INPUT_LATER[n]}
        own = {name: value for name, value in own.items() if not (name in self.LATER and value == self.LATER[name])}
        if isinstance(self.source, str):
            own["sha256"] = sha256
            del own["layout"]
        return own

    def layer(self) -> Values:
        """Every field; the path as ``file``, the name as ``encoder``, and the input's short name."""
        own = own_fields(self)
        source, name = own.pop("source"), own.pop("name")
        file = {"file": source} if isinstance(source, str) else {}
        named = {"encoder": name} if name else {}
        return file | flat(own) | {"input": input_name(self.input)} | named

    def work(self, sizes: Sizes) -> float:
        """Reading a file: little."""
        return STEP_OVERHEAD


Encoder = Training | Checkpoint


def input_name(seen: Input | None) -> str:
    """Short name of a checkpoint's declared input; ``default`` leaves it to timm, or to its training."""
    if seen is None:
        return "default"
    mean, std = (" ".join(f"{value:g}" for value in values) for values in (seen.mean, seen.std))
    return f"{seen.size} px less {mean} over {std}"
