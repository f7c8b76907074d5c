"""kNN accuracy of a downstream task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mi_ray.experiments.declare.checks import at_least, instance, one_of, positive, refuse
from mi_ray.experiments.declare.embedding import Embedding, EmbeddingQuestion
from mi_ray.experiments.declare.identity import flat, own_fields
from mi_ray.experiments.declare.images import tasks
from mi_ray.experiments.declare.kind import Sizes, Values
from mi_ray.experiments.declare.measures import Measure

KNN_ACCURACY = Measure(name="knn_accuracy", error="knn_accuracy_standard_error", label="kNN accuracy")
KNN_BALANCED_ACCURACY = Measure(
    name="knn_balanced_accuracy", error="knn_balanced_accuracy_standard_error", label="kNN balanced accuracy"
)


@dataclass(frozen=True, kw_only=True)
class NearestNeighbours(EmbeddingQuestion):
    """kNN accuracy of ``task`` on the frozen encoder: the nearest train images vote (Wu et al. 2018).

    The number of neighbours is chosen among ``neighbours`` on validation; a neighbour at cosine s weighs
    exp(s / ``temperature``). Nothing is fitted, so that it is the usual accuracy during a training.
    """

    embedding: Embedding
    task: str
    neighbours: tuple[int, ...] = (10, 20, 50, 100, 200)
    temperature: float = 0.07

    kind: ClassVar[str] = "knn"
    protocol: ClassVar[int] = 1
    company: ClassVar[str] = ""

    def __post_init__(self) -> None:
        instance("embedding", self.embedding, Embedding)
        one_of("task", self.task, tasks(self.embedding.encoder.data))
        instance("neighbours", self.neighbours, tuple)
        if not self.neighbours:
            raise refuse("neighbours", self.neighbours, "at least one number of neighbours")
        for number in self.neighbours:
            at_least("neighbours", number, 1)
        positive("kNN temperature", self.temperature)

    @property
    def subject(self) -> str:
        """The task."""
        return self.task

    def science(self) -> Values:
        """Every field."""
        return own_fields(self)

    def layer(self) -> Values:
        """Every field but the task, ``knn_<name>``."""
        return {f"knn_{name}": value for name, value in flat(own_fields(self)).items() if name != "task"}

    def work(self, sizes: Sizes) -> float:
        """The cosines of every image with every train image."""
        return 2.0 * sizes.counts.images**2 * sizes.width
