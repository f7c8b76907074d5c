"""Splits of declared images in memory: rendered, or read from the declared folders."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

import numpy as np

from mi_ray.compute.generated import negatives
from mi_ray.compute.generated.drawings import mnist_drawings, mnist_files, scikit_learn_drawings, split_drawings
from mi_ray.compute.generated.photographs import (
    folder_photographs,
    photograph_files,
    refuse_flat,
    scikit_learn_photographs,
)
from mi_ray.compute.images import catalogue
from mi_ray.compute.images import labelled as datasets
from mi_ray.compute.images.image_set import SPLITS, ImageSet
from mi_ray.compute.images.labelled import ignore
from mi_ray.compute.images.readers import numbered
from mi_ray.compute.images.scan import Report
from mi_ray.experiments.declare import BUNDLED, CDP, Crops, Data, Labelled, Noise, OwnImages
from mi_ray.experiments.images.own import own_splits

NEGATIVES = "negatives"
"""An additional split: the set D- that a training draws its negatives from."""


def render(data: Data, report: Report = ignore) -> dict[str, ImageSet]:
    """The splits of the declared images, and ``negatives`` if the declaration has another set D-.

    ``report`` hears how many photographs have been read. FileNotFoundError if a file is missing; ValueError if a file
    is corrupt.
    """
    match data:
        case CDP():
            return _cdp(data)
        case Labelled():
            splits = _labelled(data, report)
            if data.negatives is None:
                return splits
            return splits | {NEGATIVES: negative_images(data.negatives, data.side, report)}
        case OwnImages():
            return own_splits(data)
        case _:
            assert_never(data)


def files_of(data: Data) -> list[tuple[Path, list[Path]]]:
    """The files that `render` reads, by the folder that the declaration names: the images depend on no others.

    FileNotFoundError and ValueError as in `render`.
    """
    match data:
        case CDP():
            digits, backgrounds = Path(data.digits), Path(data.backgrounds)
            drawn = [] if data.digits == BUNDLED else [(digits, mnist_files(digits))]
            return drawn + ([] if data.backgrounds == BUNDLED else [(backgrounds, photograph_files(backgrounds))])
        case Labelled():
            own = [(Path(data.root), catalogue.files_of(data.name, Path(data.root), class_list(data)))]
            return own + (files_of(data.negatives) if isinstance(data.negatives, Labelled) else [])
        case OwnImages():
            return [(Path(path).parent, [Path(path)]) for path in data.files()]
        case _:
            assert_never(data)


def class_list(data: Labelled) -> Path | None:
    """The file that lists the classes of a data set, if one does."""
    return Path(data.class_list) if data.class_list else None


def _cdp(data: CDP) -> dict[str, ImageSet]:
    from mi_ray.compute.generated import cdp

    drawings = scikit_learn_drawings() if data.digits == BUNDLED else mnist_drawings(Path(data.digits))
    allowed = split_drawings(drawings, data.seed)
    if data.backgrounds == BUNDLED:
        photographs = scikit_learn_photographs()
    else:
        refuse_flat(Path(data.backgrounds), data.matte)
        photographs = folder_photographs(Path(data.backgrounds), data.seed, data.matte)
    counts = {"train": data.train_images, "validation": data.validation_images, "test": data.test_images}
    return {
        split: cdp.render(
            counts[split], drawings, allowed[split], photographs[split], canvas=data.canvas, mix=data.mix,
            background_weight=data.background_weight, seed=data.seed, split=split,
        )
        for split in SPLITS
    }  # fmt: skip


def _labelled(data: Labelled, report: Report) -> dict[str, ImageSet]:
    splits, _ = datasets.load(
        data.name,
        Path(data.root),
        side=data.side,
        seed=data.seed,
        held_out=data.held_out,
        class_list=class_list(data),
        classes=datasets.halves(data.name)[data.half == "second"] if data.half else None,
        domain=data.domain or None,
        matte=data.matte,
        form=data.form,
        report=report,
    )
    return splits


def negative_images(declared: Labelled | Noise | Crops, side: int, report: Report = ignore) -> ImageSet:
    """The set D-; noise and crops are each of a source of their own and have no labels."""
    match declared:
        case Labelled():
            return _labelled(declared, report)["train"]
        case Noise():
            name, images = "noise", negatives.noise(declared.images, side, declared.seed)
        case Crops():
            name, images = "crops", negatives.crops(declared.images, side, declared.seed)
        case _:
            assert_never(declared)
    n = len(images)
    return ImageSet(images, np.zeros((n, 0), dtype=np.int64), np.arange(n), tuple(map(numbered(name), range(n))))
