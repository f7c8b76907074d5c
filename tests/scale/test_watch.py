"""The watch over memory sees what is there: pages of children, of daemons, and of shared maps once."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from tests.scale.memory import MARK, watched

HOLD = "import time; held = bytearray({mb} * 2**20); held[::4096] = b'x' * len(held[::4096]); time.sleep(3)"
MB = 2**20


def started(code: str, mark: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code], env=os.environ | {MARK: mark})


def test_memory_of_children_counts_in_the_tree_and_each_process_by_itself():
    child = HOLD.format(mb=150)
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], env={{}}, check=True)"
    with watched("children", seconds=0.2) as peaks:
        assert started(parent, "children").wait() == 0
    assert 150 * MB < peaks.tree < 200 * MB
    assert 150 * MB < peaks.largest[1] < 180 * MB
    assert len(peaks.single) == 2


def test_a_daemon_that_left_the_tree_is_still_counted():
    daemon = HOLD.format(mb=120)
    parent = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {daemon!r}], start_new_session=True)"
    with watched("daemon", seconds=0.2) as peaks:
        assert started(parent, "daemon").wait() == 0
        time.sleep(2)
    assert peaks.largest[1] > 120 * MB


def test_other_processes_do_not_count():
    other = started(HOLD.format(mb=100), "other")
    with watched("mine", seconds=0.2) as peaks:
        other.wait()
    assert peaks.samples and not peaks.single


def test_pages_that_processes_share_count_once():
    code = (
        "import mmap, os, time; shared = mmap.mmap(-1, 160 * 2**20); shared[:] = bytes(len(shared));"
        "child = os.fork(); sum(shared[::4096]); time.sleep(2); child and os.wait()"
    )
    with watched("shared", seconds=0.2) as peaks:
        assert started(code, "shared").wait() == 0
    assert 160 * MB < peaks.tree < 250 * MB
    assert sum(peaks.at_peak.values()) == peaks.tree
