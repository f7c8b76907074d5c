"""The driver's lifeline: whether the head of its cluster and the Ray processes of its own machine still live.

Without them Ray's native code ends the driver's process, up to a minute later, with exit code 1 and no word to Python.
So a thread watches them, and notices a death at once and a silence after `SILENT_SECONDS`. Tune's loop asks it at every
step and ends by `Stopped`. (A signal would not do: its exception, raised inside Ray's native code, makes Tune ask the
dead cluster to clean up.) If the main thread hangs in a call of Ray's, the process is ended.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import ray
from ray._private import worker as ray_worker
from ray._raylet import GcsClient  # type: ignore[attr-defined]

from mi_ray.experiments.declare.checks import KEPT, STOPPED, Stopped, say
from mi_ray.orchestration.start.leftovers import SESSION, kill, kill_processes
from mi_ray.orchestration.start.watch import END, HEAD, LOCAL, PAUSE_SECONDS, REMEDY, UNWIND_SECONDS, watched

SILENT_SECONDS = 60.0
"""Seconds without an answer of the head after which it counts as gone; a hung process is found that way."""

ASK_SECONDS = 5.0
"""Seconds between two questions to the head, and the time limit of each."""

PATIENCE = {"RAY_gcs_rpc_server_reconnect_timeout_s": "3600"}
"""Environment variables of Ray's native code, which would else end the process after a minute without a head."""

RAYLET = f"{LOCAL} raylet"
AGENTS = ("DashboardAgent", "RuntimeEnvAgent")
"""Processes that a raylet starts, and with which it ends."""


class Interrupted(BaseException):
    """Raised in Tune's loop when the lifeline is cut. No `except Exception` of Tune's catches it."""


@dataclass
class Lifeline:
    """Watches over ``processes`` (id -> what it is), and asks the head at ``address``.

    ``cause``: of the cut, or "". ``answered``: when the head last answered; ``went``: when no process was stopped.
    """

    address: str
    processes: dict[int, str]
    cause: str = ""
    answered: float = field(default_factory=time.monotonic)
    went: float = field(default_factory=time.monotonic)
    over: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Return when the block is over, or cut the lifeline (in a thread of its own)."""
        descriptors, poll = dict(_opened(self.processes)), select.poll()
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        looked = time.monotonic()
        while not self.over.is_set() and not self.cause:
            before, looked = looked, time.monotonic()
            if looked - before > PAUSE_SECONDS:
                self.answered = self.went = looked
            if dead := poll.poll(500):
                self._kill_raylet(descriptors)
                self.cut(f"{self.processes[descriptors[dead[0][0]]]} was killed or crashed; {REMEDY}")
            elif (seconds := self.stopped_for()) > SILENT_SECONDS:
                names = " or ".join(self.processes.values())
                self.cut(f"{names} has been stopped for {seconds:.0f} s; continue it (kill -CONT)")
            elif (seconds := time.monotonic() - self.answered) > SILENT_SECONDS:
                self.cut(f"its head at {self.address} has not answered for {seconds:.0f} s; see whether it runs")
        for descriptor in descriptors:
            os.close(descriptor)

    def stopped_for(self) -> float:
        """Seconds since one of the processes has been stopped (SIGSTOP), as far as the system tells."""
        now = time.monotonic()
        if not any(map(_is_stopped, self.processes)):
            self.went = now
        return now - self.went

    def ask(self) -> None:
        """Ask the head time and again, which may hang (in a thread of its own)."""
        client = None
        while not self.over.wait(ASK_SECONDS):
            with suppress(Exception):
                client = client or GcsClient(address=self.address)
                client.internal_kv_get(b"session_name", b"session", timeout=ASK_SECONDS)
                self.answered = time.monotonic()

    def cut(self, cause: str) -> None:
        """State the cause; end the process if the main thread does not leave the block within `UNWIND_SECONDS`."""
        if self.over.is_set():
            return
        self.cause = f"Ray: {cause}"
        if not self.over.wait(UNWIND_SECONDS):
            _end(self.cause)

    def _kill_raylet(self, descriptors: dict[int, int]) -> None:
        """Kill the raylet of a local cluster, and its agents, which outlive it. If it left in order, it would have Ray
        end this process at once, with exit code 1."""
        for descriptor, pid in descriptors.items():
            if self.processes[pid].startswith((RAYLET, *(f"{LOCAL} {agent}" for agent in AGENTS))):
                with suppress(OSError):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)


@contextmanager
def starting() -> Iterator[None]:
    """End this process if Ray, which starts or is joined in the block, never will: its head died, or `START_SECONDS`
    have passed.

    Ray's own calls wait for a dead head as long as `PATIENCE` says; they have `UNWIND_SECONDS` to raise.
    """
    assert int(END) == STOPPED
    with watched(KEPT):
        yield


def _end(cause: str) -> None:
    """End this process, whose main thread hangs in a call of Ray's, with all that it started."""
    say(f"\nstopped: {cause}; {KEPT}", file=sys.stderr)
    kill_children()
    os._exit(STOPPED)


_lines: list[Lifeline] = []
"""The lifeline of this process, if it is connected."""


@contextmanager
def lifeline(line: Lifeline) -> Iterator[None]:
    """Watch over the cluster that this process is connected to in the block, which raises Stopped if it dies."""
    _lines.append(line)
    for work in (line.watch, line.ask):
        threading.Thread(target=work, daemon=True, name=f"lifeline-{work.__name__}").start()
    try:
        yield
    except BaseException as error:
        if line.cause:
            raise Stopped(line.cause) from error
        raise
    finally:
        line.over.set()
        _lines.remove(line)
    if line.cause:
        raise Stopped(line.cause)


def cut(cause: str) -> None:
    """The cluster is of no use any more: cut the lifeline of this process, if it is connected."""
    for line in _lines:
        line.cause = f"Ray: {cause}"
        threading.Thread(target=line.cut, args=(cause,), daemon=True).start()


def refuse_if_cut() -> None:
    """Raise Stopped if this process's lifeline is cut."""
    for line in _lines:
        if line.cause:
            raise Stopped(line.cause)


def interrupt_if_cut() -> None:
    """Raise Interrupted if this process's lifeline is cut."""
    for line in _lines:
        if line.cause:
            raise Interrupted(line.cause)


def kill_local_cluster() -> None:
    """Kill all processes of the local cluster that this process started, if it did."""
    node = ray_worker._global_node
    if node is not None and node.is_head():
        kill_children()


def kill_children() -> None:
    """Kill every process that this one has started, theirs, and what is left of its local cluster."""
    kill(psutil.Process().children(recursive=True))
    kill_processes(os.environ.get(SESSION, ""))


def lifeline_of(node: Any) -> Lifeline:
    """The lifeline of a process that is connected by Ray's ``node``."""
    return Lifeline(node.gcs_address, processes_of(node))


def processes_of(node: Any) -> dict[int, str]:
    """The Ray processes that this process cannot do without, by id: those it started, and this machine's raylet."""
    found = {
        info.process.pid: f"{LOCAL} {kind}"
        for kind, infos in node.all_processes.items()
        if kind in HEAD
        for info in infos
    }
    if found:
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error, IndexError):
                command = child.cmdline()[0]
                found.update((child.pid, f"{LOCAL} {agent}") for agent in AGENTS if agent in command)
    if raylet := _listener(node.raylet_socket_name):
        found.setdefault(raylet, "this machine's raylet")
    return {pid: f"{name} (process {pid})" for pid, name in found.items()}


def _opened(processes: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Descriptors of processes, each with the process, as far as the system gives them."""
    for pid in processes:
        with suppress(OSError, AttributeError):  # which not every system has
            yield os.pidfd_open(pid), pid


def _is_stopped(pid: int) -> bool:
    """Whether a process is stopped, as Linux tells it."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"
    return False


def _listener(path: str) -> int | None:
    """The process that listens at a Unix socket; None if it does not tell (another pid namespace)."""
    with suppress(OSError, AttributeError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        connection.connect(path)
        pid, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return pid or None
    return None


def own_node_lives() -> bool:
    """Whether the cluster's head counts this machine's raylet as alive; a raylet that hangs is dead to it."""
    own = ray.get_runtime_context().get_node_id()
    return any(node["NodeID"] == own and node["Alive"] for node in ray.nodes())
