"""One driver per store: the kernel's lock, whoever made its file, and the text that says who holds it."""

import os
import platform
import subprocess
import sys

import pytest

from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.store.lock import LOCK, driver_lock

HOLD = """
import os, sys, time
from mi_ray.experiments.store.lock import driver_lock
from mi_ray.experiments.store.store import Store
from pathlib import Path
os.chdir(sys.argv[1])
os.seteuid(int(sys.argv[2]))
with driver_lock(Store(Path(".")), "--on here") as before:
    print("held after:", before, flush=True)
    time.sleep(60)
"""


def holder(store, user=None, **options):
    """A process of ``user`` that holds the store's lock, and what it says; it need not see what the folder lies in."""
    command = [sys.executable, "-c", HOLD, str(store.root), str(os.geteuid() if user is None else user)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
    return process, process.stdout.readline().strip()


@pytest.mark.fault("F22", "kill -9 of the driver that holds the lock, and the next at once")
def test_a_killed_holder_frees_the_lock_at_once_and_is_named_to_the_next(store):
    process, _ = holder(store)
    with pytest.raises(Refused, match=f"in use by process {process.pid} on {platform.node()}; allowed: one driver"):
        driver_lock(store).__enter__()
    process.kill()
    process.wait()
    with driver_lock(store) as before:
        assert before == f"process {process.pid} on {platform.node()} --on here"
    with driver_lock(store) as before:
        assert before == ""


def test_a_holder_that_raises_has_ended_in_order(store):
    with pytest.raises(KeyboardInterrupt), driver_lock(store):
        raise KeyboardInterrupt
    with driver_lock(store) as before:
        assert before == ""


@pytest.mark.parametrize(("folder", "lock"), [(0o2775, 0o664), (0o755, 0o644), (0o700, 0o600), (0o777, 0o666)])
def test_who_may_write_the_store_may_write_its_lock_whatever_the_umask(store, folder, lock):
    store.root.chmod(folder)
    umask = os.umask(0o077)
    try:
        with driver_lock(store):
            assert (store.root / LOCK).stat().st_mode & 0o777 == lock
    finally:
        os.umask(umask)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.parametrize(("mode", "told"), [(0o644, "held after:"), (0o600, "")])
def test_a_lock_of_another_user_locks_if_it_can_be_read_and_is_refused_if_not(store, mode, told):
    (store.root / LOCK).touch()
    (store.root / LOCK).chmod(mode)
    store.root.chmod(0o777)
    process, said = holder(store, user=65534, stderr=subprocess.PIPE)
    try:
        assert said == told
        if told:
            with pytest.raises(Refused, match="in use by another process"):
                driver_lock(store).__enter__()
        else:
            assert "cannot be opened (Permission denied); allowed: a file that every user" in process.stderr.read()
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("made", [lambda path: path.mkdir(), lambda path: path.symlink_to("/x"), os.mkfifo])
def test_what_is_no_file_is_refused(store, made):
    made(store.root / LOCK)
    with pytest.raises(Refused, match=r"driver\.lock' cannot be opened"):
        driver_lock(store).__enter__()
