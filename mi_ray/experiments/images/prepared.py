"""Prepared images in the store: made once per declaration, in a folder named by recipe, and identified by a digest of
their content."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mi_ray.compute.images.image_set import ImageSet, content_digest
from mi_ray.compute.images.labelled import ignore
from mi_ray.compute.images.pack import index_of, pack, packed
from mi_ray.compute.images.scan import Report
from mi_ray.experiments.declare import Data, Labelled
from mi_ray.experiments.declare.checks import Refused, say
from mi_ray.experiments.declare.identity import canonical, own_fields
from mi_ray.experiments.images.missing import missing, refuse_missing
from mi_ray.experiments.images.render import files_of, render
from mi_ray.experiments.store.bucket import Bucket, Published
from mi_ray.experiments.store.files import fsync, read_json, write_json
from mi_ray.experiments.store.manifest import Damaged, read_manifest, refuse_changed, telling_damage, write_manifest
from mi_ray.experiments.store.store import Store

GENERATOR = 2
"""Version of `render`. Raise it if a declaration gives other pixels than before, or if other files are written. Images
that are made again with the same pixels keep their digest, and thus their cells."""


@dataclass(frozen=True)
class PreparedData:
    """Images on disk. ``digest`` is the sha256 of their content and enters every cell key. If they are in a ``bucket``,
    every node downloads the files that it reads to a folder of its own."""

    folder: Path
    digest: str
    bucket: Bucket | None = None

    def split(self, name: str) -> ImageSet:
        """Map a split into memory; Damaged if its file has changed since it was prepared.

        In a bucket, the shards of streamed images are downloaded to this node first.
        """
        path = self._intact(f"{name}.safetensors")
        shards = [file for file in self._files if file.startswith(f"{name}-") and file.endswith(".shard")]
        if not shards:
            return ImageSet.load(path)
        # every image is held against its digest when it is read, so that shards are not read twice
        folder = tuple(self._local_path(file, is_checked=False) for file in sorted(shards))
        return ImageSet.load(path, packed(self._intact(index_of(name)), folder))

    def names(self, split: str) -> Sequence[str]:
        """Names of the images of a split, in its order: paths below the data set's root, or ``digits image 17``.

        Damaged if the file of names has changed since it was prepared.
        """
        if _names_file(split) not in self._files:
            return self.split(split).names
        return tuple(read_json(self._intact(_names_file(split))))

    @property
    def _files(self) -> dict[str, str]:
        """sha256 of every file, by name."""
        return self._manifest["files"]

    @property
    def _manifest(self) -> dict[str, Any]:
        try:
            return read_manifest(self._manifest_folder)
        except Damaged as reason:
            raise self._told(reason) from None

    @property
    def _manifest_folder(self) -> Path:
        """The folder on this node that holds the manifest, downloaded from the bucket if there is one."""
        if self.bucket is None:
            return self.folder
        published = Published(self.bucket, f"data/{self.folder.name}")
        return published.fetch_manifest(self.bucket.cache / published.name)

    def _intact(self, name: str) -> Path:
        """The path of a prepared file on this node, its sha256 checked once per process; Damaged if it has changed."""
        path, manifest = self._local_path(name), self._manifest
        try:
            refuse_changed(path, manifest)
        except Damaged as reason:
            raise self._told(reason) from None
        return path

    def _told(self, reason: Damaged) -> Damaged:
        place = f"{self.bucket.address}/data/{self.folder.name}" if self.bucket else self.folder
        return Damaged(f"data: {place} has changed since it was prepared: {reason}; the same command makes it again")

    def _local_path(self, name: str, *, is_checked: bool = True) -> Path:
        """The path of a prepared file on this node, downloaded from the bucket if there is one. A file that is there
        already is held against its sha256 unless ``is_checked`` is false."""
        folder = self._manifest_folder
        if self.bucket is not None and (is_checked or not (folder / name).is_file()):
            published = Published(self.bucket, f"data/{self.folder.name}")
            try:
                expected = self._files[name]
                telling_damage(folder / name, lambda: published.fetch_file(folder, name, expected))
            except Damaged as reason:
                raise self._told(reason) from None
        return folder / name


def prepared(data: Data, store: Store) -> PreparedData | None:
    """The images if this store has them, else None. Reads no pixels; refuses invalid folders like `prepare`."""
    if missing(data) or store.backend.damage(name := f"data/{_recipe(data)}", reads_all=False):
        return None
    return _held(store, name)


def _held(store: Store, name: str) -> PreparedData:
    """The images of a folder of the store that is whole."""
    folder = store.root / name
    return PreparedData(folder, read_manifest(folder)["digest"], store.bucket)


def prepare(data: Data, store: Store, report: Report = ignore) -> PreparedData:
    """The images, made if this store lacks them; `Refused` names a missing folder or a corrupt image. ``report`` hears
    how many photographs have been read.

    Resident images are saved as pixels. Of streamed images an index is saved: the files stay in place, or are packed
    into shards for a bucket, whose nodes may not see the folder. All is made in a folder of this process, which is then
    renamed and published unless another process was first. Damaged ones are set aside, said, and made again.
    """
    refuse_missing(data)
    name = f"data/{_recipe(data)}"
    reason, manifest = store.backend.judged(name)
    if not reason:
        return _held(store, name)
    if place := store.set_aside(name, reason, manifest):
        say(f"images    {name} are not used: {reason}; they are kept in {place} and made again")
    folder = store.root / name
    for leftover in folder.parent.glob("*.partial-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    partial = folder.with_name(f"{folder.name}.partial-{os.getpid()}")
    partial.mkdir(parents=True)
    try:
        splits = render(data, report)
    except (FileNotFoundError, ValueError) as error:
        shutil.rmtree(partial)
        raise Refused(str(error)) from error
    for part, split in splits.items():
        split.save(partial / f"{part}.safetensors")
        if isinstance(split.images, np.ndarray):
            write_json(partial / _names_file(part), tuple(split.names))
        elif store.bucket:
            pack(split.images.encoded, partial, part)
    made_of = {"digest": content_digest(splits), "declaration": own_fields(data)}
    write_manifest(partial, made_of)
    if store.bucket:
        published = Published(store.bucket, f"data/{folder.name}")
        published.stage(partial)
        with suppress(FileExistsError):  # another process was first
            published.commit(partial)
    try:
        partial.rename(folder)
        fsync(folder.parent)
    except OSError:
        shutil.rmtree(partial)
    made = prepared(data, store)
    assert made is not None
    return made


def _names_file(split: str) -> str:
    return f"{split}.names.json"


def _recipe(data: Data) -> str:
    try:
        read = [_fingerprint(folder, files) for folder, files in files_of(data)]
    except (FileNotFoundError, ValueError) as error:
        raise Refused(str(error)) from error
    declaration = own_fields(data)
    if isinstance(data, Labelled) and data.form == "square":
        del declaration["crops"]  # squares are those of before there was a choice
    text = canonical({"generator": GENERATOR, "declaration": declaration, "files": read})
    return f"{type(data).__name__.lower()}-{hashlib.sha256(text.encode()).hexdigest()[:20]}"


def _fingerprint(folder: Path, files: list[Path]) -> str:
    """A digest of names, sizes and times of the files that are read, with links followed. If it changes, the images are
    made again (same pixels, same digest). ctime reveals new content with an old mtime, as unpacked archives have."""
    digest = hashlib.sha256()
    for path in files:
        status = os.stat(path)
        times = f"{status.st_mtime_ns}|{status.st_ctime_ns}"
        digest.update(os.fsencode(os.path.relpath(path, folder)) + f"|{status.st_size}|{times}\n".encode())
    return digest.hexdigest()
