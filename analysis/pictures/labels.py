"""Names of the classes of a downstream task."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from mi_ray.theory.tasks import COLORS, DIGITS, POSITIONS, TASKS, Task

VALUES = {"color": COLORS, "digit": tuple(map(str, DIGITS)), "position": POSITIONS}


def class_names(task: str, labels: np.ndarray, n_classes: int, names: Sequence[str]) -> list[str]:
    """The name of each class: its attributes of CDP, the folder that all its images lie in, or ``class 3``.

    ``labels`` [n]: the class of each image; ``names`` [n]: the names of the images.
    """
    if task in {known.name for known in TASKS}:
        return [" ".join(values) for values in product(*(VALUES[part] for part in Task(task).attributes))]
    folders: list[set[str]] = [set() for _ in range(n_classes)]
    for label, name in zip(labels.tolist(), names, strict=True):
        folders[label].add(name.rpartition("/")[0].rpartition("/")[2])
    found = [next(iter(held)) if len(held) == 1 else "" for held in folders]
    return found if all(found) and len(set(found)) == n_classes else [f"class {place}" for place in range(n_classes)]
