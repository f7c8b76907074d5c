"""A question of a user's own to a frozen encoder."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from mi_ray.experiments.declare.checkpoint import Encoder
from mi_ray.experiments.declare.checks import Refused, instance
from mi_ray.experiments.declare.embedding import Frozen
from mi_ray.experiments.declare.identity import flat, own_fields
from mi_ray.experiments.declare.kind import MOST_CLASSES, Sizes, Values, probe_work
from mi_ray.experiments.declare.measures import (
    CERTIFIED,
    NOMINAL_OUTSIDE,
    NOT_CERTIFIED,
    NOT_LEARNED,
    NOTE,
    STATEMENT,
    Measure,
)
from mi_ray.experiments.declare.own.base import Own, is_real, shortened

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mi_ray.compute.images.image_set import ImageSet

NUMBER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
"""Names of numbers that MLflow and tables take."""

NO_NUMBER = frozenset(
    {"key", "kind", "seconds", CERTIFIED, NOMINAL_OUTSIDE, NOT_CERTIFIED, NOT_LEARNED, NOTE, STATEMENT}
)
"""Names that results, MLflow and tables use for something else."""


@dataclass(frozen=True, kw_only=True)
class OwnQuestion(Own, ABC):
    """Base of a question of a user's own: numbers that are read from h of the images.

    A subclass defines ``measures``, the numbers of its result, and `answer`. Its ``kind`` is its class name in lower
    case. Its fields are parameters ``<kind>_<name>``; a field ``task`` is the parameter ``task``.
    """

    embedding: Frozen

    REQUIRED: ClassVar[tuple[str, ...]] = ("measures",)
    FREE: ClassVar[frozenset[str]] = frozenset({"embedding"})
    kind: ClassVar[str] = "ownquestion"
    measures: ClassVar[tuple[Measure, ...]]
    company: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.kind = cls.__name__.lower()

    def __post_init__(self) -> None:
        self.refuse_if_malformed()

    def refuse_if_malformed(self) -> None:
        """Refuse fields that cannot enter a key, and measures that are none or whose numbers share a name."""
        instance("embedding", self.embedding, Frozen)
        super().refuse_if_malformed()
        measures: object = self.measures
        if not isinstance(measures, tuple) or not measures or not all(isinstance(value, Measure) for value in measures):
            raise Refused(f"{type(self).__name__}: measures is not a tuple of Measure; allowed: one or more")
        names = self.numbers
        for name in names:
            if not NUMBER_NAME.fullmatch(name) or name in NO_NUMBER or names.count(name) > 1:
                raise Refused(
                    f"{type(self).__name__}: measures: {name!r} is not allowed; allowed: letters of ASCII, digits and"
                    f" _, each name once, and none of {', '.join(sorted(NO_NUMBER))}"
                )

    @property
    def numbers(self) -> list[str]:
        """The names of the numbers of an answer."""
        return [one.name for one in self.measures] + [one.error for one in self.measures if one.error]

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
        return probe_work(sizes.width, sizes.counts.images, sizes.counts.classes or MOST_CLASSES)

    def checked(self, answer: Mapping[str, float]) -> Values:
        """The numbers of an answer as floats; Refused where a name is not a measure's, lacks, or is not finite."""
        called, given = type(self).__name__, answer
        if not isinstance(given, Mapping):
            raise Refused(f"{called}: answer: {shortened(given)} is not allowed; allowed: a dict of numbers by name")
        allowed = set(self.numbers)
        for name in sorted(allowed ^ set(given), key=str):
            what = "is missing" if name in allowed else "is not one of its measures"
            raise Refused(f"{called}: answer: {name!r} {what}; allowed: {', '.join(sorted(allowed))}")
        return {name: _number(f"{called}: answer: {name!r}", value) for name, value in given.items()}


def _number(called: str, value: object) -> float:
    """A number, or an array or tensor of one, as a float; Refused if it is not finite."""
    held = value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value
    if isinstance(held, bool) or not is_real(held):
        raise Refused(f"{called} is {shortened(value)}; allowed: a finite number")
    return float(held)
