"""Estimation: mutual information between the embeddings of positive pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from mi_ray.compute.choices import PERCEPTRON_ROWS, PERCEPTRON_STEPS
from mi_ray.compute.estimation.critic import Critic, refuse_names
from mi_ray.experiments.declare.checks import Refused, at_least, instance, one_of, positive, refuse, within
from mi_ray.experiments.declare.embedding import Embedding, EmbeddingQuestion, Frozen, Views
from mi_ray.experiments.declare.identity import flat, own_fields
from mi_ray.experiments.declare.images import tasks
from mi_ray.experiments.declare.kind import FORWARD_AND_BACKWARD, Sizes, Values, probe_work
from mi_ray.experiments.declare.own.base import UNKEYED, refuse_unkeyed
from mi_ray.experiments.declare.pairings import Pairing, SameClass, pairing_name

PLAIN = frozenset({"k_est", "k_fit", "critics", "batches", "penalties", "own"})
"""Fields that no training has; the others are parameters ``critic_<name>``."""


@dataclass(frozen=True, kw_only=True)
class Estimation(EmbeddingQuestion):
    """Post-training MI estimation of I(h_X; h_Y) under ``pairing`` (Sec. III-C) by ``critics`` critics, each the
    projector's MLP, and under same-class sampling by a probe too.

    Readings are taken on ``batches`` batches of ``k_est`` held-out positive pairs; critics are fitted with ``k_fit``
    pairs a step and learn their ``temperature``. A critic is fitted until ``patience`` checks on validation gain no
    more than .01 bit, for at most ``steps``. The probe is linear under one of ``penalties`` or, where that leaves
    information behind, has a hidden layer of the projector's width: validation chooses.
    ``own``: critics of the user's own, each read as ``<name>_bits`` beside ours.
    """

    embedding: Frozen
    pairing: Pairing
    k_est: int = 4096
    batches: int = 4
    critics: int = 5
    k_fit: int = 128
    temperature: float = 0.12
    steps: int = 400
    learning_rate: float = 1e-2
    weight_decay: float = 1.0
    patience: int = 4
    penalties: tuple[float, ...] = (3e-4,)
    seed: int = 0
    own: tuple[Critic, ...] = ()

    kind: ClassVar[str] = "estimation"
    protocol: ClassVar[int] = 4
    company: ClassVar[str] = ""

    def __post_init__(self) -> None:
        refuse_other_pairs(self.embedding, self.pairing)
        refuse_settings(vars(self))
        at_least("critic seed", self.seed, 0)
        refuse_critics(self.own)

    @property
    def task(self) -> str:
        """The downstream task of same-class pairs, or the augmentation of views."""
        return task_of_pairs(self.pairing)

    @property
    def subject(self) -> str:
        """The pairing, with its prior and redraw."""
        return pairing_name(self.pairing)

    def science(self) -> Values:
        """Every field; ``own``, with the protocol of each critic, only if there is one: the field came later."""
        values = own_fields(self)
        critics = zip(self.own, values.pop("own"), strict=True)
        own = [{"protocol": critic.protocol} | own_values for critic, own_values in critics]
        return values | ({"own": own} if own else {})

    def layer(self) -> Values:
        """Every field; those that a training has too as ``critic_<name>``."""
        own = self.science()
        del own["pairing"]
        settings = {name if name in PLAIN else f"critic_{name}": value for name, value in flat(own).items()}
        return settings | pairing_layer(self.embedding, self.pairing)

    def work(self, sizes: Sizes) -> float:
        """Fitting and reading the critics and, under same-class sampling, fitting both probes; at most."""
        encoder = self.encoder
        critic_size = sizes.width * encoder.hidden + encoder.hidden * encoder.out
        fitted = FORWARD_AND_BACKWARD * 2 * self.k_fit * self.steps * 2 * critic_size
        read = min(sizes.counts.test, 2 * self.batches * self.k_est)
        critics = self.critics * (fitted + 2 * read**2 * encoder.out)
        if not isinstance(self.pairing, SameClass):
            return float(critics)
        classes = sizes.classes(self.task)
        weights = sizes.width * encoder.hidden + encoder.hidden * classes
        perceptron = FORWARD_AND_BACKWARD * 2 * PERCEPTRON_STEPS * PERCEPTRON_ROWS * weights
        return critics + perceptron + probe_work(sizes.width, sizes.counts.train, classes, len(self.penalties))


def refuse_settings(settings: Mapping[str, Any]) -> None:
    """Refuse bad numbers among the settings of critics and of their reading, which have the names of our fields."""
    at_least("k_est", settings["k_est"], 2)
    at_least("batches", settings["batches"], 2)
    at_least("critics", settings["critics"], 1)
    at_least("k_fit", settings["k_fit"], 2)
    positive("critic temperature", settings["temperature"])
    within("critic temperature", settings["temperature"], 0, 1)
    at_least("critic steps", settings["steps"], 1)
    positive("critic learning_rate", settings["learning_rate"])
    within("critic weight_decay", settings["weight_decay"], 0, 100)
    at_least("patience", settings["patience"], 1)
    refuse_penalties(settings["penalties"])


def refuse_other_pairs(frozen: Frozen, pairing: Pairing) -> None:
    """Refuse a pairing whose pairs the frozen embeddings do not contain."""
    instance("embedding", frozen, Frozen)
    instance("pairing", pairing, Pairing)
    if isinstance(pairing, SameClass):
        one_of("task", pairing.task, tasks(frozen.encoder.data))
        instance("embedding", frozen, Embedding)
    elif not isinstance(frozen, Views) or frozen.pairing != pairing:
        raise refuse("pairing", pairing, "that of the views that are embedded")


def refuse_penalties(penalties: tuple[float, ...]) -> None:
    """Refuse anything but a tuple of numbers above zero."""
    instance("penalties", penalties, tuple)
    if not penalties:
        raise refuse("penalties", penalties, "at least one number > 0")
    for penalty in penalties:
        positive("penalties", penalty)


def refuse_critics(critics: tuple[Critic, ...]) -> None:
    """Refuse anything but a tuple of frozen dataclasses with names of their own and fields that enter a key."""
    instance("own", critics, tuple)
    for critic in critics:
        instance("own", critic, Critic)
        rule = vars(type(critic)).get("__dataclass_params__")
        if rule is None or not rule.frozen:
            raise refuse("own", critic, "a frozen dataclass")
        for name in sorted(UNKEYED & {field.name for field in fields(critic)}):  # type: ignore[arg-type]
            raise refuse("own", critic, f"fields of other names than {name}")
        refuse_unkeyed(critic)
        at_least(f"{type(critic).__name__}: protocol", critic.protocol, 1)
    try:
        refuse_names(critics)
    except ValueError as error:
        raise Refused(str(error)) from error


def task_of_pairs(pairing: Pairing) -> str:
    """The downstream task of same-class pairs, or the name of an augmentation."""
    return pairing.task if isinstance(pairing, SameClass) else pairing_name(pairing)


def pairing_layer(frozen: Frozen, pairing: Pairing) -> Values:
    """Parameters of a question's pairing, ``question_<name>``; none for views, whose own parameters contain it."""
    if isinstance(frozen, Views):
        return {}
    own = {"kind": type(pairing).__name__} | own_fields(pairing)
    return {f"question_{name}": value for name, value in flat(own).items()}
