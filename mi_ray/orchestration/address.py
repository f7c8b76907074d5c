"""Whether a Ray cluster answers at an address: found out within `ANSWER_SECONDS`, before this process connects.

`ray.init` tries for about 14 minutes to reach a head that is not there, in native code that no signal ends, and ends
this process where a head is not Ray's. So another process tries first, and is ended when its time is over.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

from ray._private import services

from mi_ray.experiments.declare.checks import Refused, refuse

ANSWER_SECONDS = 19.0
"""Seconds within which a cluster must answer."""

CONNECT_SECONDS = 5.0
"""Seconds of them within which its head must accept a connection."""

TRIES = """
import logging, socket, sys
host, _, port = sys.argv[1].rpartition(":")
try:
    socket.create_connection((host.strip("[]"), int(port)), timeout=float(sys.argv[2])).close()
except (OSError, UnicodeError) as error:
    sys.exit(getattr(error, "strerror", None) or str(error))
import ray
ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.ERROR)
print(len(ray.nodes()), flush=True)
"""
"""The program that tries to connect. It ends without Ray's shutdown, which takes seconds."""

ALLOWED = "auto, or HOST:PORT of a running cluster's head (`ray start --head` prints it)"


@cache
def refuse_dead(address: str) -> None:
    """Raise Refused, within `ANSWER_SECONDS`, unless a Ray cluster answers at ``address`` and takes drivers from here.

    A cluster that has answered is not asked again.
    """
    head = head_of(address)
    command = [sys.executable, "-c", TRIES, head, str(CONNECT_SECONDS)]
    try:
        tried = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ANSWER_SECONDS,
            env=os.environ | {"RAY_ADDRESS": ""},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise silent(address, head, f"no answer within {ANSWER_SECONDS:.0f} s") from None
    if not tried.stdout.strip():
        raise silent(address, head, _reason(tried.stderr) or f"the attempt ended with exit code {tried.returncode}")


def head_of(address: str) -> str:
    """``HOST:PORT`` of the head at ``address``; Refused if it is no such text, or if ``auto`` finds none."""
    if "://" in address:
        raise refuse("address", address, f"{ALLOWED}; not an address of Ray's client, dashboard or jobs")
    try:
        known = address == "auto" or all(address.rpartition(":")[::2])
        head = services.canonicalize_bootstrap_address(address) if known else None
    except ConnectionError:
        raise Refused("address: 'auto' finds no running Ray cluster on this machine; allowed: " + ALLOWED) from None
    except Exception:
        raise refuse("address", address, ALLOWED) from None
    port = (head or "").rpartition(":")[2]
    if not head or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise refuse("address", address, ALLOWED)
    return head


def silent(address: str, head: str, cause: str) -> Refused:
    """The refusal of an address where no cluster answers, to be raised. Ray reads a loopback address as this machine's
    address in its network, so the ``head`` may be another text."""
    asked = f" at {head}" if head != address else ""
    return Refused(f"address: {address!r} does not answer{asked} ({cause}); allowed: {ALLOWED}")


def _reason(errors: str) -> str:
    """The last line of what Ray wrote, without its date and place."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    return lines[-1].rpartition(" -- ")[2][-300:] if lines else ""
