"""Linear evaluation of a downstream task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mi_ray.experiments.declare.checks import instance, one_of
from mi_ray.experiments.declare.embedding import Embedding, EmbeddingQuestion
from mi_ray.experiments.declare.estimation import refuse_penalties
from mi_ray.experiments.declare.identity import flat, own_fields
from mi_ray.experiments.declare.images import tasks
from mi_ray.experiments.declare.kind import Sizes, Values, probe_work


@dataclass(frozen=True, kw_only=True)
class LinearEvaluation(EmbeddingQuestion):
    """Linear evaluation of ``task`` on the frozen encoder (Fig. 6); the penalty is chosen on validation."""

    embedding: Embedding
    task: str
    penalties: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)

    kind: ClassVar[str] = "evaluation"
    protocol: ClassVar[int] = 2

    def __post_init__(self) -> None:
        instance("embedding", self.embedding, Embedding)
        one_of("task", self.task, tasks(self.embedding.encoder.data))
        refuse_penalties(self.penalties)

    @property
    def subject(self) -> str:
        """The task."""
        return self.task

    @property
    def company(self) -> str:
        """Probes of equal penalties are fitted together."""
        return f"penalties {self.penalties}"

    def science(self) -> Values:
        """Every field."""
        return own_fields(self)

    def layer(self) -> Values:
        """Every field but the task."""
        own = own_fields(self)
        del own["task"]
        return flat(own)

    def work(self, sizes: Sizes) -> float:
        """Fitting the probes."""
        return probe_work(sizes.width, sizes.counts.train, sizes.classes(self.task), len(self.penalties))
