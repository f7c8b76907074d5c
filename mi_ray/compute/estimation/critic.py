"""A critic of a user's own: a score of pairs, fitted on train and chosen on validation, which we read on test."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from mi_ray.compute.estimation.problem import FitData

Score = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""f: embeddings x [m, width] and y [n, width] -> scores [m, n] in nats, entry (i, j) a function of x_i and y_j alone.

The bound is tightest where f is log p(x, y) / (p(x) p(y)), up to any constant.
"""

RESERVED = re.compile(
    r"(nominal|strict|nwj|probe|confusion|lower|upper|epsilon|train|validation|in_training|class_entropy|label_channel)"
    r"|.*_(train|bound|ceiling|standard_error)"
)
"""Names whose ``<name>_bits`` a result of ours uses."""


class Critic(ABC):
    """An estimator of a user's own: subclass it as a frozen dataclass with a field ``name`` and the method `fit`.

    An estimation reads its score on held-out pairs with the NWJ bound, whose offset is fitted on validation. Hence
    ``<name>_bits`` is a lower bound of the mutual information in expectation, however poor the score is.
    Fields, class name and ``protocol`` enter the key of the cell: raise ``protocol`` when `fit` changes.
    """

    name: str
    protocol: ClassVar[int] = 1

    @abstractmethod
    def fit(self, data: FitData) -> Score:
        """Fit a score on ``data.train`` and choose among scores on ``data.validation``; test rows are not there."""


def refuse_names(critics: Sequence[Critic]) -> None:
    """Raise ValueError unless names are unique, in lower case, and none of them is the name of a built-in reading."""
    names = [getattr(critic, "name", None) for critic in critics]
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,99}", name) or RESERVED.fullmatch(name):
            raise ValueError(
                f"own: {name!r} is not allowed as the name of a critic; allowed: lower-case letters, digits and _, and "
                f"no name that results use already (nominal, strict, nwj, probe, confusion, ...)"
            )
        if names.count(name) > 1:
            raise ValueError(f"own: {name!r} is not allowed twice; allowed: a name of its own for each critic")
