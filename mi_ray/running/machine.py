"""This machine as `Machine`: memory, free disk and cores that a process here may use."""

from __future__ import annotations

import shutil
from pathlib import Path

from mi_ray.compute.numerics.cores import cores, memory_bytes
from mi_ray.experiments.plan.resources import Machine


def this_machine(folder: Path) -> Machine:
    """This machine; the disk is the one that holds ``folder``, which need not exist yet."""
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    return Machine(memory=memory_bytes(), disk=shutil.disk_usage(existing).free, cores=cores())
