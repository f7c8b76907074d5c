"""Rows grouped by class and by source, for averages over classes that leave out one source image at a time.

Leaving out a source changes the averages within its classes but not the weights of classes. A class that keeps too few
rows is left out too, which raises the weights of the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from scipy.sparse import csr_array

from mi_ray.compute.numerics.uncertainty import Sources

Labels = Int64[np.ndarray, " n"]
Terms = Callable[[Int64[np.ndarray, " m"], Float64[np.ndarray, " m"], np.ndarray], Float64[np.ndarray, "m t"]]
"""A function that returns the terms [m, t] of m classes, from their numbers [m], their row counts [m] and their sums of
values [m, k]. Terms are added over classes."""


@dataclass(frozen=True, eq=False)
class Strata:
    """The class, the source and the group of each row; a group is the rows of one source in one class.

    ``classes`` [c]: the distinct labels, sorted. ``label``, ``source``, ``group`` [n]: numbers from 0. ``class_of``,
    ``source_of`` [g]: class and source of each group.
    """

    classes: Int64[np.ndarray, " c"]
    label: Int64[np.ndarray, " n"]
    source: Int64[np.ndarray, " n"]
    group: Int64[np.ndarray, " n"]
    class_of: Int64[np.ndarray, " g"]
    source_of: Int64[np.ndarray, " g"]

    @classmethod
    def of(cls, labels: Labels, sources: Sources) -> Strata:
        """The strata of rows with these ``labels`` and ``sources`` [n]."""
        classes, label = np.unique(labels, return_inverse=True)
        names, source = np.unique(sources, return_inverse=True)
        joint, group = np.unique(label * len(names) + source, return_inverse=True)
        class_of, source_of = np.divmod(joint, len(names))
        return cls(classes, label, source, group, class_of, source_of)

    @property
    def n_sources(self) -> int:
        """Number of distinct sources."""
        return int(self.source_of.max()) + 1

    @property
    def rows(self) -> Float64[np.ndarray, " c"]:
        """Number of rows of each class."""
        return np.bincount(self.label).astype(float)

    @property
    def rows_left(self) -> Float64[np.ndarray, " g"]:
        """Number of rows that the class of each group has without the group."""
        return self.rows[self.class_of] - np.bincount(self.group)

    def sums(self, values: np.ndarray, terms: Terms) -> tuple[Float64[np.ndarray, " t"], Float64[np.ndarray, "s t"]]:
        """The sum of ``terms`` over classes [t], and the same sum without each source [s, t]; ``values``: [n, k]."""
        by_class = summed(values, self.label, len(self.classes))
        left = by_class[self.class_of] - summed(values, self.group, len(self.class_of))
        of_classes = terms(np.arange(len(self.classes)), self.rows, by_class)
        change = terms(self.class_of, self.rows_left, left) - of_classes[self.class_of]
        whole = of_classes.sum(0)
        return whole, whole + summed(change, self.source_of, self.n_sources)


def summed(values: np.ndarray, index: Int64[np.ndarray, " n"], size: int) -> np.ndarray:
    """Sums [size, k] of the rows of ``values`` [n, k] by ``index`` [n]."""
    n = len(index)
    return csr_array((np.ones(n), (index, np.arange(n))), shape=(size, n)) @ values
