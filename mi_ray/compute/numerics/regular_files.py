"""Files that others made are opened only if they are regular files: a fifo would block for ever, and opening a device
may act on it."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a fifo",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
"""Kinds of files that cannot be read as a whole."""


class Special(OSError):
    """A path that leads to something other than a regular file; ``strerror`` says to what."""


def size_of(path: str | os.PathLike[str]) -> int:
    """The size in bytes of a regular file, links followed, without opening it; `Special` if it is none, OSError if it
    is not there or out of reach."""
    return _regular(os.stat(path), path).st_size


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """A regular file, opened to be read in binary; `Special` if it is none.

    Another file may take its place between the look and the opening, so that the opening does not wait for a fifo's
    writer and what was opened is looked at again.
    """
    size_of(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        _regular(os.fstat(descriptor), path)
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def read_text(path: Path, field: str, most: int) -> str:
    """The text of a regular file of at most ``most`` bytes; ValueError names ``field`` and file if it is no such file,
    cannot be read, or is not in UTF-8."""
    try:
        with open_regular(path) as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise ValueError(f"{field}: {path} has more than {most:,} bytes; allowed: a text of fewer")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise unreadable(field, path, error) from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{field}: {path} is no text in UTF-8 (byte {error.start}); allowed: text in UTF-8") from error


def unreadable(field: str, path: str | os.PathLike[str], error: OSError) -> ValueError:
    """The refusal of a file that the operating system, or `open_regular`, did not open."""
    return ValueError(f"{field}: {os.fspath(path)} cannot be read ({error.strerror}); allowed: a file that can be read")


def _regular(found: os.stat_result, path: str | os.PathLike[str]) -> os.stat_result:
    if not stat.S_ISREG(found.st_mode):
        kind = KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise Special(errno.EINVAL, f"it is {kind}, not a regular file", os.fspath(path))
    return found
