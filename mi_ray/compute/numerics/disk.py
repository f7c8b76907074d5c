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

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of a disk, quota or file size that is exhausted."""
_NUMBER = re.compile(r"\(os error (\d+)\)")
"""How safetensors writes the number of an error into its text."""


@contextmanager
def telling_room(path: Path, needed: int) -> Iterator[None]:
    """Turn what writing ``path`` raises into an OSError with its number and path; of a full disk also the ``needed``
    and the free bytes."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        found = _NUMBER.search(str(error))
        number = (error.errno if isinstance(error, OSError) else None) or (int(found[1]) if found else errno.EIO)
        room = f"; {needed:,} bytes needed, {_free(path.parent)} free" if number in FULL else ""
        cause = os.strerror(number) if found or isinstance(error, OSError) else str(error)
        raise OSError(number, f"{cause}{room}", str(path)) from error


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


def _free(folder: Path) -> str:
    with suppress(OSError):
        return f"{shutil.disk_usage(folder).free:,}"
    return "?"
