"""Embeddings: h of a frozen encoder, of the images or of fresh views of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mi_ray.experiments.declare.checkpoint import Encoder
from mi_ray.experiments.declare.checks import at_least, instance, refuse
from mi_ray.experiments.declare.identity import flat, own_fields
from mi_ray.experiments.declare.kind import Sizes, Values
from mi_ray.experiments.declare.own.pairing import OwnPairing
from mi_ray.experiments.declare.pairings import Augmentation, pairing_name


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """The frozen encoder's h of every image without augmentation, computed once and read by every question."""

    encoder: Encoder

    kind: ClassVar[str] = "embedding"
    protocol: ClassVar[int] = 1
    subject: ClassVar[str] = ""
    company: ClassVar[str] = ""

    def __post_init__(self) -> None:
        instance("encoder", self.encoder, Encoder)

    @property
    def upstream(self) -> Encoder:
        """The encoder."""
        return self.encoder

    def science(self) -> Values:
        """No field of its own: the encoder is its upstream."""
        return own_fields(self)

    def layer(self) -> Values:
        """No parameter of its own."""
        return flat(own_fields(self))

    def work(self, sizes: Sizes) -> float:
        """One forward pass of every image."""
        return sizes.counts.images * sizes.forward


@dataclass(frozen=True, kw_only=True)
class Views:
    """The frozen encoder's h of ``per_image`` fresh views of every image through the augmentation of ``pairing``."""

    encoder: Encoder
    pairing: Augmentation
    per_image: int = 2
    seed: int = 0

    kind: ClassVar[str] = "views"
    protocol: ClassVar[int] = 1
    company: ClassVar[str] = ""

    def __post_init__(self) -> None:
        instance("encoder", self.encoder, Encoder)
        instance("pairing", self.pairing, Augmentation)
        if isinstance(self.pairing, OwnPairing) and not self.pairing.couples_with_itself():
            raise refuse("pairing", self.pairing, "one that couples an image with itself")
        at_least("per_image", self.per_image, 2)
        at_least("view seed", self.seed, 0)

    @property
    def upstream(self) -> Encoder:
        """The encoder."""
        return self.encoder

    @property
    def subject(self) -> str:
        """The augmentation."""
        return pairing_name(self.pairing)

    def science(self) -> Values:
        """Every field."""
        return own_fields(self)

    def layer(self) -> Values:
        """Every field as ``view_<name>``."""
        own = own_fields(self)
        pairing = {f"view_{name}": value for name, value in flat(own.pop("pairing")).items()}
        names = {"per_image": "views_per_image", "seed": "view_seed"}
        return pairing | {names.get(name, f"view_{name}"): value for name, value in flat(own).items()}

    def work(self, sizes: Sizes) -> float:
        """One forward pass of every view."""
        return self.per_image * sizes.counts.images * sizes.forward


Frozen = Embedding | Views


class EmbeddingQuestion:
    """Base of the questions to an embedding, with the members that follow from their field ``embedding``."""

    embedding: Frozen

    @property
    def upstream(self) -> Frozen:
        """The embedding."""
        return self.embedding

    @property
    def encoder(self) -> Encoder:
        """The encoder of the embedding."""
        return self.embedding.encoder
