"""The screen on a terminal, with and without rich."""

import os
import pty
import re
import sys
import time

from tests.running.rehearsal import SMALL, Rehearsal


def seen_on_a_terminal(store, *, without_rich=False):
    """What a terminal of 120 columns is sent while a training fails, without its colours."""
    child, terminal = pty.fork()
    if not child:
        os.environ.update(COLUMNS="120", TERM="xterm")
        sys.modules |= {"rich.live": None} if without_rich else {}
        os._exit(_rehearse_a_failure(store))
    sent = b""
    while chunk := _read(terminal):
        sent += chunk
    assert os.waitpid(child, 0)[1] == 0, sent.decode()
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", sent.decode()).replace("\r", "")


def _rehearse_a_failure(store):
    with os.fdopen(1, "w") as stream:
        rehearsal = Rehearsal(store, stream=stream, **SMALL)
        with rehearsal.screen:
            rehearsal.run(rehearsal.job("training", pairing="color"))
            rehearsal.start(rehearsal.job("embedding", pairing="color"))
            rehearsal.screen.failed(rehearsal.job("training", pairing="all"), "Diverged: [red]loss[/red]")
            time.sleep(1.5)
        rehearsal.screen.summary([("store", "here")])
    return 0


def _read(descriptor):
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


def test_a_terminal_shows_matrices_what_runs_and_failures(store):
    sent = seen_on_a_terminal(store)
    assert "failed  training pairing=all  Diverged: [red]loss[/red]" in sent
    assert "example   1/12, 1 failed, 5 blocked, about" in sent and "elapsed" in sent
    assert re.search(r"color +· +blocked", sent)
    assert "… embedding pairing=color  0:0" in sent
    assert sent.rstrip().endswith("store: here")


def test_without_rich_a_terminal_gets_plain_lines(store):
    sent = seen_on_a_terminal(store, without_rich=True)
    assert re.search(r"\d  done    training pairing=color  in 2.0 s  in-training estimate, bits: 5.12   \[1/12", sent)
