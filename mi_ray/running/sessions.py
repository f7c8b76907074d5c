"""Session folders that Ray leaves among temporary files, one per local cluster."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

NAME = re.compile(r"session_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_\d+_\d+")
STARTING_SECONDS = 120.0
"""Age below which a session's processes may not have started yet."""


def ray_folder() -> Path:
    """The folder in which Ray keeps its sessions, unless it was started with another."""
    return Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()) / "ray"


def stale_sessions(folder: Path, processes: Path = Path("/proc")) -> list[Path]:
    """Session folders of this user that no process names any more; none where the system does not list processes."""
    if not (processes / "self").exists():
        return []
    living = set(_named_by(processes))
    return [path for path in sorted(folder.glob("session_*")) if _is_stale(path, living)]


def _is_stale(path: Path, living: set[str]) -> bool:
    with suppress(OSError):
        status = path.lstat()
        is_ours = NAME.fullmatch(path.name) and path.is_dir() and not path.is_symlink() and status.st_uid == os.getuid()
        return bool(is_ours) and path.name not in living and time.time() - status.st_mtime > STARTING_SECONDS
    return False


def _named_by(processes: Path) -> Iterator[str]:
    """Names of the sessions in the command lines of all processes: those of Ray's servers and workers hold it."""
    for file in processes.glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield from NAME.findall(file.read_bytes().decode(errors="replace"))


def bytes_of(folder: Path) -> int:
    """Bytes of the files in a folder, as far as they can be read."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += 0 if path.is_dir() else path.lstat().st_size
    return total
