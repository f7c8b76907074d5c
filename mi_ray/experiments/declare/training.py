"""Training of an encoder, and its objective."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, ClassVar, Literal, assert_never, get_args

from mi_ray.compute.choices import Precision, Stem, archs
from mi_ray.experiments.declare.checks import at_least, did_you_mean, instance, one_of, positive, refuse, within
from mi_ray.experiments.declare.identity import flat, own_fields
from mi_ray.experiments.declare.images import Data, Labelled, tasks
from mi_ray.experiments.declare.kind import FORWARD_AND_BACKWARD, STEP_OVERHEAD, Sizes, Values
from mi_ray.experiments.declare.pairings import Pairing, SameClass, training_parameters

OptimizerName = Literal["adamw", "sgd"]


@dataclass(frozen=True, kw_only=True)
class NTXent:
    """L_InfoNCE of Eq. 2 in NT-Xent form."""


@dataclass(frozen=True, kw_only=True)
class SupCon:
    """Supervised contrastive loss (Khosla et al. 2020): every view of the same class of ``task`` is a positive."""

    task: str


Objective = NTXent | SupCon


@dataclass(frozen=True, kw_only=True)
class Training:
    """Contrastive training with L_InfoNCE (Eq. 2). ``k_tr`` counts positive pairs over all workers; the budget is
    ``views`` images seen, whatever ``k_tr`` is; ``warmup`` is a share of the steps. Batch normalisation takes its
    moments over all views of a step, however many workers share them; with ``batch_norm_parts`` equal to the number of
    workers, each worker takes them over its own views."""

    data: Data
    pairing: Pairing
    arch: str
    stem: Stem = "imagenet"
    objective: Objective = field(default_factory=NTXent)
    k_tr: int = 64
    temperature: float = 0.2
    views: int = 100_000
    optimizer: OptimizerName = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup: float = 0.1
    hidden: int = 512
    out: int = 128
    precision: Precision = "auto"
    batch_norm_parts: int = 1
    seed: int = 0

    kind: ClassVar[str] = "training"
    protocol: ClassVar[int] = 1
    LATER: ClassVar[dict[str, Any]] = {"batch_norm_parts": 1}
    """Fields added after the first release, with the value that restores the earlier behaviour: at that value a field
    does not enter the key, so that keys stay the same."""

    upstream: ClassVar[None] = None
    subject: ClassVar[str] = ""
    company: ClassVar[str] = ""

    def __post_init__(self) -> None:
        instance("data", self.data, Data)
        instance("pairing", self.pairing, Pairing)
        instance("objective", self.objective, Objective)
        of_objective = [self.objective.task] if isinstance(self.objective, SupCon) else []
        for task in of_objective + ([self.pairing.task] if isinstance(self.pairing, SameClass) else []):
            one_of("task", task, tasks(self.data))
        known_arch(self.arch)
        one_of("stem", self.stem, get_args(Stem))
        at_least("k_tr", self.k_tr, 2)
        positive("temperature", self.temperature)
        at_least("views", self.views, 2 * self.k_tr)
        one_of("optimizer", self.optimizer, get_args(OptimizerName))
        positive("learning_rate", self.learning_rate)
        within("weight_decay", self.weight_decay, 0, 1)
        within("warmup", self.warmup, 0, 1)
        at_least("hidden", self.hidden, 1)
        at_least("out", self.out, 1)
        one_of("precision", self.precision, get_args(Precision))
        at_least("batch_norm_parts", self.batch_norm_parts, 1)
        at_least("seed", self.seed, 0)
        if isinstance(self.objective, SupCon) and isinstance(self.data, Labelled) and self.data.negatives:
            raise refuse("negatives", self.data.negatives, "None with SupCon")

    @property
    def encoder(self) -> Training:
        """Itself."""
        return self

    @property
    def steps(self) -> int:
        """Optimiser steps: views / (2 K_tr)."""
        return self.views // (2 * self.k_tr)

    def science(self) -> Values:
        """All fields but those of `LATER` at their earlier value."""
        own = own_fields(self)
        return {name: value for name, value in own.items() if not (name in self.LATER and value == self.LATER[name])}

    def layer(self) -> Values:
        """Every field, and the objective's short name; the pairing's is added to every cell (`parameters`)."""
        own = own_fields(self)
        del own["pairing"]
        objective = flat({"objective": own.pop("objective")})
        return training_parameters(self.pairing) | flat(own) | {"objective": objective_name(self.objective)} | objective

    def work(self, sizes: Sizes) -> float:
        """Views forwards and backwards, those of another set of negatives too, and the cost of launching steps."""
        has_other_negatives = isinstance(self.data, Labelled) and self.data.negatives is not None
        seen = self.views * (2 if has_other_negatives else 1)
        return seen * (FORWARD_AND_BACKWARD * sizes.forward) + self.steps * STEP_OVERHEAD


def known_arch(arch: str) -> None:
    """Refuse a name that timm does not register, with similar names."""
    instance("arch", arch, str)
    name = arch.partition(".")[0]
    if name not in archs():
        similar = get_close_matches(name.lower(), archs(), n=3, cutoff=0.3) or ["resnet10t", "resnet18", "resnet50"]
        raise refuse("arch", arch, f"an encoder of timm, such as {', '.join(similar)}{did_you_mean(name, archs())}")


def objective_name(objective: Objective) -> str:
    """Short name of the objective."""
    match objective:
        case NTXent():
            return "nt_xent"
        case SupCon():
            return f"sup_con {objective.task}"
        case _:
            assert_never(objective)
