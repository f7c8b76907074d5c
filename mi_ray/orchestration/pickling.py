"""What workers get from the driver: one value for all of them, and classes of a user's own that they cannot import."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

import ray
from ray import cloudpickle
from ray.experimental import internal_kv

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


@contextmanager
def sharing(value: object) -> Iterator[str]:
    """Give ``value`` to all workers of this driver for the block; yields the name by which `shared` finds it.

    The head keeps it. Ray's object store is no place for it: when a local raylet dies, Ray looks for the driver's
    objects there, does not reach them, and ends the driver with exit code 1 and no word.
    """
    name, own = f"shared/{secrets.token_hex(8)}", namespace()
    internal_kv._internal_kv_put(name, cloudpickle.dumps(value), True, namespace=own)
    try:
        yield name
    finally:
        with suppress(Exception):  # a head that does not answer keeps nothing
            internal_kv._internal_kv_del(name, namespace=own)


@lru_cache(maxsize=1)
def shared(name: str) -> Any:
    """The value that the driver shared; fetched once per process."""
    content = internal_kv._internal_kv_get(name, namespace=namespace())
    if content is None:
        raise RuntimeError(f"the cluster's head has no value of {name!r}: the driver that shared it has ended")
    return cloudpickle.loads(content)


def namespace() -> bytes:
    """Of the values of this driver and its workers: drivers on one cluster may use the same names."""
    return f"mi_ray/{ray.get_runtime_context().get_job_id()}".encode()
