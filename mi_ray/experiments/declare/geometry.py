"""Geometry of embeddings on the unit sphere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mi_ray.experiments.declare.embedding import EmbeddingQuestion, Frozen
from mi_ray.experiments.declare.estimation import pairing_layer, refuse_other_pairs, task_of_pairs
from mi_ray.experiments.declare.identity import flat, own_fields
from mi_ray.experiments.declare.kind import Sizes, Values
from mi_ray.experiments.declare.pairings import Pairing


@dataclass(frozen=True, kw_only=True)
class Geometry(EmbeddingQuestion):
    """Alignment, uniformity and tolerance of embeddings under ``pairing`` (Tables II and IV-IX); no tolerance of
    views."""

    embedding: Frozen
    pairing: Pairing

    kind: ClassVar[str] = "geometry"
    protocol: ClassVar[int] = 2
    company: ClassVar[str] = ""

    def __post_init__(self) -> None:
        refuse_other_pairs(self.embedding, self.pairing)

    @property
    def task(self) -> str:
        """The downstream task of same-class pairs, or the augmentation of views."""
        return task_of_pairs(self.pairing)

    @property
    def subject(self) -> str:
        """The task."""
        return self.task

    def science(self) -> Values:
        """Every field."""
        return own_fields(self)

    def layer(self) -> Values:
        """Every field."""
        own = own_fields(self)
        del own["pairing"]
        return flat(own) | pairing_layer(self.embedding, self.pairing)

    def work(self, sizes: Sizes) -> float:
        """Distances between all test images."""
        return 2.0 * sizes.counts.test**2 * sizes.width
