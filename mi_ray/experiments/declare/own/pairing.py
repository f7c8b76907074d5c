"""A pairing of a user's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mi_ray.experiments.declare.own.base import Own, refuse_name

if TYPE_CHECKING:
    from torch import Tensor

    from mi_ray.compute.images.image_set import ImageSet
    from mi_ray.compute.pairs.augmentation import Rows
    from mi_ray.compute.pairs.couples import Couple


@dataclass(frozen=True, kw_only=True)
class OwnPairing(Own, ABC):
    """Base of an augmentation of a user's own: an image with itself, viewed twice through `view`.

    A subclass defines ``name``, the short name of the pairing with the values that matter, and `view`. A pairing that
    couples different images (`couple`) is for trainings alone: estimates and geometry are of two views of one image.
    """

    REQUIRED: ClassVar[tuple[str, ...]] = ("name",)

    if TYPE_CHECKING:

        @property
        def name(self) -> str: ...

    def __post_init__(self) -> None:
        self.refuse_if_malformed()

    def refuse_if_malformed(self) -> None:
        """Refuse fields that cannot enter a key, and a name that is no line of text."""
        super().refuse_if_malformed()
        refuse_name(self)

    @abstractmethod
    def view(self, images: Tensor, seed: int, rows: Rows | None = None) -> Tensor:
        """A view of each of the centred images [n, 3, side, side], as a function of (images, seed, rows) alone.

        ``rows``: the place of the images in a larger batch, whose draws they get (`compute.pairs.augmentation.Rows`);
        None: they are the whole batch.
        """
        raise NotImplementedError(f"{type(self).__name__}.view")

    def couple(self, images: ImageSet) -> Couple | None:
        """How a training couples the images of a split; None couples an image with itself."""
        return None

    @classmethod
    def couples_with_itself(cls) -> bool:
        """Whether `couple` is not overridden."""
        return cls.couple is OwnPairing.couple
