"""Send classes of a user's own to workers that cannot import them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from ray import cloudpickle

from mi_ray.experiments.declare.own.base import declared_values
from mi_ray.experiments.plan.plan import Job


def pickle_own_by_value(jobs: Iterable[Job]) -> None:
    """Pickle the modules of declared classes from outside mi_ray by value, as Python does with ``__main__``.

    Workers then need neither the file nor its folder. Modules that such a module imports are still imported there.
    """
    classes = {cls for job in jobs for cell in job.cells for cls in declared_classes(cell.declaration)}
    for name in {base.__module__ for cls in classes for base in cls.__mro__}:
        if name.partition(".")[0] not in ("mi_ray", "__main__", *sys.stdlib_module_names):
            cloudpickle.register_pickle_by_value(sys.modules[name])


def declared_classes(value: object) -> Iterator[type]:
    """Classes of a declared value and of everything in it."""
    return map(type, declared_values(value))
