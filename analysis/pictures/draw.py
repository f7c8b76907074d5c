"""The pictures of a study, drawn once: again only if its committed cells have changed."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from analysis.pictures import confusion, curves, embedding_map, pairs
from analysis.pictures.cells import UNREADABLE, Seen, images_of, seen, spread
from mi_ray.experiments.declare import Training
from mi_ray.experiments.declare.checks import error_line, say
from mi_ray.experiments.images.prepared import PreparedData
from mi_ray.experiments.run.embedding import h_of
from mi_ray.experiments.store.store import Store

NAMES = (pairs.STEM, curves.STEM, embedding_map.STEM, confusion.STEM)
"""The pictures of every study, in the order in which a report shows them."""

STAMP, VERSION = "pictures.json", 1
"""File beside the pictures that says which cells they are of; raise the version if they are drawn otherwise."""

ENCODERS, TASKS = 3, 4
"""Most encoders on a map and in a table of confusions, and most tasks of each."""

LARGEST = 2**27
"""Most numbers in the embeddings of an encoder that are read for a picture: 0.5 GB."""


def draw(folder: Path, listed: Iterable[tuple[str, str, str]], store: Store) -> list[Path]:
    """Draw the pictures of the cells ``listed`` by key, kind and name into a folder of figures; returns the files.

    What cannot be read is left out: cells of a user's own, images that are not in this store, embeddings too large for
    a page. OSError if the folder cannot be written.
    """
    cells = seen(listed, store)
    stamp = {"version": VERSION, "cells": digest_of(cells)}
    if _told(folder / STAMP) == stamp:
        return []
    for name in NAMES:
        for suffix in (".png", ".csv"):
            (folder / f"{name}{suffix}").unlink(missing_ok=True)
    trainings = [cell for cell in cells if cell.kind == "training"]
    drawn = [
        _tried(pairs.STEM, lambda: pairs.draw(with_images(trainings, store), folder)),
        _tried(curves.STEM, lambda: curves.draw(trainings, folder)),
        _tried(embedding_map.STEM, lambda: of_embeddings(cells, store, folder)),
    ]
    if None not in drawn:
        (folder / STAMP).write_text(json.dumps(stamp) + "\n", encoding="utf-8")
    return [path for paths in drawn for path in paths or ()]


def digest_of(cells: Sequence[Seen]) -> str:
    """A digest of what the cells found."""
    digest = hashlib.sha256()
    for cell in cells:
        digest.update(f"{cell.key} {cell.name} {cell.cell.manifest.get('files')}\n".encode())
    return digest.hexdigest()


def with_images(trainings: Sequence[Seen], store: Store) -> list[tuple[Training, PreparedData]]:
    """The trainings whose declaration can be had back and whose images are here, with these."""
    known = {digest: images_of(digest, store) for digest in {cell.digest for cell in trainings}}
    return [(cell.training, data) for cell in trainings if cell.training and (data := known[cell.digest])]


def of_embeddings(cells: Sequence[Seen], store: Store, out: Path) -> list[Path]:
    """The map and the confusions of some embeddings, at even distances in the plan."""
    evaluations: dict[str, dict[str, Seen]] = {}
    for cell in cells:
        if cell.kind == "evaluation":
            evaluations.setdefault(cell.upstream, {})[str(cell.cell.declaration["evaluation"]["task"])] = cell
    asked = [cell for cell in cells if cell.kind == "embedding" and cell.key in evaluations]
    maps, found = [], []
    for cell in spread(asked, ENCODERS):
        data = images_of(cell.digest, store)
        h = {} if data is None else h_of(cell.key, store)
        if data is None:
            continue
        if sum(rows.size for rows in h.values()) > LARGEST:
            say(
                f"report: {cell.name} is left out of {embedding_map.STEM}: more than {LARGEST} numbers", file=sys.stderr
            )
            continue
        tasks = dict(list(evaluations[cell.key].items())[:TASKS])
        maps.append(embedding_map.mapped(cell, np.asarray(h["test"]), data, list(tasks)))
        found += confusion.confusions(tasks, h, data, cell.label)
    return embedding_map.draw(maps, len(asked), out) + confusion.draw(found, len(maps), len(asked), out)


def _tried(name: str, drawing: Callable[[], list[Path]]) -> list[Path] | None:
    """What is drawn; None, with a line on stderr, where a cell that it needs cannot be read. The next report tries it
    again."""
    try:
        return drawing()
    except UNREADABLE as reason:
        say(f"report: {name} is left out: {error_line(reason)}", file=sys.stderr)
        return None


def _told(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
