"""What is installed here, and what a run would use: versions, cores, memory, GPU, store, MLflow, Ray.

Exit code 1 if something that a study needs is not there.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from mi_ray import __version__
from mi_ray.commands.flags import Flags
from mi_ray.compute.numerics.cores import cores
from mi_ray.experiments.declare.checks import Refused, Stopped, say
from mi_ray.experiments.plan.room import amount
from mi_ray.experiments.store.store import store_at
from mi_ray.running.exit import DONE, FAILED

NEEDED = ("torch", "torchvision", "timm", "numpy", "scipy", "scikit-learn", "pillow", "safetensors", "pydantic")
OPTIONAL = {
    "ray": "runs with --on here alone, one cell after another",
    "mlflow": "no mirror and no figures",
    "optuna": "no search of augmentations",
    "pandas": "no tables and no figures",
    "matplotlib": "no figures",
    "s3fs": "no store at s3://; pip install 'mi-ray[s3]'",
    "gcsfs": "no store at gs://; pip install 'mi-ray[gcs]'",
}
"""Packages that a study can do without, and what is missing then."""

Line = tuple[str, str, bool]
"""Subject, finding, and whether a study can run with it."""


def main(argv: Sequence[str]) -> int:
    """Print a line for each finding."""
    flags = Flags("doctor", __doc__)
    flags.add_store()
    given = flags.parse_args(argv)
    is_well = True
    for subject, finding, is_good in findings(given.store):
        say(f"{'ok ' if is_good else 'NOT'} {subject:<13} {finding}")
        is_well = is_well and is_good
    return DONE if is_well else FAILED


def findings(place: str) -> Iterator[Line]:
    """What is there, subject by subject."""
    yield (
        "mi-ray",
        f"{__version__}, Python {platform.python_version()} at {sys.executable}",
        sys.version_info >= (3, 11),
    )
    for name in NEEDED:
        found = installed(name)
        yield name, found or "not installed; pip install mi-ray", bool(found)
    for name, without in OPTIONAL.items():
        yield name, installed(name) or f"not installed: {without}", True
    yield "cores", f"{cores()} of {os.cpu_count()} for this process", True
    memory = psutil.virtual_memory()
    yield "memory", f"{amount(memory.available)} free of {amount(memory.total)}", True
    yield gpus()
    yield from of_store(place)


def installed(name: str) -> str:
    """The version of a package, empty if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def gpus() -> Line:
    """The GPUs that torch finds."""
    try:
        import torch
    except ImportError as error:
        return "gpu", f"torch cannot be imported ({error})", False
    if not torch.cuda.is_available():
        return "gpu", "none that torch finds; trainings run on the cores", True
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return "gpu", ", ".join(names), True


def of_store(place: str) -> Iterator[Line]:
    """The store, the room on its disk, and its MLflow database."""
    try:
        store = store_at(place)
        store.refuse_if_unreachable()
    except (Refused, Stopped) as reason:
        yield "store", str(reason), False
        return
    if store.bucket is not None:
        yield "store", f"{place}, reached", True
        return
    root = store.root.resolve()
    if not store.cells.is_dir():
        yield "store", f"{root}: none yet; the first run makes it", True
    else:
        n = sum(1 for _ in store.cells.iterdir())
        is_writable = os.access(root, os.W_OK)
        yield "store", f"{root}: {n} cells{'' if is_writable else ', which this user may not write'}", is_writable
    there: Path = next(folder for folder in (root, *root.parents) if folder.exists())
    yield "disk", f"{amount(shutil.disk_usage(there).free)} free", True
    database = root / "mlflow.db"
    yield "tracking", f"sqlite:///{database}" if database.is_file() else "no database yet; the first run makes it", True
