"""Make MLflow's SQLite database aside and rename it into place, so that no kill leaves half a database.

MLflow makes its tables by some seventy migrations, which no transaction holds together. A process that ends in the
middle, or two at once, leave a file that no later MLflow completes. Here one process at a time, under a lock that the
kernel frees when its holder dies, makes a file of another name in the same folder and renames it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from signal import SIGINT, SIGTERM
from threading import current_thread, main_thread

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import DBAPIConnection

from mi_ray.compute.numerics.disk import FULL
from mi_ray.experiments.store.files import fsync
from mi_ray.tracking.reach import Unreachable, Unusable, moved_away, not_made, of_sqlite, sqlite_uri
from mi_ray.tracking.sqlite import Condition, condition, explained

LOCK, ASIDE = ".lock", ".making"
"""Endings of the lock's file, and of the database that is being made, beside the database."""
SIBLINGS = ("-journal", "-wal", "-shm")
"""Endings of SQLite's own files beside a database."""
WAITS = 120.0
"""Seconds to wait for another process that makes the same database; making one takes a few."""
STILL = 2.0
"""Seconds without a change after which an unfinished database is taken for abandoned."""


def make_if_absent(file: Path, *, may_replace: bool) -> bool:
    """Make the database ``file`` unless it is there, and remove what killed makers left; returns whether it was made.

    ``may_replace``: an unfinished database without runs is made anew; else it is `Unusable`. `Unreachable` if another
    process holds the lock for too long.
    """
    file = Path(os.path.realpath(file))
    now = condition(file)
    if now == "ready" and not _leftovers(file):
        return False
    with _locked(file):
        now = _settled(file)
        if now == "unfinished" and not may_replace:
            raise Unusable(
                f"{file} is unfinished: MLflow was stopped while it made it, and it holds no run; {moved_away()}"
            )
        if now != "ready":
            with _signals_later():
                _make(file, now)
        _remove(_aside(file))
        return now != "ready"


def _make(file: Path, now: Condition) -> None:
    """Make the database aside and rename it to ``file``, whose old journal would otherwise be played into it."""
    aside = _aside(file)
    _remove(aside)
    try:
        os.close(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666))  # SQLite would not heed the umask
        _make_tables(aside)
        fsync(aside)
        with _held(file) if now == "unfinished" else nullcontext():
            for ending in SIBLINGS:
                Path(f"{file}{ending}").unlink(missing_ok=True)
            aside.rename(file)
        fsync(file.parent)
    except OSError as error:
        raise _not_made(file, error) from error
    finally:
        _remove(aside)


def _make_tables(aside: Path) -> None:
    """Let MLflow make all its tables in an empty file, and close it.

    SQLite need not flush each of the migrations to disk: nobody reads the file before it is flushed as a whole.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415  (takes a second)

    with explained(aside), closing(sqlite3.connect(aside)) as connection:  # fails at once where MLflow would retry
        connection.execute("PRAGMA user_version = 0")
    uri = sqlite_uri(aside)
    event.listen(Engine, "connect", _do_not_flush)
    try:
        with no_stray_folder(uri):
            SqlAlchemyStore(uri, str(aside.parent / "artifacts")).engine.dispose()
    finally:
        event.remove(Engine, "connect", _do_not_flush)
        SqlAlchemyStore._engine_map.pop(uri, None)


@contextmanager
def _signals_later() -> Iterator[None]:
    """Ctrl-C and SIGTERM take effect at the end of the block, which takes seconds.

    MLflow's migrations make thousands of objects, so that Python often collects garbage, and SQLAlchemy's classes have
    callbacks that run in a collection. Python ignores what a signal's handler raises there: the signal would be lost.
    """
    if current_thread() is not main_thread():  # handlers run in the main thread
        yield
        return
    came: list[int] = []
    before = {number: handler for number in (SIGINT, SIGTERM) if (handler := signal.getsignal(number)) is not None}
    for number in before:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def _do_not_flush(connection: DBAPIConnection, record: object) -> None:
    connection.cursor().execute("PRAGMA synchronous = OFF")


def forget_connections(uri: str) -> None:
    """Close this process's connections to the file that was at this URI before it was made anew."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415

    if uri in SqlAlchemyStore._engine_map:
        SqlAlchemyStore._engine_map[uri].dispose()


@contextmanager
def no_stray_folder(uri: str) -> Iterator[None]:
    """Remove the folders that MLflow makes of a URI's escaped path, which is not the path of the file."""
    raw = Path(uri.partition(":///")[2])
    stray = [folder for folder in raw.parents if not folder.exists()]
    try:
        yield
    finally:
        for folder in stray:
            with suppress(OSError):
                folder.rmdir()


def _settled(file: Path) -> Condition:
    """The condition of a file; an unfinished one is watched, since an MLflow server may be making it in place."""
    seen, since, began = None, 0.0, time.monotonic()
    while (now := condition(file)) == "unfinished":
        state = file.stat()
        if seen != (state.st_mtime_ns, state.st_size):
            seen, since = (state.st_mtime_ns, state.st_size), time.monotonic()
        if time.monotonic() - since > STILL:
            break
        if time.monotonic() - began > WAITS:
            raise Unreachable(f"{file} is being made by another program for more than {WAITS:.0f} s")
        time.sleep(0.1)
    return now


@contextmanager
def _held(file: Path) -> Iterator[None]:
    """Hold SQLite's lock of a database, so that no other program writes to it."""
    with explained(file), closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold the lock of a database; its file is removed at the end, so that none is left behind."""
    lock = Path(f"{file}{LOCK}")
    descriptor = _acquired(lock)
    try:
        yield
    finally:
        with suppress(OSError):
            lock.unlink()
        os.close(descriptor)


def _acquired(lock: Path) -> int:
    """A descriptor that holds the lock. A file that its last holder has removed locks nothing: another is opened."""
    until = time.monotonic() + WAITS
    while time.monotonic() < until:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_CREAT | os.O_RDONLY, 0o666)
        except OSError as error:
            raise _not_made(lock.with_name(lock.name.removesuffix(LOCK)), error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), lock.stat()):
                return descriptor
        except (BlockingIOError, FileNotFoundError):
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        time.sleep(0.05)
    raise Unreachable(
        f"another process makes {lock.name.removesuffix(LOCK)} for more than {WAITS:.0f} s (it holds {lock})"
    )


def _not_made(file: Path, error: OSError) -> Unreachable:
    return of_sqlite(file, "full") if error.errno in FULL else not_made(file, error.strerror or str(error))


def _aside(file: Path) -> Path:
    return Path(f"{file}{ASIDE}")


def _leftovers(file: Path) -> list[Path]:
    """Files that a killed maker left."""
    names = (LOCK, ASIDE, *(f"{ASIDE}{ending}" for ending in SIBLINGS))
    return [path for name in names if (path := Path(f"{file}{name}")).exists()]


def _remove(aside: Path) -> None:
    for ending in ("", *SIBLINGS):
        Path(f"{aside}{ending}").unlink(missing_ok=True)
