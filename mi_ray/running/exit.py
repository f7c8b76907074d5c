"""How a study's command ends: its exit codes, the one line about an error, and the signals that end it in good order.

0 complete; 1 cells or figures failed; 2 refused: nothing was started; 3 stopped: Ray, the store's disk or bucket, or
this machine failed in the middle; 4 a fault of mi-ray itself; 130 interrupted (Ctrl-C, SIGTERM).
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from traceback import format_exception
from typing import NoReturn

from mi_ray.experiments.declare.checks import KEPT, STOPPED, Refused, Stopped, error_line
from mi_ray.theory.listing import printable

DONE, FAILED, REFUSED, FAULT, INTERRUPTED = 0, 1, 2, 4, 130

AGAIN_SECONDS = 0.05
"""Seconds until a dropped interruption is sent again."""


def exit_code(name: str, work: Callable[[], int], folder: Callable[[], Path | None] = lambda: None) -> int:
    """The exit code of ``work``. Whatever it raises becomes one line on stderr and a code of its own.

    ``name`` begins the line. The traceback of an unexpected error goes into a file in ``folder()``, or in the folder
    for temporary files if there is none or it cannot be written; the line names the file.
    """
    try:
        return work()
    except Refused as refusal:
        return _told(name, str(refusal), REFUSED)
    except KeyboardInterrupt:
        return _told(name, f"interrupted; {KEPT}", INTERRUPTED)
    except Stopped as stopped:
        return _told(name, f"stopped: {stopped}; {KEPT}", STOPPED)
    except MemoryError as error:
        return _told(name, f"stopped: memory: {error_line(error)}; {KEPT}", STOPPED)
    except Exception as error:
        place = _written("".join(format_exception(error)), folder())
        return _told(name, f"a fault of mi-ray: {error_line(error)}; traceback: {place}; {KEPT}", FAULT)


@contextmanager
def before_the_start() -> Iterator[None]:
    """Refuse in one line what the system refuses inside the block, such as to read a folder of another user."""
    try:
        yield
    except OSError as error:
        place = " to ".join(str(name) for name in (error.filename, error.filename2) if name is not None) or "input"
        reason = error.strerror or " ".join(str(error).split()) or type(error).__name__
        raise Refused(f"{place}: cannot be used ({reason}); allowed: what this user may read and write") from error


def leave(code: int) -> NoReturn:
    """End this process with ``code``, also where its output is closed, which Python would turn into another code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


def _told(name: str, text: str, code: int) -> int:
    """Print one line on stderr, which may be closed; returns ``code``."""
    with suppress(OSError, ValueError):
        print(f"{name}: {printable(' '.join(text.split()))}", file=sys.stderr, flush=True)
    return code


def _written(traceback: str, folder: Path | None) -> str:
    """Write a traceback to a new file, of the store's folder if possible; returns its path or why there is none."""
    reason = ""
    for place in (folder, None) if folder else (None,):
        try:
            descriptor, path = tempfile.mkstemp(prefix="fault-", suffix=".txt", dir=place)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
                file.write(traceback)
            return path
        except OSError as error:
            reason = error_line(error)
    return f"not written ({reason})"


def end_in_order_on_sigterm() -> None:
    """Treat SIGTERM (Slurm, Kubernetes) as Ctrl-C. Ray installs a handler of its own when it connects.

    Ctrl-C stays ignored where a shell that started this process in the background ignores it. No interruption is lost:
    Python drops an exception that a signal raises while it frees an object, and goes on.
    """
    signal.signal(signal.SIGTERM, interrupt)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupt)
    sys.unraisablehook = _interrupt_again


_first: list[Callable[[], bool]] = []
"""What the next interruption does before anything else, if something; True: the run ends without an exception."""


@contextmanager
def at_first(act: Callable[[], bool]) -> Iterator[None]:
    """The first interruption in the block calls ``act``, and raises KeyboardInterrupt unless that returns True. The
    ones after it raise."""
    _first[:] = [act]
    try:
        yield
    finally:
        _first.clear()


def _interrupt_again(dropped: sys.UnraisableHookArgs) -> None:
    """Send an interruption again that Python has dropped; tell of other dropped errors as Python does."""
    if isinstance(dropped.exc_value, KeyboardInterrupt):
        threading.Timer(AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGTERM)).start()
    else:
        sys.__unraisablehook__(dropped)


def interrupt(*_: object) -> None:
    """The handler of Ctrl-C and SIGTERM."""
    if not (_first and _first.pop()()):
        raise KeyboardInterrupt
