"""How a study's command ends: its exit codes, and the signals that end it in good order."""

from __future__ import annotations

import signal

DONE, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130


def end_in_order_on_sigterm() -> None:
    """Treat SIGTERM (Slurm, Kubernetes) as Ctrl-C. Ray installs a handler of its own when it connects."""
    signal.signal(signal.SIGTERM, lambda *_: interrupt())


def interrupt() -> None:
    """Act as Ctrl-C does, also where a shell that started this process in the background ignores Ctrl-C."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)
