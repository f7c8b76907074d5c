"""Files of arrays on disk: errors that say how much room was needed and free, and the mode that the umask asks for."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

CACHE = "MI_RAY_CACHE"
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of a disk, quota or file size that is exhausted."""
_TOLD = (re.compile(r"\(os error (\d+)\)"), re.compile(r"\[Errno (\d+)\]"))
"""How Rust (safetensors) and Python write the number of an error into a text."""
_SHORT = re.compile(r"\d+ requested and \d+ written")
"""What numpy says, without a number, of a file that it could not write whole."""


def number_of(error: BaseException) -> int:
    """The system's number of an error, also of one that only its text tells; 0 if there is none."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    text = str(error)
    if isinstance(error, OSError) and _SHORT.search(text):
        return errno.ENOSPC
    return next((int(found[1]) for pattern in _TOLD if (found := pattern.search(text))), 0)


@contextmanager
def telling_room(path: Path, needed: int) -> Iterator[None]:
    """Turn what writing ``path`` raises into an OSError with its number and path; of a full disk also the ``needed``
    bytes, unless they are 0, and the free ones. An error without a number keeps its text."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        number = number_of(error)
        free = _free(path.parent)
        told = f"; {needed:,} bytes needed, {free} free" if needed else f"; {free} bytes free"
        room = told if number in FULL else ""
        cause = os.strerror(number) if number else str(error) or type(error).__name__
        raise OSError(number or errno.EIO, f"{cause}{room}", str(path)) from error


def save_with_usual_mode(save: Callable[[Path], None], path: Path, needed: int) -> None:
    """Write ``path`` by ``save`` with the mode that a new file has in its folder, as umask and folder ask for.

    safetensors makes files that only their owner may read, so that a group could not share a store.
    """
    with telling_room(path, needed):
        path.unlink(missing_ok=True)
        path.touch()
        mode = path.stat().st_mode
        try:
            save(path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        path.chmod(mode)


def reserve(descriptor: int, size: int) -> None:
    """Give a new file its size and the room on disk; OSError if there is not enough.

    A mapped file without room of its own would kill the process (SIGBUS) when the disk is full.
    """
    try:
        os.posix_fallocate(descriptor, 0, max(1, size))
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):  # a file system that cannot reserve
            raise
    os.ftruncate(descriptor, size)


def user_cache() -> Path:
    """The folder for what can be made again: $MI_RAY_CACHE, or in the user's cache folder."""
    base = os.environ.get(CACHE) or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mi-ray"
    return Path(base).absolute()


def _free(folder: Path) -> str:
    with suppress(OSError):
        return f"{shutil.disk_usage(folder).free:,}"
    return "?"
