"""The split of each image: official parts as they are, the rest cut class by class. Where a split gets too few images
of a class, the refusal says which ``held_out`` or how many more images would suffice."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from jaxtyping import Int64

from mi_ray.compute.images.class_folders import some
from mi_ray.compute.images.image_set import SPLITS
from mi_ray.compute.seeding import stream

LEAST = 2
"""Images of each class that every split needs: a same-class pair (Sec. III-A)."""

OFFICIAL = ("validation", "test")
SHARES = tuple(round(step / 100, 2) for step in range(1, 50))
"""Values of ``held_out`` that are tried if the declared one leaves too few images."""

NAMED = 50
"""Entries that a list in a refusal names; it counts the rest."""

Sizes = Int64[np.ndarray, "strata 3"]
"""Images of each stratum (a class, or a class of a domain) in each of `SPLITS`."""


def deal(
    stratum: Int64[np.ndarray, " n"], n_validation: int, n_test: int, held_out: float, seed: int
) -> dict[str, Int64[np.ndarray, " m"]]:
    """Images of each split, ascending. The last ``n_test`` images are the test part, the ``n_validation`` before them
    the validation part; an official part without images gets ``held_out`` of every stratum of the rest, at random."""
    places = np.arange(len(stratum))
    rest, *official = np.split(places, [len(places) - n_validation - n_test, len(places) - n_test])
    parts: dict[str, list[np.ndarray]] = {"train": [], "validation": [official[0]], "test": [official[1]]}
    for value in np.unique(stratum[rest]):
        shuffled = stream(seed, "split class", int(value)).permutation(np.flatnonzero(stratum[rest] == value))
        share = round(held_out * len(shuffled))
        cuts = np.cumsum([0 if n_validation else share, 0 if n_test else share])
        for split, part in zip((*OFFICIAL, "train"), np.split(shuffled, cuts), strict=True):
            parts[split].append(part)
    return {split: np.sort(np.concatenate(parts[split])) for split in SPLITS}


def sizes_of(parts: Sizes, held_out: float) -> Sizes:
    """Sizes of the splits that `deal` makes of parts with the sizes ``parts`` (0: no such part)."""
    cut = np.array([round(held_out * n) for n in parts[:, 0].tolist()], dtype=np.int64)
    absent = [not column.any() for column in parts.T[1:]]
    moved = np.stack([cut * is_absent for is_absent in absent], axis=1)
    return np.column_stack([parts[:, 0] - moved.sum(axis=1), parts[:, 1:] + moved])


def parts_of(stratum: Int64[np.ndarray, " n"], n_strata: int, n_validation: int, n_test: int) -> Sizes:
    """Images of each stratum in each part on disk."""
    edges = [len(stratum) - n_validation - n_test, len(stratum) - n_test]
    return np.stack([np.bincount(part, minlength=n_strata) for part in np.split(stratum, edges)], axis=1)


def strata(
    attributes: Int64[np.ndarray, "n attributes"], values: Sequence[Sequence[str]]
) -> tuple[np.ndarray, list[str]]:
    """The stratum of each image, int64 [n], and the names of all strata, such as ``dog`` or ``dog, photo``."""
    sizes = [len(names) for names in values]
    places = np.stack(np.unravel_index(np.arange(prod(sizes)), sizes), axis=1)
    names = [", ".join(names[i] for names, i in zip(values, place, strict=True)) for place in places]
    return np.ravel_multi_index(tuple(attributes.T), sizes), names


def refuse_scarce(data: str, parts: Sizes, names: Sequence[str], held_out: float) -> None:
    """Raise ValueError if a split gets fewer than `LEAST` images of a stratum. The error names such strata, at most
    `NAMED`, and the remedy: another ``held_out``, or the number of images to add."""
    sizes = sizes_of(parts, held_out)
    scarce = np.flatnonzero(sizes.min(axis=1) < LEAST).tolist()
    if not scarce:
        return
    entries = [f"{names[i]} ({', '.join(f'{s} {n}' for s, n in zip(SPLITS, sizes[i], strict=True))})" for i in scarce]
    raise ValueError(
        f"{data}: with held_out {held_out:g}, a split gets fewer than {LEAST} images of {some(entries, NAMED)};"
        f" allowed: {remedy(parts, names, held_out)}"
    )


def remedy(parts: Sizes, names: Sequence[str], held_out: float) -> str:
    """The images to add to each part on disk, and the nearest ``held_out`` that then leaves no split scarce."""
    lacking = lacking_images(parts)
    where = [f" in {split}" if parts[:, 1:].any() else "" for split in SPLITS]
    additions = [
        f"{more} more {'image' if more == 1 else 'images'} of {names[i]}{where[part]}"
        for (i, part), more in np.ndenumerate(lacking)
        if more
    ]
    share = sufficient_share(parts + lacking, held_out)
    changed = [] if share == held_out else [f"held_out {share:g}"]
    return " and ".join([*([some(additions, NAMED)] if additions else []), *changed])


def sufficient_share(parts: Sizes, held_out: float) -> float:
    """The share nearest to ``held_out`` that leaves no split scarce; it exists if no part lacks images."""
    enough = [share for share in (held_out, *SHARES) if sizes_of(parts, share).min() >= LEAST]
    return min(enough, key=lambda share: abs(share - held_out))


def lacking_images(parts: Sizes) -> Sizes:
    """Images that each part on disk lacks of each stratum, whatever ``held_out`` is."""
    is_there = parts.sum(axis=0) > 0
    needs = LEAST * is_there.astype(np.int64)
    needs[0] = LEAST * (1 + np.count_nonzero(~is_there[1:]))
    return np.maximum(needs - parts, 0)
