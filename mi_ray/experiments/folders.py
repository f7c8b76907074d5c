"""Folders that a declaration names: looked for before anything heavy is imported."""

from __future__ import annotations

from pathlib import Path

from mi_ray.experiments.checks import refuse
from mi_ray.experiments.declare import BUNDLED, CDP


def missing(data: CDP) -> list[str]:
    """Folders that the declaration names and that are not there, each as ``field: folder``."""
    folders = {"digits": data.digits, "backgrounds": data.backgrounds}
    return [f"{field}: {path}" for field, path in folders.items() if path != BUNDLED and not Path(path).is_dir()]


def refuse_missing(data: CDP) -> None:
    """Refuse the first folder that is not there, by name."""
    for absent in missing(data):
        field, _, path = absent.partition(": ")
        raise refuse(field, path, f"{BUNDLED} or an existing folder")
