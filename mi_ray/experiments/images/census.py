"""The census of declared images: what their folders hold, each folder listed once however many data sets name it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from mi_ray.compute.images import catalogue
from mi_ray.compute.images.class_folders import ClassFolders
from mi_ray.compute.images.image_set import SPLITS
from mi_ray.compute.images.labelled import planned
from mi_ray.experiments.declare import CDP, Data, Labelled
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.declare.images import counts, has_image_files
from mi_ray.experiments.declare.kind import Counts
from mi_ray.experiments.images.missing import missing
from mi_ray.experiments.images.prepared import PreparedData, prepared
from mi_ray.experiments.images.render import class_list
from mi_ray.experiments.store.store import Store

THREADS = 16
"""Threads that ask for the sizes of files: on a network file system each answer takes a millisecond."""

FILES_OF_A_THREAD = 4096


@dataclass(frozen=True)
class Census:
    """What declared images hold. ``measures_files``: whether the sizes of encoded files are wanted, which takes one
    request to the file system for each. An instance lists a folder once and remembers the answer."""

    store: Store
    measures_files: bool = False
    _folders: dict[tuple[str, str, str], ClassFolders] = field(default_factory=dict)
    _counted: dict[Data, Counts] = field(default_factory=dict)
    _bytes: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def folders(self, data: Labelled) -> ClassFolders:
        """The class folders of a data set; FileNotFoundError and ValueError as in `catalogue.found_in`."""
        place = data.name, data.root, data.class_list
        if place not in self._folders:
            self._folders[place] = catalogue.found_in(data.name, Path(data.root), class_list(data))
        return self._folders[place]

    def counts(self, data: Data) -> Counts:
        """Images and classes: from the listing of class folders, else from prepared images, else as declared.

        Refused if the folders fit no layout or have too few images.
        """
        if data not in self._counted:
            try:
                found = self._found(data)
            except (FileNotFoundError, ValueError) as error:
                raise Refused(str(error)) from error
            if found is None:
                return counts(data)
            self._counted[data] = found
        return self._counted[data]

    def splits(self, data: Labelled) -> dict[str, int]:
        """Images in each split of class folders; ValueError names classes with too few."""
        return planned(data.name, self.folders(data), held_out=data.held_out, domain=data.domain or None)

    def _found(self, data: Data) -> Counts | None:
        """What is counted; None while there is nothing to count."""
        if isinstance(data, Labelled) and has_image_files(data):
            own = None if missing(data) else self._listed(data)
        else:
            made = None if isinstance(data, CDP) else prepared(data, self.store)
            own = _of_prepared(made, counts(data)) if made else None
        if own and isinstance(data, Labelled) and isinstance(data.negatives, Labelled):
            others = self.counts(data.negatives)
            return replace(own, negatives=others.train, file_bytes=own.file_bytes + others.file_bytes)
        return own

    def _listed(self, data: Labelled) -> Counts:
        train, validation, test = self.splits(data).values()
        return Counts(
            train=train,
            validation=validation,
            test=test,
            classes=len(self.folders(data).classes),
            negatives=counts(data).negatives,
            file_bytes=self._bytes_of(data) if self.measures_files else 0,
        )

    def _bytes_of(self, data: Labelled) -> int:
        place = data.name, data.root, data.class_list
        if place not in self._bytes:
            self._bytes[place] = bytes_of(self.folders(data).files())
        return self._bytes[place]


def bytes_of(files: Sequence[str]) -> int:
    """The sum of the sizes of files, links followed; FileNotFoundError if one is missing."""
    starts = range(0, len(files), FILES_OF_A_THREAD)
    with ThreadPoolExecutor(THREADS) as pool:
        parts = pool.map(lambda start: sum(map(_size, files[start : start + FILES_OF_A_THREAD])), starts)
        return sum(parts)


def _size(path: str) -> int:
    return os.stat(path).st_size


def _of_prepared(made: PreparedData, declared: Counts) -> Counts | None:
    """Counts of prepared images by the labels in their files; None if these are not on this machine."""
    try:
        train, validation, test = (_labels(made.folder / f"{split}.safetensors") for split in SPLITS)
    except (OSError, SafetensorError):
        return None
    classes = len(np.unique(train[:, 0]))
    return Counts(
        train=len(train), validation=len(validation), test=len(test), classes=classes, negatives=declared.negatives
    )


def _labels(path: Path) -> np.ndarray:
    """The labels in a file of prepared images [n, attributes], read without their pixels."""
    with safe_open(path, framework="numpy") as file:
        return file.get_tensor("attributes")
