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

from mi_ray.compute.numerics.blocks import rows_within, slices
from mi_ray.compute.numerics.uncertainty import Sources

Labels = Int64[np.ndarray, " n"]
Terms = Callable[[Int64[np.ndarray, " m"], Float64[np.ndarray, " m"], np.ndarray], Float64[np.ndarray, "m t"]]
"""A function that returns the terms [m, t] of m classes, from their numbers [m], their row counts [m] and their sums of
values [m, k]. Terms are added over classes."""

RowsOf = Callable[[Int64[np.ndarray, " m"]], np.ndarray]
"""A function that returns the values [m, k] of some rows, by their numbers [m]."""

Values = np.ndarray | RowsOf


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

    def sums(
        self, values: Values, terms: Terms, read: Callable[[np.ndarray], np.ndarray] = np.asarray
    ) -> tuple[Float64[np.ndarray, " t"], np.ndarray]:
        """The sum of ``terms`` over classes [t], and the same sum without each source [s, t], as ``read`` maps it.

        ``values``: [n, k], or a function that returns some rows of them. Rows, groups and sources are read in blocks,
        since there may be as many of them as images; ``read`` maps [m, t] to [m, ...].
        """
        rows_of = values if callable(values) else values.__getitem__
        by_class = self._by_class(rows_of)
        of_classes = terms(np.arange(len(self.classes)), self.rows, by_class)
        whole, rows_left = of_classes.sum(0), self.rows_left
        at_once = rows_within(8 * max(by_class.shape[1], of_classes.shape[1]))
        groups_by_source = np.argsort(self.source_of, kind="stable")
        ends = np.searchsorted(self.source_of[groups_by_source], np.arange(self.n_sources + 1))
        without = []
        for part in slices(self.n_sources, at_once):
            groups = np.sort(groups_by_source[ends[part.start] : ends[part.stop]])
            classes = self.class_of[groups]
            left = by_class[classes] - self._by_group(rows_of, groups)
            change = terms(classes, rows_left[groups], left) - of_classes[classes]
            of_sources = summed(change, self.source_of[groups] - part.start, part.stop - part.start)
            without.append(read(whole + of_sources))
        return whole, np.concatenate(without)

    def _by_class(self, rows_of: RowsOf) -> Float64[np.ndarray, "c k"]:
        """The sums of values by class."""
        at_once = rows_within(8 * rows_of(np.arange(1)).shape[1])
        first, *others = (
            summed(rows_of(np.arange(part.start, part.stop)), self.label[part], len(self.classes))
            for part in slices(len(self.label), at_once)
        )
        for part in others:
            first += part
        return first

    def _by_group(self, rows_of: RowsOf, groups: Int64[np.ndarray, " m"]) -> Float64[np.ndarray, "m k"]:
        """The sums of values by group, of ascending ``groups``."""
        place = np.full(len(self.class_of), -1)
        place[groups] = np.arange(len(groups))
        rows = np.flatnonzero(place[self.group] >= 0)
        return summed(rows_of(rows), place[self.group[rows]], len(groups))


def summed(values: np.ndarray, index: Int64[np.ndarray, " n"], size: int) -> np.ndarray:
    """Sums [size, k] of the rows of ``values`` [n, k] by ``index`` [n]."""
    n = len(index)
    return csr_array((np.ones(n), (index, np.arange(n))), shape=(size, n)) @ values
