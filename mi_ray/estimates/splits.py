"""Train, validation and test rows of a user's arrays; rows of one group, and copies of one row, stay together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int64

from mi_ray.compute.images.duplicates import Identities, distinct_rows, merged_sources
from mi_ray.compute.images.image_set import SPLITS
from mi_ray.compute.images.splits import LEAST, deal, parts_of, refuse_scarce
from mi_ray.compute.numerics.uncertainty import Sources
from mi_ray.compute.seeding import stream
from mi_ray.estimates.arrays import codes
from mi_ray.experiments.declare.checks import Refused
from mi_ray.theory.listing import listed

Parts = Mapping[str, Int64[np.ndarray, " m"]]
"""Rows of each split, ascending."""


def given_split(split: Any, n: int) -> Parts:
    """The splits that a user names for each row; `Refused` for other names, or if one is absent."""
    number, names = codes("split", split, n)
    others = sorted(set(names) - set(SPLITS))
    if others or len(names) < len(SPLITS):
        raise Refused(f"split: {listed(others or names)} is not allowed; allowed: all of {', '.join(SPLITS)}")
    return {name: np.flatnonzero(number == names.index(name)) for name in SPLITS}


def of_classes(
    labels: Int64[np.ndarray, " n"],
    names: Sequence[str],
    images: Identities,
    groups: Sources,
    split: Any,
    held_out: float,
    seed: int,
    *,
    is_told: bool,
) -> Parts:
    """The splits that a user names, or else `by_class`; `Refused` if a class lacks different images in one.

    ``is_told``: whether the user told which rows show one image; otherwise equal rows count as one.
    """
    if not is_told:
        refuse_equal(labels, names, images)
    if split is None:
        parts = by_class(labels, names, merged_sources(groups, images), held_out, seed)
    else:
        parts = given_split(split, len(labels))
    refuse_lone(parts, labels, names, images, is_told)
    return parts


def by_class(
    labels: Int64[np.ndarray, " n"], names: Sequence[str], groups: Sources, held_out: float, seed: int
) -> Parts:
    """``held_out`` of every class for validation and as much for test, at random; groups stay together.

    `Refused` if a class gets fewer rows than a pair needs in a split.
    """
    if len(np.unique(groups)) == len(groups):
        try:
            refuse_scarce("labels", parts_of(labels, len(names), 0, 0), names, held_out)
        except ValueError as error:
            raise Refused(str(error)) from error
        return deal(labels, 0, 0, held_out, seed)
    from sklearn.model_selection import StratifiedGroupKFold

    folds = max(3, round(1 / held_out))
    if len(np.unique(groups)) < folds:
        raise Refused(
            f"groups: {len(np.unique(groups))} groups are not allowed; allowed: at least {folds}, held_out {held_out:g}"
        )
    shuffled = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    test, validation = (rows for _, rows in list(shuffled.split(labels, labels, groups))[:2])
    train = np.setdiff1d(np.arange(len(labels)), np.concatenate([test, validation]))
    return {"train": train, "validation": np.sort(validation), "test": np.sort(test)}


def by_group(groups: Sources, held_out: float, seed: int) -> Parts:
    """``held_out`` of the groups for validation and as many for test, at random; `Refused` if a split gets no two."""
    known = stream(seed, "split groups").permutation(np.unique(groups))
    share = round(held_out * len(known))
    if share < LEAST or len(known) - 2 * share < LEAST:
        raise Refused(
            f"groups: {len(known)} independent pairs or groups are too few with held_out {held_out:g};"
            f" allowed: {LEAST} in each split"
        )
    test, validation, _ = np.split(known, [share, 2 * share])
    tests, validates = np.isin(groups, test), np.isin(groups, validation)
    return {
        "train": np.flatnonzero(~tests & ~validates),
        "validation": np.flatnonzero(validates),
        "test": np.flatnonzero(tests),
    }


def refuse_few(parts: Parts, groups: Sources) -> None:
    """`Refused` if a split has fewer independent pairs than one positive and one negative take."""
    for split, rows in parts.items():
        if (n := len(np.unique(groups[rows]))) < LEAST:
            raise Refused(f"split: {n} independent pair in {split} is not allowed; allowed: {LEAST} in each split")


def refuse_lone(
    parts: Parts, labels: Int64[np.ndarray, " n"], names: Sequence[str], images: Identities, is_told: bool
) -> None:
    """`Refused` if a class has fewer different images in a split than a pair needs.

    ``is_told``: whether the user told which rows show one image; otherwise equal rows count as one.
    """
    advice = "" if is_told else "; equal rows count as one image unless `images` tells them apart"
    for split, rows in parts.items():
        if few := _scarce(rows, labels, names, images, LEAST):
            raise Refused(
                f"labels: {split} has fewer than {LEAST} different images of {few}; allowed: at least {LEAST} of each"
                f" class in each split{advice}"
            )


def refuse_equal(labels: Int64[np.ndarray, " n"], names: Sequence[str], images: Identities) -> None:
    """`Refused` if equal rows, which count as one image, leave a class fewer images than the splits need."""
    rows, least = np.arange(len(labels)), LEAST * len(SPLITS)
    if few := _scarce(rows, labels, names, images, min(least, int(np.bincount(labels).min()))):
        raise Refused(
            f"embeddings: too few different rows of {few}, since equal rows count as one image; allowed: at least"
            f" {least} of each class, or `images`, which tells them apart"
        )


def _scarce(
    rows: Int64[np.ndarray, " m"], labels: Int64[np.ndarray, " n"], names: Sequence[str], images: Identities, least: int
) -> str:
    """The classes with fewer than ``least`` different images among some rows; empty if there are none."""
    chosen = rows[distinct_rows(images[rows], labels[rows])]
    return listed(
        [names[i] for i in np.flatnonzero(np.bincount(labels[chosen], minlength=len(names)) < least).tolist()]
    )
