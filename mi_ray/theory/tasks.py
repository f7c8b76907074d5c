"""The downstream tasks C of the CDP images: every non-empty subset of {color, digit, position} (Sec. III-B, Fig. 2)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

COLORS = ("red", "green", "blue", "white")
DIGITS = (2, 3, 4, 5)
POSITIONS = ("upper left", "upper right", "lower left", "lower right")

ATTRIBUTES = ("color", "digit", "position")
VALUES_PER_ATTRIBUTE = 4
_PROPER = (subset for size in (1, 2) for subset in combinations(ATTRIBUTES, size))
_SUBSETS: dict[str, tuple[str, ...]] = {"+".join(subset): subset for subset in _PROPER} | {"all": ATTRIBUTES}
"""The attributes of each task, by the task's name."""


@dataclass(frozen=True)
class Task:
    """A downstream task: the class is the joint value of one or more attributes, uniform over ``n_classes`` values.

    ``name`` is ``"all"`` or attribute names joined by ``+`` in the order of `ATTRIBUTES`.
    """

    name: str

    def __post_init__(self) -> None:
        if self.name not in _SUBSETS:
            raise ValueError(f"task: {self.name!r} is not a task of CDP; allowed: {', '.join(_SUBSETS)}")

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that define the class."""
        return _SUBSETS[self.name]

    @property
    def n_classes(self) -> int:
        """Number of classes: 4, 16 or 64."""
        return VALUES_PER_ATTRIBUTE ** len(self.attributes)

    @property
    def entropy_bits(self) -> float:
        """Class entropy H(C) in bits: 2, 4 or 6, since attributes are uniform and independent (Sec. III-B)."""
        return float(np.log2(self.n_classes))

    def labels(self, attributes: NDArray[np.integer]) -> NDArray[np.int64]:
        """Class index of each image. ``attributes``: [n, 3] integers in 0..3, columns as `ATTRIBUTES`; returns [n]."""
        columns = [ATTRIBUTES.index(attribute) for attribute in self.attributes]
        places = VALUES_PER_ATTRIBUTE ** np.arange(len(columns))[::-1]
        return np.asarray(attributes, dtype=np.int64)[:, columns] @ places


TASKS = tuple(Task(name) for name in _SUBSETS)
