"""One driver per store: a file lock, which the kernel frees when its holder dies; in a bucket, a lease as well."""

from __future__ import annotations

import fcntl
import os
import platform
import stat
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.store.lease import lease
from mi_ray.experiments.store.store import Store

LOCK = "driver.lock"
MOST = 4096
"""Bytes of it that are read."""
SHARED = 0o666
"""Permission bits of the lock that follow those of the store's folder."""


@contextmanager
def driver_lock(store: Store, purpose: str = "") -> Iterator[str]:
    """Hold the store's lock inside the block; Refused, naming the holder's process and host, if it is held.

    Gives what a holder that did not end in order, such as one that was killed, had written: its process, host and
    ``purpose``; else "".
    """
    descriptor, is_writable = _opened(store.root / LOCK)
    try:
        _locked(descriptor, store)
        before = os.pread(descriptor, MOST, 0).decode(errors="replace").strip() if is_writable else ""
        _write(descriptor, " ".join(filter(None, [f"process {os.getpid()} on {platform.node()}", purpose])))
        try:
            with lease(store.bucket, purpose) if store.bucket else nullcontext("") as of_bucket:
                yield of_bucket if store.bucket else before
        finally:
            _write(descriptor, "")
    finally:
        os.close(descriptor)


def _opened(path: Path) -> tuple[int, bool]:
    """A descriptor of the lock, made if it is not there, and whether it can be written; Refused if it cannot be opened.

    In a folder that a group may write, the group may write the lock, whatever the umask. A lock of another user that
    can only be read still locks.
    """
    plain = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        try:
            descriptor, is_writable = os.open(path, os.O_RDWR | os.O_CREAT | plain, SHARED), True
        except PermissionError:
            descriptor, is_writable = os.open(path, os.O_RDONLY | plain), False
    except OSError as error:
        raise _unusable(path, error.strerror) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _unusable(path, "it is no file")
    with suppress(OSError):  # only the owner may change the mode
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        os.fchmod(descriptor, mode | stat.S_IMODE(path.parent.stat().st_mode) & SHARED)
    return descriptor, is_writable


def _unusable(path: Path, reason: str | None) -> Refused:
    return Refused(
        f"store: {str(path)!r} cannot be opened ({reason}); allowed: a file that every user of the store may read and"
        f" write, as after chmod ug+rw {path}"
    )


def _locked(descriptor: int, store: Store) -> None:
    """Lock, or refuse, naming who holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = _holder(os.pread(descriptor, MOST, 0).decode(errors="replace"))
        raise Refused(
            f"store: {store.name!r} is in use by {holder}; allowed: one driver per store, or another --store"
        ) from None
    except OSError as error:
        raise Refused(
            f"store: {str(store.root / LOCK)!r} cannot be locked ({error.strerror}); allowed: a file system with locks"
        ) from error


def _write(descriptor: int, text: str) -> None:
    """Replace what the lock says. A full disk does not matter: the lock is the kernel's, the text is for people."""
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)


def _holder(text: str) -> str:
    """The holder that a lock names, unless it is a process of this host that is gone: then the lock was not written."""
    words = text.split()
    if len(words) < 4:
        return "another process"
    process, host = words[1], words[3]
    is_gone = host == platform.node() and process.isdigit() and not Path(f"/proc/{process}").exists()
    return "a process of another user" if is_gone and Path("/proc").is_dir() else f"process {process} on {host}"
