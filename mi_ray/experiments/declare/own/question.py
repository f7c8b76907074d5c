"""A question of a user's own to a frozen encoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar

from mi_ray.experiments.declare.checkpoint import Encoder
from mi_ray.experiments.declare.checks import Refused, instance
from mi_ray.experiments.declare.embedding import Frozen
from mi_ray.experiments.declare.identity import flat, own_fields
from mi_ray.experiments.declare.kind import MOST_CLASSES, Sizes, Values, probe_work
from mi_ray.experiments.declare.measures import Measure
from mi_ray.experiments.declare.own.base import Own, refuse_unkeyed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mi_ray.compute.images.image_set import ImageSet


@dataclass(frozen=True, kw_only=True)
class OwnQuestion(Own, ABC):
    """Base of a question of a user's own: numbers that are read from h of the images.

    A subclass defines ``measures``, the numbers of its result, and `answer`. Its ``kind`` is its class name in lower
    case. Its fields are parameters ``<kind>_<name>``; a field ``task`` is the parameter ``task``.
    """

    embedding: Frozen

    REQUIRED: ClassVar[tuple[str, ...]] = ("measures",)
    kind: ClassVar[str] = "ownquestion"
    measures: ClassVar[tuple[Measure, ...]]
    company: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.kind = cls.__name__.lower()

    def __post_init__(self) -> None:
        instance("embedding", self.embedding, Frozen)
        refuse_unkeyed(self)
        measures: object = self.measures
        if not isinstance(measures, tuple) or not measures or not all(isinstance(value, Measure) for value in measures):
            raise Refused(f"{type(self).__name__}: measures is not a tuple of Measure; allowed: one or more")

    @abstractmethod
    def answer(
        self,
        h: Mapping[str, NDArray[np.float32]],
        images: Mapping[str, ImageSet],
        names: Mapping[str, tuple[str, ...]],
    ) -> Mapping[str, float]:
        """The numbers of ``measures`` by name, and their standard errors by theirs.

        By split: h [n, width], of views [n, per_image, width]; the images with their labels in ``attributes`` and their
        ``sources``; the images' names. Fit on ``train``, choose on ``validation``, read ``test`` once.
        """
        raise NotImplementedError(f"{type(self).__name__}.answer")

    @property
    def upstream(self) -> Frozen:
        """The embedding."""
        return self.embedding

    @property
    def encoder(self) -> Encoder:
        """The encoder of the embedding."""
        return self.embedding.encoder

    @property
    def subject(self) -> str:
        """The field ``task``, if there is one."""
        return str(getattr(self, "task", ""))

    def science(self) -> Values:
        """Every field."""
        return own_fields(self)

    def layer(self) -> Values:
        """Every field but ``task`` as ``<kind>_<name>``."""
        return {f"{self.kind}_{name}": value for name, value in flat(own_fields(self)).items() if name != "task"}

    def work(self, sizes: Sizes) -> float:
        """Operations of the answer, so that long jobs start first; unless overridden, those of a linear probe."""
        return probe_work(sizes.width, self.encoder.data.n_images, MOST_CLASSES)

    def checked(self, answer: Mapping[str, float]) -> Values:
        """The numbers of an answer as floats; Refused where a name is not a measure's, lacks, or is not finite."""
        allowed = {name for measure in self.measures for name in (measure.name, measure.error) if name}
        for name in sorted(allowed ^ set(answer)):
            what = "is missing" if name in allowed else "is not one of its measures"
            raise Refused(f"{type(self).__name__}: answer: {name!r} {what}; allowed: {', '.join(sorted(allowed))}")
        for name, value in answer.items():
            if not isfinite(value):
                raise Refused(f"{type(self).__name__}: answer: {name!r} is {value}; allowed: a finite number")
        return {name: float(value) for name, value in answer.items()}
