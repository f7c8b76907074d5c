"""Labelled photographs of the paper's tables, decoded once into `ImageSet`s.

Official validation and test parts become those splits. A part that does not exist is cut from the rest, class by class:
validation alone, or both (PACS, a plain folder, scikit-learn's digits).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isqrt
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64, UInt8
from PIL import Image

from mi_ray.compute.choices import Form
from mi_ray.compute.images.alike import refuse_alike, refuse_equal, refuse_single
from mi_ray.compute.images.catalogue import DATASETS, Dataset, catalogue_of
from mi_ray.compute.images.class_folders import ClassFolders
from mi_ray.compute.images.decode import WHITE
from mi_ray.compute.images.image_set import SPLITS, ImageSet, Photographs, Squares, Streamed, in_order, square
from mi_ray.compute.images.readers import Catalogue, of_files
from mi_ray.compute.images.scan import Report, Scan, scan
from mi_ray.compute.images.splits import Sizes, deal, parts_of, refuse_scarce, sizes_of, strata

RESIDENT_BUDGET = 4 * 2**30
"""Bytes of squares that are decoded once and stay resident; larger sets of files are streamed."""

SIDE_STEP = 32
"""Step of the sides that a refusal suggests."""

ARRAY_BUDGET = 16 * 2**30
"""Bytes of squares that are made of images without files of their own, which cannot be streamed."""


def ignore(images: int) -> None:
    """The default progress callback: does nothing."""


def load(
    name: Dataset,
    root: Path | None = None,
    *,
    side: int,
    seed: int,
    held_out: float = 0.1,
    class_list: Path | None = None,
    classes: range | None = None,
    domain: str | None = None,
    matte: str = WHITE,
    form: Form = "square",
    byte_budget: int | None = None,
    report: Report = ignore,
) -> tuple[dict[str, ImageSet], tuple[str, ...]]:
    """Read the data set ``name`` below ``root``: its splits and the names of its classes; same arguments, same bytes.

    images: by ``form`` the centre square, resized to ``side`` pixels with antialiasing (untouched if it has that size
    already), or the whole photograph, which is streamed; transparent pixels over ``matte``. Squares that need more than
    ``byte_budget`` (None: `RESIDENT_BUDGET`, or `ARRAY_BUDGET` of images without files) are streamed too.
    attributes: class, then PACS's domain; sources: the image's place in the data set. ``held_out``: the share of every
    class that validation gets if the data set has no validation part, and test if it has no test part. ``class_list``:
    the file of wnids that make ImageNet-100. ``root``: ignored for ``digits``, which scikit-learn ships, and needed
    otherwise. ``report``: hears how many images have been read. ``classes``: keep only these classes and number them
    from 0 (`halves`); ``domain``: keep only this domain of PACS. Both keep every image in its split.
    FileNotFoundError if files are missing; ValueError if a file is corrupt, a class has too few images, the data set
    lacks a class or the domain, a split's images are (nearly) equal, or images without files of their own need more
    than ``byte_budget``.
    """
    if not 0 < held_out < 0.5:
        raise ValueError(f"held_out: {held_out} is not allowed; allowed: a share above 0 and below 0.5")
    _refuse_domain(name, domain)
    catalogue = catalogue_of(name, root, class_list, matte)
    known = catalogue.values[0]
    chosen = _chosen(name, classes, len(known))
    kept_classes = tuple(known[label] for label in chosen)
    rows = _rows_of_splits(name, catalogue, _kept(catalogue, chosen, domain), held_out, seed)
    fits = _fits(name, sum(map(len, rows.values())), side, byte_budget, form=form, has_files=catalogue.root is not None)
    splits: dict[str, ImageSet] = {}
    for split in SPLITS:
        called = f"{name}: {split}"
        attributes = catalogue.attributes[rows[split]]
        attributes[:, 0] = (attributes[:, 0] - chosen.start) // chosen.step
        if fits and form == "square":
            splits[split] = _resident(called, catalogue, rows[split], attributes, side)
        else:
            seen = scan(name, catalogue, rows[split], side=side, matte=matte, report=report)
            splits[split] = _streamed(called, seen, rows[split], attributes, side, form)
        refuse_single(called, splits[split], kept_classes)
    return splits, kept_classes


def _chosen(name: Dataset, classes: range | None, n_classes: int) -> range:
    """The classes to keep; ValueError unless they are two or more of the data set's, ascending."""
    chosen = range(n_classes) if classes is None else classes
    if len(chosen) < 2 or chosen.step < 0 or chosen[0] < 0 or chosen[-1] >= n_classes:
        raise ValueError(
            f"classes: {chosen} is not allowed for {name}; allowed: two or more of range({n_classes}), ascending"
        )
    return chosen


def _fits(name: Dataset, n: int, side: int, byte_budget: int | None, *, form: Form, has_files: bool) -> bool:
    """Whether n squares fit into the budget; ValueError if images without files would have to be streamed."""
    budget = byte_budget or (RESIDENT_BUDGET if has_files else ARRAY_BUDGET)
    needed = n * 3 * side**2
    if form == "photograph" and not has_files:
        raise ValueError(f"crops: photograph is not allowed for {name}; allowed: square")
    if needed > budget and not has_files:
        largest = largest_side(n, budget)
        such = f"such as side {largest}" if largest else f"less than side {SIDE_STEP} takes"
        raise ValueError(
            f"{name}: {n:,} images x 3 x {side} x {side} = {needed:,} bytes ({needed / 2**30:.1f} GiB);"
            f" allowed: at most {budget:,}, {such}"
        )
    return needed <= budget


def _resident(
    called: str, catalogue: Catalogue, rows: Int64[np.ndarray, " m"], attributes: Int64[np.ndarray, "m k"], side: int
) -> ImageSet:
    """The squares of ``rows``, decoded; ValueError if two are equal."""
    pixels = decoded(catalogue.read, rows, side)
    names = tuple(map(catalogue.name, rows.tolist()))
    refuse_equal(called, pixels, names)
    return ImageSet(pixels, attributes, rows, names)


def _streamed(
    called: str,
    seen: Scan,
    rows: Int64[np.ndarray, " m"],
    attributes: Int64[np.ndarray, "m k"],
    side: int,
    form: Form,
) -> ImageSet:
    """The photographs of ``rows``, or their squares, as `scan` has seen them; ValueError if two are nearly equal."""
    refuse_alike(called, seen.identities, seen.extent, seen.encoded.names)
    images: Streamed = (Photographs if form == "photograph" else Squares)(seen.encoded, side)
    return ImageSet(images, attributes, rows, seen.encoded.names, seen.identities)


def largest_side(n: int, budget: int) -> int:
    """The largest side, a multiple of `SIDE_STEP`, at which n images take at most ``budget`` bytes; 0 if none."""
    return isqrt(budget // (3 * max(1, n))) // SIDE_STEP * SIDE_STEP


def planned(name: Dataset, folders: ClassFolders, *, held_out: float, domain: str | None = None) -> dict[str, int]:
    """Number of images in each split that `load` would make of class folders, without opening one. ValueError names
    classes with too few images."""
    _refuse_domain(name, domain)
    catalogue = of_files(name, folders, by_domain=bool(DATASETS[name].domains))
    kept = _kept(catalogue, range(len(folders.classes)), domain)
    return dict(zip(SPLITS, _sizes(name, catalogue, kept, held_out).sum(axis=0).tolist(), strict=True))


def halves(name: Dataset) -> tuple[range, range]:
    """The first and the last half of the classes, for D and its sibling D- (Table X: CIFAR-5A and 5B, 50A and 50B).

    ValueError if the data set has no halves.
    """
    row = DATASETS[name]
    if not row.has_halves or row.n_classes is None:
        allowed = ", ".join(other for other, dataset in DATASETS.items() if dataset.has_halves)
        raise ValueError(f"data: {name} has no halves; allowed: {allowed}")
    return range(row.n_classes // 2), range(row.n_classes // 2, row.n_classes)


def _refuse_domain(name: Dataset, domain: str | None) -> None:
    allowed = (None, *DATASETS[name].domains)
    if domain not in allowed:
        raise ValueError(f"domain: {domain!r} is not allowed for {name}; allowed: {', '.join(map(str, allowed))}")


def _kept(catalogue: Catalogue, classes: range, domain: str | None) -> Bool[np.ndarray, " n"]:
    """Which images belong to one of ``classes`` and, if a domain is named, to the domain."""
    kept = np.isin(catalogue.attributes[:, 0], classes)
    if domain is not None:
        kept &= catalogue.attributes[:, 1] == catalogue.values[1].index(domain)
    return kept


def _rows_of_splits(
    name: Dataset, catalogue: Catalogue, kept: Bool[np.ndarray, " n"], held_out: float, seed: int
) -> dict[str, Int64[np.ndarray, " m"]]:
    """The kept images of each split: the same share of every class (PACS: of every class in every domain).

    ValueError if a split gets too few images of a class of which any are kept.
    """
    _sizes(name, catalogue, kept, held_out)
    stratum, _ = strata(catalogue.attributes, catalogue.values)
    rows = deal(stratum, catalogue.n_validation, catalogue.n_test, held_out, seed)
    return {split: rows[split][kept[rows[split]]] for split in SPLITS}


def _sizes(name: Dataset, catalogue: Catalogue, kept: Bool[np.ndarray, " n"], held_out: float) -> Sizes:
    """Images in each split of each stratum of which any are kept; ValueError names all strata with too few."""
    stratum, names = strata(catalogue.attributes, catalogue.values)
    present = np.arange(len(names)) if kept.all() else np.unique(stratum[kept])
    parts = parts_of(stratum, len(names), catalogue.n_validation, catalogue.n_test)[present]
    refuse_scarce(name, parts, [names[i] for i in present], held_out)
    return sizes_of(parts, held_out)


def decoded(
    read: Callable[[int], Image.Image], rows: Sequence[int] | Int64[np.ndarray, " m"], side: int
) -> UInt8[np.ndarray, "m 3 side side"]:
    """The centre squares (`square`) of the RGB images that ``read`` returns for ``rows``, decoded by a thread for each
    core; the first error is raised."""
    images = np.empty((len(rows), 3, side, side), dtype=np.uint8)

    def fill(chunk: Int64[np.ndarray, " m"]) -> None:
        for place in chunk.tolist():
            images[place] = square(read(int(rows[place])), side)

    for _ in in_order(fill, len(rows)):
        pass
    return images
