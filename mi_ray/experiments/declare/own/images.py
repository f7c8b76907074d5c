"""Images of a user's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from mi_ray.experiments.declare.checks import Refused, at_least
from mi_ray.experiments.declare.identity import flat, own_fields
from mi_ray.experiments.declare.kind import Values
from mi_ray.experiments.declare.own.base import Own, refuse_name, shortened, value_of

if TYPE_CHECKING:
    from mi_ray.compute.images.image_set import ImageSet

TASKS = ("class", "domain")
"""Tasks that labels may allow: the first and the second attribute of `ImageSet.attributes`."""


@dataclass(frozen=True, kw_only=True)
class OwnImages(Own, ABC):
    """Base of a data set of a user's own.

    A subclass defines ``name``, ``side`` (pixels along an image), ``tasks`` (``("class",)`` or ``("class", "domain")``,
    the columns of the attributes), `n_classes` and `splits`. Keys follow the pixels, labels and sources of the splits.
    """

    REQUIRED: ClassVar[tuple[str, ...]] = ("name", "side", "tasks", "n_classes")
    FREE: ClassVar[frozenset[str]] = frozenset({"n_images"})

    n_images: ClassVar[int] = 50_000
    """Images of all splits, for the predicted cost: a guess unless a subclass states it."""

    if TYPE_CHECKING:

        @property
        def name(self) -> str: ...

        @property
        def side(self) -> int: ...

        @property
        def tasks(self) -> tuple[str, ...]: ...

        def n_classes(self, task: str) -> int | None:
            """Classes of a task; None if it is not known before the images are read."""

    def __post_init__(self) -> None:
        self.refuse_if_malformed()

    def refuse_if_malformed(self) -> None:
        """Refuse fields that cannot enter a key, and a name, side, task or number that is none."""
        super().refuse_if_malformed()
        refuse_name(self)
        called = type(self).__name__
        at_least(f"{called}: side", self.side, 1)
        at_least(f"{called}: n_images", self.n_images, 1)
        if self.tasks not in (TASKS[:1], TASKS):
            raise Refused(f"{called}: tasks {self.tasks!r}; allowed: {TASKS[:1]} or {TASKS}")
        listed = value_of(self, "files", self.files)
        if not isinstance(listed, list | tuple) or not all(isinstance(file, str | Path) for file in listed):
            raise Refused(f"{called}: files {shortened(listed)} is not allowed; allowed: a list of paths")
        for task in self.tasks:
            known = value_of(self, f"n_classes({task!r})", lambda task=task: self.n_classes(task))  # type: ignore[misc]
            if known is not None:
                at_least(f"{called}: n_classes({task!r})", known, 2)

    def files(self) -> Sequence[Path]:
        """Files that the images are read from: if one changes, they are made anew. None need be named."""
        return ()

    @abstractmethod
    def splits(self) -> Mapping[str, ImageSet]:
        """The images of ``train``, ``validation`` and ``test``, with labels, sources and names; a function of the
        fields and files alone. ValueError and FileNotFoundError are reported by their text."""
        raise NotImplementedError(f"{type(self).__name__}.splits")

    def layer(self) -> Values:
        """Parameters: ``data`` and every field as ``data_<name>``."""
        own = {"kind": type(self).__name__} | own_fields(self)
        return {"data": self.name} | {f"data_{name}": value for name, value in flat(own).items()}
