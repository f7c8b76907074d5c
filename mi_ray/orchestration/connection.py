"""Connect to Ray: to a cluster at an address, or to a local one that is closed to everybody else.

A local cluster listens on the loopback address only, admits none without the token of this run, and keeps its session
in a folder of this user's, mode 0700, that is removed with it.
"""

from __future__ import annotations

import atexit
import gc
import logging
import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants
from ray._private import worker as ray_worker
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

from mi_ray.compute.numerics.cores import cores
from mi_ray.experiments.declare.checks import STOPPED, Refused, error_line
from mi_ray.orchestration.address import refuse_dead
from mi_ray.orchestration.cluster import Capacity, capacity
from mi_ray.orchestration.lifeline import PATIENCE, kill_local_cluster, lifeline, lifeline_of, starting
from mi_ray.orchestration.start.leftovers import PREFIX, kill_processes, leftover_folders, marked, session_place

QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_SLOW_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "600",
    "TUNE_GLOBAL_CHECKPOINT_S": str(10**9),  # Tune's own state is never restored from
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # the listener is told why a trial died
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Environment variables that silence Ray and Tune, set before `ray.init` unless the environment has others."""

SILENT: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
"""Arguments of `ray.init` with the same aim."""

LOOPBACK = "127.0.0.1"

LONGEST = 42
"""Longest path of that folder in bytes: Ray's sockets below it add 65, and Linux allows 107 to a socket's path."""


@contextmanager
def connected(address: str | None, slots: int | None = None) -> Iterator[Capacity]:
    """Connect to the cluster at ``address``, or start a local one (None), for the block; then disconnect.

    A local cluster has ``slots`` CPUs, or those that this process may use, and is stopped at the end. Refused if
    nothing answers at ``address`` or no local cluster can start; Stopped if the cluster's head or this machine's Ray
    processes die in the block.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    ray_worker._worker_logs_enabled = False  # the raylet's own words about processes that died
    with environment(PATIENCE), _started(slots or cores()) if address is None else _joined(address):
        line = lifeline_of(ray_worker._global_node)
        try:
            with lifeline(line):
                yield capacity()
        finally:
            abandon() if line.cause else disconnect()


@contextmanager
def _joined(address: str) -> Iterator[None]:
    """Connect to the cluster at ``address``."""
    close_token(Path.home() / ".ray" / "auth_token")
    refuse_dead(address)
    with marked(""):
        try:
            with starting():
                ray.init(address=address, **SILENT)
        except Exception as error:
            disconnect()
            raise Refused(f"address: {address!r} does not answer ({error_line(error)[:300]})") from error
        yield


@contextmanager
def _started(slots: int) -> Iterator[None]:
    """Start a local cluster of ``slots`` CPUs that is closed to others, in a folder that is removed after the block."""
    with (
        session_folder() as folder,
        marked(str(folder)),
        environment({"RAY_AUTH_TOKEN_PATH": str(token_file(folder))}),
    ):
        try:
            with starting(), _on_loopback():
                ray.init(
                    address="local", num_cpus=slots, include_dashboard=False, _node_ip_address=LOOPBACK,
                    _temp_dir=str(folder / "r"), **SILENT,
                )  # fmt: skip
        except Exception as error:
            disconnect()
            raise Refused(
                f"ray: no local cluster starts ({error_line(error)[:300]}); allowed: a machine with free memory,"
                f" disk and processes; or --on here"
            ) from error
        yield


@contextmanager
def _on_loopback() -> Iterator[None]:
    """In the block Ray takes the loopback address for this machine's, as it does by default on macOS and Windows."""
    before, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def session_folder() -> Iterator[Path]:
    """A folder for a local cluster, mode 0700, which no other run removes and which is removed at the end. (Ray makes
    its own folder in it accessible to everybody.)

    What killed runs left is removed too, processes and folders: the kernel frees the lock in a folder when the process
    of its run dies.
    """
    place = session_place()
    if (length := len(os.fsencode(place / f"{PREFIX}12345678"))) > LONGEST:
        raise Refused(
            f"RAY_TMPDIR: {str(place)!r} is too long for Ray's sockets by {length - LONGEST} bytes; allowed: a shorter"
            " folder, such as RAY_TMPDIR=/tmp, or --on here"
        )
    try:
        for leftover in leftover_folders(place):
            kill_processes(leftover)
            shutil.rmtree(leftover, ignore_errors=True)
        unlocked = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=place))
    except OSError as error:
        raise Refused(
            f"RAY_TMPDIR: {str(place)!r} cannot be written ({error.strerror}); allowed: a folder you may write to"
        ) from error
    with open(unlocked / "lock", "w") as lock:
        flock(lock, LOCK_EX | LOCK_NB)
        folder = unlocked.rename(place / unlocked.name.removeprefix("."))  # others look for locked folders alone
        try:
            yield folder
        finally:
            kill_processes(folder)
            shutil.rmtree(folder, ignore_errors=True)


def token_file(folder: Path) -> Path:
    """The file of Ray's token for a local cluster, mode 0600: that of the environment, or a new one in ``folder``."""
    if known := os.environ.get("RAY_AUTH_TOKEN_PATH"):
        return Path(known)
    path = folder / "token"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    return path


def close_token(path: Path) -> None:
    """Make a token file that Ray has written readable by its owner alone; Ray writes it for everybody."""
    with suppress(OSError):
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            path.chmod(0o600)


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables in the block, unless the environment has them, and let Ray read them; restore them,
    and the mode of Ray's token, after it."""
    names = {*values, "RAY_AUTH_MODE"}
    before = {name: os.environ.get(name) for name in names}
    for name, value in values.items():
        os.environ.setdefault(name, value)
    _read_environment()
    try:
        yield
    finally:
        for name, was in before.items():
            if was is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = was
        _read_environment()


def _read_environment() -> None:
    """Make Ray's native code read its environment variables and its token anew."""
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def disconnect() -> None:
    """Shut Ray down with the garbage collector off, and wait for the processes of a local cluster.

    If another thread's garbage collection frees an object of Ray's during the shutdown, Ray aborts the process.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        gc.collect()
        ray.shutdown(wait_for_processes=True)
    finally:
        if was_enabled:
            gc.enable()


def abandon() -> None:
    """Leave a dead cluster without asking it anything, which would end this process; kill what is left of a local one.

    Ray cannot be used in this process any more, and hangs in its own clean-up when the process ends: that is left out.
    """
    atexit.unregister(ray_worker.shutdown)
    atexit.register(_end)
    kill_local_cluster()


def _end() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(STOPPED)
