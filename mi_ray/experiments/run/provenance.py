"""Which code, libraries and machine computed a cell."""

from __future__ import annotations

import platform
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

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
    """The git commit that this package lies in (``+changes`` if the tree differs from it), else the package version."""
    folder = Path(__file__).parent
    try:
        commit = _git(folder, "rev-parse", "--short=12", "HEAD")
        return commit + ("+changes" if _git(folder, "status", "--porcelain", "--", str(folder.parent)) else "")
    except (OSError, subprocess.CalledProcessError):
        return _version("mi-ray")


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=10)
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
