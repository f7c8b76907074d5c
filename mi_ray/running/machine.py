"""This machine as `Machine`: memory, free disk and cores that a process here may use."""

from __future__ import annotations

import os
import shutil
from itertools import chain
from pathlib import Path

from mi_ray.compute.numerics.cores import CGROUPS, PROC, cores, limits
from mi_ray.experiments.plan.resources import Machine


def this_machine(folder: Path) -> Machine:
    """This machine; the disk is the one that holds ``folder``, which need not exist yet."""
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    return Machine(memory=memory_bytes(), disk=shutil.disk_usage(existing).free, cores=cores())


def memory_bytes(proc: Path = PROC, root: Path = CGROUPS) -> int:
    """Memory in bytes: that of the machine, or the least limit of the control groups of this process, of 2 or 1."""
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    texts = chain(limits("memory.max", "", proc, root), limits("memory.limit_in_bytes", "memory", proc, root))
    return min([whole, *(int(text) for text in texts if text.isdigit())])
