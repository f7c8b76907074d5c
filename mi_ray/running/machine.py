"""This machine as `Machine`: memory, free disk and cores that a process here may use."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mi_ray.experiments.plan.resources import Machine

LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Files in which Linux states the memory limit of a container, of cgroups 2 and 1."""


def this_machine(folder: Path) -> Machine:
    """This machine; the disk is the one that holds ``folder``, which need not exist yet."""
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    return Machine(memory=memory_bytes(), disk=shutil.disk_usage(existing).free, cores=cores())


def memory_bytes(limits: tuple[str, ...] = LIMITS) -> int:
    """Memory in bytes: that of the machine, or the limit of the container if that is less."""
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    texts = [Path(file).read_text().strip() for file in limits if Path(file).is_file()]
    return min([whole, *(int(text) for text in texts if text.isdigit())])


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
