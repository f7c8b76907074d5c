"""Labelled photographs of the paper's tables, read from disk by torchvision and decoded once into `ImageSet`s.

Nothing is ever downloaded. The test split is the official test part; validation is cut out of the official training
part, class by class. A data set without a test part (PACS, a plain folder, scikit-learn's digits) is cut in three.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import prod
from pathlib import Path
from typing import Literal, assert_never

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image

from mi_ray.compute.catalogue import Catalogue, Name, catalogue_of, missing
from mi_ray.compute.choices import DOMAINS, Arrays, Bundled, Trees
from mi_ray.compute.images import SPLITS, ImageSet

__all__ = [
    "BYTE_BUDGET",
    "CHUNK",
    "DOMAINS",
    "LEAST",
    "Arrays",
    "Bundled",
    "Name",
    "Trees",
    "decoded",
    "halves",
    "load",
    "missing",
]

BYTE_BUDGET = 16 * 2**30
LEAST = 2
"""Images of each class that every split needs: a same-class pair (Sec. III-A)."""

CHUNK = 256
"""Images that a thread decodes before it takes the next ones."""


def load(
    name: Name,
    root: Path | None = None,
    *,
    side: int,
    seed: int,
    held_out: float = 0.1,
    class_list: Path | None = None,
    classes: range | None = None,
    domain: str | None = None,
    byte_budget: int = BYTE_BUDGET,
    threads: int = 4,
) -> tuple[dict[str, ImageSet], tuple[str, ...]]:
    """Read the data set ``name`` below ``root``: its splits and its class names; same arguments, same bytes.

    images: the centre square at ``side`` pixels, antialiased, untouched where it already has them (alpha is dropped);
    attributes: class, and PACS's domain; sources: the image's place in the data set. ``held_out`` is the share of every
    class that validation gets, and test as well where the data set has no test part. ``class_list``: the file of wnids
    that make ImageNet-100. ``root``: ignored for ``digits``, which scikit-learn ships, and needed for all others.
    ``classes``: keep these alone and count them from 0 (`halves`); ``domain``: keep this one of PACS's alone, its place
    in `DOMAINS` as it was. Both choose after the splits are cut: a kept image stays in its split.
    FileNotFoundError names what is missing; ValueError a corrupt file, a class with too few images, classes or a domain
    that the data set lacks, or the memory that ``byte_budget`` does not allow.
    """
    if not 0 < held_out < 0.5:
        raise ValueError(f"held_out: {held_out} is not allowed; allowed: a share above 0 and below 0.5")
    _refuse_domain(name, domain)
    catalogue = catalogue_of(name, root, class_list)
    wanted = _wanted(name, classes, len(catalogue.values[0]))
    rows = _chosen(_split(name, catalogue, held_out, seed), catalogue, wanted, domain)
    _refuse_memory(name, sum(map(len, rows.values())), side, byte_budget)
    splits = {}
    for split in SPLITS:
        images = decoded(catalogue.read, rows[split], side, threads)
        attributes = _renumbered(catalogue.attributes[rows[split]], wanted)
        splits[split] = ImageSet(images, attributes, rows[split], tuple(map(catalogue.name, rows[split].tolist())))
    return splits, tuple(catalogue.values[0][one] for one in wanted)


def halves(name: Literal["cifar-10", "cifar-100", "digits"]) -> dict[str, range]:
    """Classes of CIFAR-5A and 5B, or 50A and 50B (Table X): the first and the last half, for D and its sibling D⁻.

    ``digits``: likewise, offline.
    """
    match name:
        case "cifar-10":
            return {"cifar-5a": range(5), "cifar-5b": range(5, 10)}
        case "cifar-100":
            return {"cifar-50a": range(50), "cifar-50b": range(50, 100)}
        case "digits":
            return {"digits-5a": range(5), "digits-5b": range(5, 10)}
        case _:
            assert_never(name)


# Which image goes where


def _split(name: Name, catalogue: Catalogue, held_out: float, seed: int) -> dict[str, Int64[np.ndarray, " m"]]:
    """Images of each split, ascending: the same share of every class (PACS: of every class in every domain)."""
    sizes = [len(names) for names in catalogue.values]
    stratum = np.ravel_multi_index(tuple(catalogue.attributes.T), sizes)
    rows = _dealt(stratum, catalogue.n_test, held_out, seed)
    for split in SPLITS:
        counts = np.bincount(stratum[rows[split]], minlength=prod(sizes))
        if counts.min() < LEAST:
            scarce = np.unravel_index(counts.argmin(), sizes)
            known = ", ".join(names[i] for names, i in zip(catalogue.values, scarce, strict=True))
            of = np.count_nonzero(stratum == counts.argmin())
            raise ValueError(
                f"{name}: {split} gets {counts.min()} of the {of} images of {known} (held_out {held_out:g});"
                f" at least {LEAST} are needed"
            )
    return rows


def _dealt(
    stratum: Int64[np.ndarray, " n"], n_test: int, held_out: float, seed: int
) -> dict[str, Int64[np.ndarray, " m"]]:
    from mi_ray.compute.seeding import stream

    official = np.arange(len(stratum) - n_test, len(stratum))
    rest = stratum[: len(stratum) - n_test]
    parts: dict[str, list[np.ndarray]] = {"train": [], "validation": [], "test": [official]}
    for one in np.unique(rest):
        shuffled = stream(seed, "split class", int(one)).permutation(np.flatnonzero(rest == one))
        share = round(held_out * len(shuffled))
        cuts = [share, share if n_test else 2 * share]
        for split, part in zip(("validation", "test", "train"), np.split(shuffled, cuts), strict=True):
            parts[split].append(part)
    return {split: np.sort(np.concatenate(parts[split])) for split in SPLITS}


# Which of them are kept


def _refuse_domain(name: Name, domain: str | None) -> None:
    allowed = (None, *DOMAINS) if name == "pacs" else (None,)
    if domain not in allowed:
        raise ValueError(f"domain: {domain!r} is not allowed for {name}; allowed: {', '.join(map(str, allowed))}")


def _wanted(name: Name, classes: range | None, n_classes: int) -> range:
    """The classes to keep, all if none are named; ValueError unless they are two or more of those there, ascending."""
    wanted = range(n_classes) if classes is None else classes
    if len(wanted) < 2 or wanted.step < 0 or wanted[0] < 0 or wanted[-1] >= n_classes:
        raise ValueError(
            f"classes: {wanted} is not allowed for {name}; allowed: two or more of range({n_classes}), ascending"
        )
    return wanted


def _chosen(
    rows: dict[str, Int64[np.ndarray, " m"]], catalogue: Catalogue, wanted: range, domain: str | None
) -> dict[str, Int64[np.ndarray, " k"]]:
    """Those rows of each split whose image is of a wanted class, and of the domain if one is named."""
    kept = np.isin(catalogue.attributes[:, 0], wanted)
    if domain is not None:
        kept &= catalogue.attributes[:, 1] == DOMAINS.index(domain)
    return {split: places[kept[places]] for split, places in rows.items()}


def _renumbered(attributes: Int64[np.ndarray, "m attributes"], wanted: range) -> Int64[np.ndarray, "m attributes"]:
    """A copy in which the class is its place among those wanted."""
    classes = (attributes[:, :1] - wanted.start) // wanted.step
    return np.concatenate([classes, attributes[:, 1:]], axis=1)


# Pixels


def _refuse_memory(name: Name, n: int, side: int, byte_budget: int) -> None:
    needed = n * 3 * side**2
    if needed > byte_budget:
        raise ValueError(
            f"{name}: {n:,} images x 3 x {side} x {side} = {needed:,} bytes ({needed / 2**30:.1f} GiB);"
            f" allowed: at most {byte_budget:,} (choose a smaller side, or raise byte_budget)"
        )


def decoded(
    read: Callable[[int], Image.Image], rows: Sequence[int] | Int64[np.ndarray, " m"], side: int, threads: int = 4
) -> UInt8[np.ndarray, "m 3 side side"]:
    """The centre squares, at ``side`` pixels, of the images that ``read`` gives for ``rows``.

    Each thread reads some at a time; the first that fails ends it all.
    """
    images = np.empty((len(rows), 3, side, side), dtype=np.uint8)

    def fill(start: int) -> None:
        for place in range(start, min(start + CHUNK, len(rows))):
            images[place] = np.asarray(_square(read(int(rows[place])), side)).transpose(2, 0, 1)

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(fill, range(0, len(rows), CHUNK)):
            pass
    return images


def _square(image: Image.Image, side: int) -> Image.Image:
    """The centre square, resized with antialiasing; exactly the pixels themselves when it is ``side`` wide."""
    short = min(image.size)
    left, top = (image.width - short) // 2, (image.height - short) // 2
    return image.crop((left, top, left + short, top + short)).resize((side, side), Image.Resampling.BILINEAR)
