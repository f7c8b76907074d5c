"""What a driver and its workers share: small values that the cluster's head keeps, and classes of a user's own."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

import ray
from ray import cloudpickle
from ray._private import worker as ray_worker

from mi_ray.experiments.declare.own.base import declared_values
from mi_ray.experiments.plan.plan import Job

ANSWER_SECONDS, FIRST_SECONDS = 3.0, 60.0
"""Seconds that the head has for an answer, and for one without which nothing goes on. Ray's own functions wait for a
dead head without end."""


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
    name = f"shared/{secrets.token_hex(8)}"
    put(name, cloudpickle.dumps(value), FIRST_SECONDS)
    try:
        yield name
    finally:
        with suppress(Exception):  # a head that does not answer keeps nothing
            remove(name)


@lru_cache(maxsize=1)
def shared(name: str) -> Any:
    """The value that the driver shared; fetched once per process."""
    content = get(name, FIRST_SECONDS)
    if content is None:
        raise RuntimeError(f"the cluster's head has no value of {name!r}: the driver that shared it has ended")
    return cloudpickle.loads(content)


def put(name: str, value: bytes, seconds: float = ANSWER_SECONDS) -> None:
    """Have the head keep ``value`` for this driver and its workers; raises Ray's RpcError if it does not answer
    within ``seconds``."""
    _head().internal_kv_put(name.encode(), value, True, _namespace(), timeout=seconds)


def get(name: str, seconds: float = ANSWER_SECONDS) -> bytes | None:
    """The value of a name, None if the head has none; raises as `put`."""
    return _head().internal_kv_get(name.encode(), _namespace(), timeout=seconds)


def names(begin: str) -> list[str]:
    """The names that begin with ``begin``; raises as `put`."""
    found = _head().internal_kv_keys(begin.encode(), _namespace(), timeout=ANSWER_SECONDS)
    return [name.decode() for name in found]


def remove(name: str, *, is_beginning: bool = False) -> None:
    """Remove a name, or all that begin with it; raises as `put`."""
    _head().internal_kv_del(name.encode(), is_beginning, _namespace(), timeout=ANSWER_SECONDS)


def _head() -> Any:
    return ray_worker.global_worker.gcs_client  # type: ignore[attr-defined]


def _namespace() -> bytes:
    """Of the values of this driver and its workers: drivers on one cluster may use the same names."""
    return f"mi_ray/{ray.get_runtime_context().get_job_id()}".encode()
