"""Which code, libraries and machine computed a cell."""

from __future__ import annotations

import platform
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

UNKNOWN = "unknown"
GIT_SECONDS = 10.0
"""Seconds in which git must answer; a slow file system must not fail, or delay, what has been computed."""

LIBRARIES = ("mi-ray", "torch", "torchvision", "timm", "numpy", "scipy", "scikit-learn")


@lru_cache(maxsize=1)
def provenance() -> dict[str, str]:
    """Code version, library versions and hardware, as flat text."""
    versions = {f"version_{name.replace('-', '_')}": _version(name) for name in LIBRARIES}
    return versions | {
        "code_version": code_version(),
        "version_python": platform.python_version(),
        "host": platform.node(),
        "hardware": _hardware(),
    }


@lru_cache(maxsize=1)
def code_version() -> str:
    """The git commit that this package lies in (``+changes`` if the tree differs from it), else the package version;
    "unknown" if git does not answer in `GIT_SECONDS`."""
    folder = Path(__file__).parent
    try:
        commit = _git(folder, "rev-parse", "--short=12", "HEAD")
        return commit + ("+changes" if _git(folder, "status", "--porcelain", "--", str(folder.parent)) else "")
    except subprocess.TimeoutExpired:
        return UNKNOWN
    except (OSError, ValueError, subprocess.SubprocessError):  # no git, no repository, or one of another user
        return _version("mi-ray")


def _git(folder: Path, *arguments: str) -> str:
    """What git prints. It takes no locks, since a user may work in the same tree, and asks nothing."""
    command = ["git", "--no-optional-locks", *arguments]
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=True,
        timeout=GIT_SECONDS,
    )  # fmt: skip
    return done.stdout.strip()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _hardware() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
