"""Questions that fit no network to embeddings: their geometry on the unit sphere, their rank and analytic bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mi_ray.experiments.declare.checks import at_least, instance, refuse
from mi_ray.experiments.declare.embedding import Embedding, EmbeddingQuestion, Frozen
from mi_ray.experiments.declare.estimation import pairing_layer, refuse_other_pairs, task_of_pairs
from mi_ray.experiments.declare.identity import flat, own_fields
from mi_ray.experiments.declare.kind import Sizes, Values
from mi_ray.experiments.declare.measures import Measure
from mi_ray.experiments.declare.pairings import Pairing, SameClass, pairing_name

H_LOSS = Measure(
    name="h_loss_nats", error="h_loss_standard_error_nats", label="contrastive loss of h", unit="nats", sign=-1
)
MEAN_LOSS = Measure(name="mean_classifier_loss_nats", label="loss of the mean classifier", unit="nats", sign=-1)
BAO_UPPER = Measure(name="bao_upper_nats", error=H_LOSS.error, label="upper bound of Bao et al.", unit="nats", sign=-1)
BAO_LOWER = Measure(name="bao_lower_nats", error=H_LOSS.error, label="lower bound of Bao et al.", unit="nats", sign=-1)
RANK_ME = Measure(name="rank_me", label="RankMe")


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


@dataclass(frozen=True, kw_only=True)
class Quality(EmbeddingQuestion):
    """RankMe of h, and the analytic bounds that the contrastive loss of same-class pairs of h puts on a supervised loss
    (Sec. IV-B, references [54-57]; `mi_ray.theory.surrogate`).

    The loss is read on ``batches`` batches of ``k_est`` held-out pairs, those of an `Estimation` with this ``seed``: of
    cosines of h at temperature 1, with ``k_est`` - 1 negatives a pair. No network is fitted.
    """

    embedding: Embedding
    pairing: SameClass
    k_est: int = 4096
    batches: int = 4
    seed: int = 0

    kind: ClassVar[str] = "quality"
    protocol: ClassVar[int] = 1
    company: ClassVar[str] = ""

    def __post_init__(self) -> None:
        instance("pairing", self.pairing, SameClass)
        refuse_other_pairs(self.embedding, self.pairing)
        if self.pairing.redraw:
            raise refuse("redraw", self.pairing.redraw, "0; the bounds are of pairs of one class")
        at_least("k_est", self.k_est, 2)
        at_least("batches", self.batches, 1)
        at_least("seed", self.seed, 0)

    @property
    def task(self) -> str:
        """The downstream task of the pairs."""
        return self.pairing.task

    @property
    def subject(self) -> str:
        """The pairing, with its prior."""
        return pairing_name(self.pairing)

    def science(self) -> Values:
        """Every field."""
        return own_fields(self)

    def layer(self) -> Values:
        """Every field, by the names that an estimation gives them; the seed as ``quality_seed``."""
        own = own_fields(self)
        del own["pairing"]
        own["quality_seed"] = own.pop("seed")
        return flat(own) | pairing_layer(self.embedding, self.pairing)

    def work(self, sizes: Sizes) -> float:
        """Similarities between the images of the pairs, and the second moments of h."""
        read = min(sizes.counts.test, 2 * self.batches * self.k_est)
        return 2.0 * sizes.width * (read**2 + sizes.width * sizes.counts.test)
