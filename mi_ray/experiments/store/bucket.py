"""An object store through fsspec: names below one address, where the first to create a name wins.

fsspec is imported when a bucket is first asked, so that a store on a folder does without it.
"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from mi_ray.experiments.declare.checks import Refused, refuse
from mi_ray.experiments.store.files import MANIFEST, sha256

EXTRAS = {"s3": "s3", "gs": "gcs"}
"""By scheme the extra of mi-ray that installs what speaks it."""
ALLOWED = "a folder, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX"
CACHE = "MI_RAY_CACHE"
WAITS = (0.1, 0.5, 2.0)
"""Seconds between tries to create a name while another is being created under it."""


@dataclass(frozen=True)
class Bucket:
    """Objects below ``address``, such as ``s3://bucket/runs``; a value that travels to other nodes."""

    address: str

    def __post_init__(self) -> None:
        scheme, _, rest = self.address.partition("://")
        if scheme not in EXTRAS or not rest.strip("/") or rest.startswith("/"):
            raise refuse("store", self.address, ALLOWED)

    @property
    def cache(self) -> Path:
        """Folder of this node for what was downloaded: below $MI_RAY_CACHE, or the user's cache folder."""
        base = os.environ.get(CACHE) or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mi-ray"
        return Path(base).absolute() / hashlib.sha256(self._below.encode()).hexdigest()[:20]

    @property
    def _below(self) -> str:
        return self.address.rstrip("/")

    @property
    def _files(self) -> Any:
        """fsspec's file system, which it keeps for the process; listings are always fresh."""
        return import_module("fsspec").filesystem(self.address.partition("://")[0], use_listings_cache=False)

    def prove(self) -> None:
        """Refuse a bucket that is not there, cannot be written, or where a name can be created twice."""
        self.refuse_if_unreachable()
        probe = f".probe-{uuid.uuid4().hex}"
        try:
            first, second = self.create(probe, b"first"), self.create(probe, b"second")
            self.remove(probe)
        except Exception as error:
            raise Refused(f"store: {self.address!r} cannot be written ({_told(error)}); allowed: {ALLOWED}") from error
        if not first or second:
            raise Refused(
                f"store: {self.address!r} lets a name be created twice; allowed: an object store that keeps to "
                "If-None-Match, as S3 and Google Cloud Storage do"
            )

    def refuse_if_unreachable(self) -> None:
        """Refuse a bucket that is not there or not ours to read, or that nothing installed here speaks to."""
        scheme = self.address.partition("://")[0]
        try:
            self._files.info(self._below.removeprefix(f"{scheme}://").partition("/")[0])
        except ImportError as error:
            raise Refused(
                f"store: {self.address!r} needs what is not installed here; pip install 'mi-ray[{EXTRAS[scheme]}]'"
            ) from error
        except Exception as error:
            raise Refused(
                f"store: {self.address!r} cannot be reached ({_told(error)}); allowed: a bucket that exists, with "
                "credentials for it"
            ) from error

    def create(self, name: str, content: bytes) -> bool:
        """Create ``name`` by one conditional write; False if it is there with other content than this.

        A write whose answer was lost is repeated and then finds itself: so ``content`` must be the writer's own. S3
        refuses writes that meet another to the same name (409): these are tried again.
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
        """Write ``name``, whatever is there."""
        self._files.pipe_file(self._at(name), content)

    def read(self, name: str) -> bytes:
        """The content of ``name``; FileNotFoundError if there is none."""
        return self._files.cat_file(self._at(name))

    def has(self, name: str) -> bool:
        """Whether ``name`` is there."""
        try:
            return self._files.info(self._at(name))["type"] == "file"
        except FileNotFoundError:
            return False

    def below(self, folder: str) -> list[str]:
        """Every name below a folder, relative to it."""
        start = self._files._strip_protocol(self._at(folder)) + "/"
        return sorted(name.removeprefix(start) for name in self._files.find(start))

    def upload(self, path: Path, name: str) -> None:
        """Send a file."""
        self._files.put_file(str(path), self._at(name))

    def download(self, name: str, path: Path) -> None:
        """Bring a file, which is there as a whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            self._files.get_file(self._at(name), str(partial))
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def remove(self, *names: str) -> None:
        """Remove objects; those that are gone already are no matter."""
        for name in names:
            try:
                self._files.rm_file(self._at(name))
            except FileNotFoundError:
                continue

    def _at(self, name: str) -> str:
        return f"{self._below}/{name}"


@dataclass(frozen=True)
class Published:
    """A folder in a bucket that is published as a whole: its files first, below the sha256 of its manifest, and then,
    by one conditional write, the manifest. What has no manifest is not there; what is not of it is waste."""

    bucket: Bucket
    name: str

    @property
    def _manifest(self) -> str:
        return f"{self.name}/{MANIFEST}"

    def is_there(self) -> bool:
        """Whether it is published."""
        return self.bucket.has(self._manifest)

    def stage(self, folder: Path) -> None:
        """Send the files of a finished folder; nobody reads them yet."""
        for path in sorted(folder.iterdir()):
            if path.name != MANIFEST:
                self.bucket.upload(path, f"{self.name}/{_address((folder / MANIFEST).read_bytes())}/{path.name}")

    def commit(self, folder: Path) -> None:
        """Publish what was staged, or find that another was first; then sweep all that is not the first one's."""
        self.bucket.create(self._manifest, (folder / MANIFEST).read_bytes())
        first = _address(self.bucket.read(self._manifest))
        waste = [name for name in self.bucket.below(self.name) if not name.startswith((MANIFEST, f"{first}/"))]
        self.bucket.remove(*(f"{self.name}/{name}" for name in waste))

    def local(self, folder: Path) -> Path:
        """The folder on this node, with the manifest that is published now; FileNotFoundError if none is."""
        content = self.bucket.read(self._manifest)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / MANIFEST).is_file() or (folder / MANIFEST).read_bytes() != content:
            partial = folder / f".{MANIFEST}.{uuid.uuid4().hex}"
            partial.write_bytes(content)
            partial.replace(folder / MANIFEST)
        return folder

    def bring(self, folder: Path, name: str, expected: str) -> None:
        """Have a file of the published folder here, its sha256 as ``expected`` unless the bucket's own differs."""
        path = folder / name
        if not path.is_file() or sha256(path) != expected:
            self.bucket.download(f"{self.name}/{_address((folder / MANIFEST).read_bytes())}/{name}", path)


def _address(manifest: bytes) -> str:
    return hashlib.sha256(manifest).hexdigest()[:32]


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
