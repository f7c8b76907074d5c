"""How many images and classes a data set has: what the sizes of cells, and so all predictions, follow from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Images of each split, and classes of the task ``class``.

    ``classes``: None if they are not known; ``negatives``: images of a set D- of its own; ``file_bytes``: size of the
    encoded files that are read, 0 if they were not measured; ``exact``: whether files were counted, or the declaration
    tells, rather than a guess.
    """

    train: int
    validation: int
    test: int
    classes: int | None = None
    negatives: int = 0
    file_bytes: int = 0
    exact: bool = True

    @property
    def images(self) -> int:
        """Images of all splits, without negatives."""
        return self.train + self.validation + self.test

    @classmethod
    def of_shares(cls, images: int, held_out: float, *, test: int = 0, classes: int | None, exact: bool) -> Counts:
        """Counts of ``images`` of which ``test`` are an official test part: validation gets the share ``held_out`` of
        the rest, and so does test if it has no official part."""
        rest = images - test
        share = round(held_out * rest)
        train = rest - share - (0 if test else share)
        return cls(train=train, validation=share, test=test or share, classes=classes, exact=exact)
