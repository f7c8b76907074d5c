"""Labelled photographs of the paper's tables, read from disk by torchvision and decoded once into `ImageSet`s.

Nothing is ever downloaded. Official validation and test parts are those splits; what is not there is cut out of the
rest, class by class: validation alone, or both (PACS, a plain folder, scikit-learn's digits).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, assert_never

import numpy as np
from jaxtyping import Bool, Int64, UInt8
from PIL import Image

from mi_ray.compute.choices import DOMAINS, Arrays, Bundled, Trees
from mi_ray.compute.images.catalogue import Catalogue, Name, catalogue_of, missing, of_files
from mi_ray.compute.images.class_folders import ClassFolders
from mi_ray.compute.images.decode import WHITE
from mi_ray.compute.images.image_set import SPLITS, ImageSet, refuse_equal, refuse_single
from mi_ray.compute.images.splits import LEAST, Sizes, dealt, parts_of, refuse_scarce, sizes_of, strata

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
    "planned",
]

BYTE_BUDGET = 16 * 2**30
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
    matte: str = WHITE,
    byte_budget: int = BYTE_BUDGET,
    threads: int = 4,
) -> tuple[dict[str, ImageSet], tuple[str, ...]]:
    """Read the data set ``name`` below ``root``: its splits and its class names; same arguments, same bytes.

    images: the centre square at ``side`` pixels, antialiased, untouched where it already has them, decoded as
    `decode` says, transparent pixels over ``matte``; attributes: class, and PACS's domain; sources: the image's place
    in the data set. ``held_out`` is the share of every class that validation gets where the data set has no validation
    part, and test where it has no test part. ``class_list``: the file of wnids that make ImageNet-100. ``root``:
    ignored for ``digits``, which scikit-learn ships, and needed for all others.
    ``classes``: keep these alone and count them from 0 (`halves`); ``domain``: keep this one of PACS's alone, its place
    in `DOMAINS` as it was. Both choose after the splits are cut: a kept image stays in its split.
    FileNotFoundError names what is missing; ValueError a corrupt file, classes with too few images, classes or a domain
    that the data set lacks, a split of (nearly) equal images, or the memory that ``byte_budget`` does not allow.
    """
    if not 0 < held_out < 0.5:
        raise ValueError(f"held_out: {held_out} is not allowed; allowed: a share above 0 and below 0.5")
    _refuse_domain(name, domain)
    catalogue = catalogue_of(name, root, class_list, matte)
    wanted = _wanted(name, classes, len(catalogue.values[0]))
    rows = _split(name, catalogue, _chosen(catalogue, wanted, domain), held_out, seed)
    _refuse_memory(name, sum(map(len, rows.values())), side, byte_budget)
    splits: dict[str, ImageSet] = {}
    kept = tuple(catalogue.values[0][one] for one in wanted)
    for split in SPLITS:
        images = decoded(catalogue.read, rows[split], side, threads)
        names = tuple(map(catalogue.name, rows[split].tolist()))
        refuse_equal(f"{name}: {split}", images, names)
        splits[split] = ImageSet(images, _renumbered(catalogue.attributes[rows[split]], wanted), rows[split], names)
        refuse_single(f"{name}: {split}", splits[split], kept)
    return splits, kept


def planned(name: Trees, found: ClassFolders, *, held_out: float, domain: str | None = None) -> dict[str, int]:
    """Images of each split that `load` would make of class folders; opens none. ValueError names scarce classes."""
    _refuse_domain(name, domain)
    catalogue = of_files(name, found)
    kept = _chosen(catalogue, range(len(found.classes)), domain)
    return dict(zip(SPLITS, sizes(name, catalogue, kept, held_out).sum(axis=0).tolist(), strict=True))


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


def _split(
    name: Name, catalogue: Catalogue, kept: Bool[np.ndarray, " n"], held_out: float, seed: int
) -> dict[str, Int64[np.ndarray, " m"]]:
    """Those images of each split that are kept: the same share of every class (PACS: of every class in every domain).

    ValueError where a split gets too few of a class of which any are kept.
    """
    sizes(name, catalogue, kept, held_out)
    stratum, _ = strata(catalogue.attributes, catalogue.values)
    rows = dealt(stratum, catalogue.n_validation, catalogue.n_test, held_out, seed)
    return {split: rows[split][kept[rows[split]]] for split in SPLITS}


def sizes(name: Name, catalogue: Catalogue, kept: Bool[np.ndarray, " n"], held_out: float) -> Sizes:
    """Images of each stratum of which any are kept, in each split; ValueError names all that are scarce."""
    stratum, names = strata(catalogue.attributes, catalogue.values)
    asked = np.arange(len(names)) if kept.all() else np.unique(stratum[kept])
    parts = parts_of(stratum, len(names), catalogue.n_validation, catalogue.n_test)[asked]
    refuse_scarce(name, parts, [names[i] for i in asked], held_out)
    return sizes_of(parts, held_out)


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


def _chosen(catalogue: Catalogue, wanted: range, domain: str | None) -> Bool[np.ndarray, " n"]:
    """Which images are of a wanted class, and of the domain if one is named."""
    kept = np.isin(catalogue.attributes[:, 0], wanted)
    if domain is not None:
        kept &= catalogue.attributes[:, 1] == DOMAINS.index(domain)
    return kept


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
    """The centre squares, at ``side`` pixels, of the RGB images that ``read`` gives for ``rows``.

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
