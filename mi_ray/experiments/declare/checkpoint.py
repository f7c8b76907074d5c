"""Checkpoint: an encoder in a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, get_args

from mi_ray.compute.choices import Input, Layout, Stem
from mi_ray.experiments.declare.checks import at_least, instance, one_of, refuse
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

    ``hidden`` and ``out`` size the critics of its estimations, as a training's projector does. ``allow_code`` lets a
    pickle run code; the file's sha256 is the checkpoint's identity. Images are resized and normalised as ``input``
    states; if it is None, as timm states for ``arch``, and not at all for a training of this system.
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

    kind: ClassVar[str] = "checkpoint"
    protocol: ClassVar[int] = 1
    LABELS: ClassVar[frozenset[str]] = frozenset({"name", "source", "allow_code"})
    """Fields that say where the file is and how people call it; they do not enter the key."""

    subject: ClassVar[str] = ""
    company: ClassVar[str] = ""

    def __post_init__(self) -> None:
        instance("data", self.data, Data)
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

    @property
    def upstream(self) -> Training | None:
        """The training; None of a published file."""
        return self.source if isinstance(self.source, Training) else None

    @property
    def encoder(self) -> Checkpoint:
        """Itself."""
        return self

    def science(self) -> Values:
        """The fields but for `LABELS`; for a file its sha256, by whose contents the layout is recognised."""
        own = {name: value for name, value in own_fields(self).items() if name not in self.LABELS}
        if self.input is not None:
            own["input"] = {n: v for n, v in own["input"].items() if n not in INPUT_LATER or v != INPUT_LATER[n]}
        if isinstance(self.source, str):
            own["sha256"] = contents(Path(self.source))
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
