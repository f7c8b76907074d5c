"""An object store through fsspec: named objects below one address, where the first writer to create a name wins.

fsspec is imported at the first request, so that a store in a folder works without it.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from mi_ray.compute.numerics.disk import user_cache
from mi_ray.experiments.declare.checks import Refused, refuse
from mi_ray.experiments.store.files import MANIFEST, sha256_once

EXTRAS = {"s3": "s3", "gs": "gcs"}
"""The extra of mi-ray that installs the client library, by URL scheme."""
ALLOWED = "a folder, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX"
WAITS = (0.1, 0.5, 2.0)
"""Seconds between tries to create a name that another process is creating at the same time."""


@dataclass(frozen=True)
class Bucket:
    """Objects below ``address``, such as ``s3://bucket/runs``. A plain value that pickles to other nodes."""

    address: str

    def __post_init__(self) -> None:
        scheme, _, rest = self.address.partition("://")
        if scheme not in EXTRAS or not rest.strip("/") or rest.startswith("/"):
            raise refuse("store", self.address, ALLOWED)

    @property
    def cache(self) -> Path:
        """This node's folder for downloads: below $MI_RAY_CACHE, or in the user's cache folder."""
        return user_cache() / hashlib.sha256(self._below.encode()).hexdigest()[:20]

    @property
    def _below(self) -> str:
        return self.address.rstrip("/")

    @property
    def _files(self) -> Any:
        """fsspec's file system, which fsspec keeps for the process. Listings are never cached."""
        return import_module("fsspec").filesystem(self.address.partition("://")[0], use_listings_cache=False)

    def prove(self) -> None:
        """Refuse a bucket that does not exist, cannot be written, or lets two writers create the same name."""
        self.refuse_if_unreachable()
        probe = f".probe-{uuid.uuid4().hex}"
        try:
            first, second = self.create(probe, b"first"), self.create(probe, b"second")
            self.remove(probe)
        except Exception as error:
            raise Refused(
                f"store: {self.address!r} cannot be written ({_one_line(error)}); allowed: {ALLOWED}"
            ) from error
        if not first or second:
            raise Refused(
                f"store: {self.address!r} lets a name be created twice; allowed: an object store that keeps to "
                "If-None-Match, as S3 and Google Cloud Storage do"
            )

    def refuse_if_unreachable(self) -> None:
        """Refuse a bucket that does not exist, that these credentials cannot read, or whose client is not installed."""
        scheme = self.address.partition("://")[0]
        try:
            self._files.info(self._below.removeprefix(f"{scheme}://").partition("/")[0])
        except ImportError as error:
            raise Refused(
                f"store: {self.address!r} needs a package that is not installed; pip install 'mi-ray[{EXTRAS[scheme]}]'"
            ) from error
        except Exception as error:
            raise Refused(
                f"store: {self.address!r} cannot be reached ({_one_line(error)}); allowed: a bucket that exists, with "
                "credentials for it"
            ) from error

    def create(self, name: str, content: bytes) -> bool:
        """Create ``name`` by one conditional write; False if it exists with other content.

        ``content`` must be unique to the writer: if the answer to a write is lost, the repeated write finds the object
        with its own content and counts as the winner. S3 refuses concurrent writes to one name (409); the refused
        writer tries again.
        """
        for wait in (*WAITS, None):
            try:
                self._files.pipe_file(self._at(name), content, mode="create")
                return True
            except OSError as error:
                if self.has(name):
                    return self.read(name) == content
                if wait is None or isinstance(error, PermissionError | FileNotFoundError):
                    raise
                time.sleep(wait)
        raise AssertionError("unreachable")

    def write(self, name: str, content: bytes) -> None:
        """Write ``name``, replacing any existing object."""
        self._files.pipe_file(self._at(name), content)

    def read(self, name: str) -> bytes:
        """The content of ``name``; FileNotFoundError if it does not exist."""
        return self._files.cat_file(self._at(name))

    def has(self, name: str) -> bool:
        """Whether ``name`` exists."""
        try:
            return self._files.info(self._at(name))["type"] == "file"
        except FileNotFoundError:
            return False

    def below(self, folder: str) -> list[str]:
        """All names below a folder, relative to the folder, sorted."""
        start = self._files._strip_protocol(self._at(folder)) + "/"
        return sorted(name.removeprefix(start) for name in self._files.find(start))

    def sizes(self, folder: str) -> dict[str, int]:
        """Size in bytes of every object below a folder, by its name relative to the folder."""
        start = self._files._strip_protocol(self._at(folder)) + "/"
        found = self._files.find(start, detail=True)
        return {name.removeprefix(start): entry["size"] for name, entry in found.items()}

    def copy(self, name: str, to: str) -> None:
        """Copy an object within the bucket."""
        self._files.cp_file(self._at(name), self._at(to))

    def upload(self, path: Path, name: str) -> None:
        """Upload a file."""
        self._files.put_file(str(path), self._at(name))

    def download(self, name: str, path: Path) -> None:
        """Download a file. ``path`` appears as a whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            self._files.get_file(self._at(name), str(partial))
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def remove(self, *names: str) -> None:
        """Remove objects; missing ones are skipped."""
        for name in names:
            try:
                self._files.rm_file(self._at(name))
            except FileNotFoundError:
                continue

    def _at(self, name: str) -> str:
        return f"{self._below}/{name}"


@dataclass(frozen=True)
class Published:
    """A folder in a bucket that appears as a whole.

    `stage` uploads the files below the sha256 of the folder's manifest; `commit` creates the manifest by one
    conditional write. Readers start from the manifest, so files that it does not address are invisible.
    """

    bucket: Bucket
    name: str

    @property
    def _manifest(self) -> str:
        return f"{self.name}/{MANIFEST}"

    def exists(self) -> bool:
        """Whether the folder is published."""
        return self.bucket.has(self._manifest)

    @property
    def leaf(self) -> str:
        """The last part of the name."""
        return self.name.rpartition("/")[2]

    def stage(self, folder: Path) -> None:
        """Upload the files of a finished folder. No reader sees them before `commit`."""
        for path in sorted(folder.iterdir()):
            if path.name != MANIFEST:
                self.bucket.upload(path, f"{self.name}/{_address((folder / MANIFEST).read_bytes())}/{path.name}")

    def commit(self, folder: Path) -> None:
        """Publish the staged files, and remove the files of all other writers; FileExistsError if one was first."""
        is_first = self.bucket.create(self._manifest, (folder / MANIFEST).read_bytes())
        first = _address(self.bucket.read(self._manifest))
        waste = [name for name in self.bucket.below(self.name) if not name.startswith((MANIFEST, f"{first}/"))]
        self.bucket.remove(*(f"{self.name}/{name}" for name in waste))
        if not is_first and first != _address((folder / MANIFEST).read_bytes()):
            raise FileExistsError(f"{self.name} is published by another writer")

    def fetch_manifest(self, folder: Path) -> Path:
        """Put the published manifest into this node's ``folder``; FileNotFoundError if nothing is published."""
        content = self.bucket.read(self._manifest)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / MANIFEST).is_file() or (folder / MANIFEST).read_bytes() != content:
            partial = folder / f".{MANIFEST}.{uuid.uuid4().hex}"
            partial.write_bytes(content)
            partial.replace(folder / MANIFEST)
        return folder

    def fetch_file(self, folder: Path, name: str, expected: str) -> None:
        """Download a file of the published folder, unless ``folder`` holds one of sha256 ``expected``.

        The caller checks the download: an object that was damaged in the bucket differs from ``expected``.
        """
        path = folder / name
        if not path.is_file() or sha256_once(path) != expected:
            self.bucket.download(f"{self.name}/{_address((folder / MANIFEST).read_bytes())}/{name}", path)

    def torn(self, folder: Path, manifest: Mapping[str, Any]) -> str:
        """Why the objects are not those of the manifest in ``folder``, by their names and sizes; empty if they are."""
        held, address = self.bucket.sizes(self.name), _address((folder / MANIFEST).read_bytes())
        for name in manifest["files"]:
            size = held.get(f"{address}/{name}")
            if size is None:
                return f"{name} is missing"
            if size != manifest.get("sizes", {}).get(name, size):
                return f"{name} does not match its manifest"
        return ""

    def move(self, to: str, manifest: bytes | None = None) -> bool:
        """Publish the folder under another name instead; False if it is not published, another process moves it, or
        its manifest is not ``manifest``, if that is given.

        The manifest is created last and removed first, so that no reader finds one without its files. All files move:
        a damaged manifest does not tell where they are.
        """
        try:
            content = self.bucket.read(self._manifest)
            if content != (manifest or content):
                return False
            files = [name for name in self.bucket.below(self.name) if name != MANIFEST]
            for file in files:
                self.bucket.copy(f"{self.name}/{file}", f"{to}/{file}")
            is_same = self.bucket.read(self._manifest) == content
        except FileNotFoundError:
            is_same = False
        if not is_same:
            self.bucket.remove(*(f"{to}/{name}" for name in self.bucket.below(to)))
            return False
        self.bucket.create(f"{to}/{MANIFEST}", content)
        self.bucket.remove(self._manifest, *(f"{self.name}/{file}" for file in files))
        return True


def _address(manifest: bytes) -> str:
    """Name of the folder that holds the files of this manifest."""
    return hashlib.sha256(manifest).hexdigest()[:32]


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
