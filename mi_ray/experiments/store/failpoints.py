"""Named points where a test may kill the process: ``MI_RAY_FAILPOINT=commit.before_rename:kill@2`` (second visit)."""

from __future__ import annotations

import os
import signal
from collections import Counter

VARIABLE = "MI_RAY_FAILPOINT"
_visits: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Kill this process (SIGKILL) or raise RuntimeError, at the visit that the environment names; else do nothing."""
    wanted = os.environ.get(VARIABLE)
    if not wanted or not wanted.startswith(f"{name}:"):
        return
    action, _, visit = wanted.removeprefix(f"{name}:").partition("@")
    _visits[name] += 1
    if _visits[name] != int(visit or 1):
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise RuntimeError(f"failpoint {name}")
