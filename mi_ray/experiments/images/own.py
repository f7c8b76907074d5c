"""Splits of images of a user's own, checked before they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mi_ray.compute.images.alike import refuse_equal
from mi_ray.compute.images.image_set import SPLITS, ImageSet
from mi_ray.experiments.declare import OwnImages
from mi_ray.experiments.declare.checks import error_line


def own_splits(data: OwnImages) -> dict[str, ImageSet]:
    """The splits, with numbered names where they have none; ValueError names the class, the split and the fault."""
    called = type(data).__name__
    splits = _made(data)
    if set(splits) != set(SPLITS):
        raise ValueError(f"{called}: splits {', '.join(map(str, splits))}; allowed: {', '.join(SPLITS)}")
    for split in SPLITS:
        if not isinstance(splits[split], ImageSet):
            raise ValueError(f"{called}: {split} is {type(splits[split]).__name__}; allowed: an ImageSet")
        _refuse_malformed(f"{called}: {split}", splits[split], data)
        names = tuple(splits[split].names) or tuple(f"{data.name} {split} {i}" for i in range(len(splits[split])))
        pixels = splits[split].images
        assert isinstance(pixels, np.ndarray)  # anything else is malformed
        refuse_equal(f"{called}: {split}", pixels, names)
        splits[split] = replace(splits[split], names=names, known=None)
    return {split: splits[split] for split in SPLITS}


def _made(data: OwnImages) -> dict[str, ImageSet]:
    """What `splits` gives; ValueError, with the place in the user's file, where it raises or gives no dict."""
    called = type(data).__name__
    try:
        splits = data.splits()
    except (ValueError, FileNotFoundError):
        raise
    except (Exception, SystemExit) as error:  # a user's code may raise anything
        raise ValueError(f"{called}: splits: {error_line(error)}") from error
    if not isinstance(splits, Mapping):
        raise ValueError(f"{called}: splits is {type(splits).__name__}; allowed: a dict of {', '.join(SPLITS)}")
    return dict(splits)


def _refuse_malformed(called: str, split: ImageSet, data: OwnImages) -> None:
    """Raise ValueError if an array lacks the shape or type that `ImageSet` states, or a label is out of range."""
    for field in ("images", "attributes", "sources"):
        if not isinstance(given := getattr(split, field), np.ndarray):
            raise ValueError(f"{called}: {field} is {type(given).__name__}; allowed: a numpy array")
    n = len(split.images)
    for field, shape, kind in (
        ("images", (n, 3, data.side, data.side), np.uint8),
        ("attributes", (n, len(data.tasks)), np.int64),
        ("sources", (n,), np.int64),
    ):
        array = getattr(split, field)
        if not n or array.shape != shape or array.dtype != kind:
            allowed = f"{np.dtype(kind)} {list(shape)}" if n else "at least one image"
            raise ValueError(f"{called}: {field} is {array.dtype} {list(array.shape)}; allowed: {allowed}")
    if len(split.names) not in (0, n):
        raise ValueError(f"{called}: {len(split.names)} names; allowed: {n}, or none")
    for name in split.names:
        if not isinstance(name, str):
            raise ValueError(f"{called}: name {name!r} is not allowed; allowed: text")
    for column, task in enumerate(data.tasks):
        labels, n_classes = split.attributes[:, column], data.n_classes(task)
        if labels.min() < 0 or (n_classes is not None and labels.max() >= n_classes):
            most = "" if n_classes is None else f" to {n_classes - 1}"
            raise ValueError(f"{called}: {task} is {labels.min()} to {labels.max()}; allowed: 0{most}")
