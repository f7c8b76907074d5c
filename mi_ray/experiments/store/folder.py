"""The store in a folder: ``mkdir`` and ``rename`` decide who was first."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from mi_ray.experiments.store.backends import ENDED, PROGRESS, REASON, Backend, newest_first, next_number
from mi_ray.experiments.store.files import MANIFEST, fsync, progress_text
from mi_ray.experiments.store.manifest import damage


@dataclass(frozen=True)
class SharedFolder(Backend):
    """A folder on one machine, or on a file system that all nodes mount."""

    root: Path

    def present(self) -> set[str]:
        return {path.name for path in self.root.glob("cells/*")}

    def damage(self, name: str, *, reads_all: bool = True) -> str:
        return damage(self.root / name, reads_all=reads_all)

    def manifest_of(self, name: str) -> bytes:
        return (self.root / name / MANIFEST).read_bytes()

    def set_aside(self, name: str, reason: str, manifest: bytes | None) -> str:
        if not os.path.lexists(self.root / name):
            return ""
        (self.root / "quarantine").mkdir(exist_ok=True)
        leaf = Path(name).name
        numbers = (n for n in count(next_number(self.asides(leaf))) if self._claims_aside(f"{leaf}-{n}", reason))
        aside = self.root / "quarantine" / f"{leaf}-{next(numbers)}"
        try:
            (self.root / name).rename(aside)
        except OSError as error:
            self._reason(aside.name).unlink(missing_ok=True)
            if isinstance(error, FileNotFoundError):
                return ""
            raise
        fsync(aside.parent)
        if self.manifest_or_none(f"quarantine/{aside.name}") != manifest:
            self.put_back(aside.name, name)
            return ""
        return str(aside)

    def _reason(self, aside: str) -> Path:
        return self.root / "quarantine" / f"{aside}{REASON}"

    def _claims_aside(self, aside: str, reason: str) -> bool:
        try:
            with open(self._reason(aside), "x") as file:
                file.write(f"{reason}\n")
        except FileExistsError:
            return False
        return True

    def asides(self, key: str) -> list[str]:
        paths = (self.root / "quarantine").glob(f"{key}-*")
        return newest_first(path.name for path in paths)

    def put_back(self, aside: str, name: str) -> None:
        with suppress(OSError):  # another process committed the cell, or put it back
            self.commit(self.root / "quarantine" / aside, self.root / name)
            self._reason(aside).unlink(missing_ok=True)

    def committed(self, keys: Iterable[str]) -> set[str]:
        return {key for key in keys if self.has(key)}

    def fetch_manifest(self, folder: Path) -> None:
        if not (folder / MANIFEST).is_file():
            raise FileNotFoundError(folder / MANIFEST)

    def attempts(self, key: str) -> list[int]:
        try:
            return sorted(int(path.name) for path in (self.root / "work" / key).iterdir() if path.name.isdigit())
        except FileNotFoundError:
            return []

    def claim(self, key: str, number: int) -> bool:
        try:
            (self.root / "work" / key / str(number)).mkdir(parents=True)
        except FileExistsError:
            return False
        return True

    def stage(self, key: str, payload: Path) -> None:
        pass

    def commit(self, payload: Path, folder: Path) -> None:
        payload.rename(folder)
        fsync(folder.parent)

    def remove_attempts(self, key: str) -> None:
        shutil.rmtree(self.root / "work" / key, ignore_errors=True)

    def end(self, attempt: Path, reason: str) -> None:
        (attempt / ENDED).write_text(reason + "\n")

    def ended(self, key: str) -> set[int]:
        return {number for number in self.attempts(key) if (self.root / "work" / key / str(number) / ENDED).is_file()}

    def write_progress(self, path: Path, share: float, latest: str = "") -> None:
        with suppress(OSError):  # a full disk stops a training where it saves, not where it tells its progress
            path.write_text(progress_text(share, latest))

    def read_progress(self, key: str) -> str:
        return (self.root / "work" / key / str(self.attempts(key)[-1]) / PROGRESS).read_text()

    def keep_checkpoint(self, path: Path, drop: Iterable[Path] = ()) -> None:
        for stale in drop:
            stale.unlink()

    def checkpoints(self, key: str) -> Iterator[Path]:
        paths = (self.root / "work" / key).glob("*/checkpoints/*-*.safetensors")
        yield from sorted(paths, key=lambda path: path.name, reverse=True)
