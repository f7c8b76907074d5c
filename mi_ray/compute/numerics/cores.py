"""CPU cores, memory and GPUs that this process may use, by affinity (``taskset``) and the limits of Linux's control
groups."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

PROC, CGROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")

GPU_FILES = ("nvidia*", "nvhost*", "nvmap", "kfd", "dxg")
"""Files below ``/dev`` that drivers make on Linux: of Nvidia's GPUs and boards, of AMD's GPUs, of Windows below WSL."""


def cores(proc: Path = PROC, root: Path = CGROUPS) -> int:
    """Whole CPU cores that this process may use, at least 1: those of its affinity, or its quota if that is less.

    ``proc``: the file that names the process's control groups; ``root``: where their file systems are mounted.
    """
    return max(1, min([_affinity(), *map(int, _quotas(proc, root))]))


def memory_bytes(proc: Path = PROC, root: Path = CGROUPS) -> int:
    """Memory in bytes: that of the machine, or the least limit of the control groups of this process, of 2 or 1."""
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    texts = chain(limits("memory.max", "", proc, root), limits("memory.limit_in_bytes", "memory", proc, root))
    return min([whole, *(int(text) for text in texts if text.isdigit())])


def _affinity() -> int:
    """Cores on which the scheduler may run this process; Python from 3.13 on heeds PYTHON_CPU_COUNT too."""
    counted = getattr(os, "process_cpu_count", None)
    if counted is not None:
        return counted() or 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _quotas(proc: Path, root: Path) -> Iterator[float]:
    """The quota in cores of every control group above this process that has one (cgroups 2 and 1)."""
    for text in limits("cpu.max", "", proc, root):
        yield from _ratio(text)
    for quota, period in zip(
        limits("cpu.cfs_quota_us", "cpu", proc, root), limits("cpu.cfs_period_us", "cpu", proc, root), strict=False
    ):
        yield from _ratio(f"{quota} {period}")


def _ratio(text: str) -> Iterator[float]:
    """Quota over period of "quota period" in microseconds; none for "max" and -1, which are no limit."""
    quota, _, period = text.partition(" ")
    if quota.isdigit() and period.isdigit() and int(period):
        yield int(quota) / int(period)


def limits(name: str, controller: str = "", proc: Path = PROC, root: Path = CGROUPS) -> Iterator[str]:
    """The texts of the files ``name`` in this process's control group and in all above it, from the inside out.

    ``controller`` empty: of cgroups 2, else the controller of cgroups 1. In a container the group's path is often that
    of the host, and only the outermost folder is there.
    """
    for mount, group in _groups(controller, proc, root):
        for folder in (mount / group, *(mount / group).parents):
            if folder == mount.parent:
                break
            try:
                yield (folder / name).read_text().strip()
            except OSError:
                continue


def _groups(controller: str, proc: Path, root: Path) -> Iterator[tuple[Path, str]]:
    """Mount point and path of this process's groups under a controller; lines are "id:controllers:path"."""
    try:
        lines = [line.split(":", 2) for line in proc.read_text().splitlines()]
    except OSError:
        lines = []
    for _, controllers, path in filter(lambda parts: len(parts) == 3, lines):
        if controller in controllers.split(","):
            mounts = [root / controllers, root / controller] if controller else [root, root / "unified"]
            yield from ((mount, path.lstrip("/")) for mount in dict.fromkeys(mounts))


def count_gpus() -> int:
    """GPUs that torch can use; importing it takes seconds, which a machine without a driver's files is spared."""
    if sys.platform == "linux" and not any(any(Path("/dev").glob(name)) for name in GPU_FILES):
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0
