"""The Ray cluster that a study runs on: an existing one, or a local one over this machine's cores."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import ray

from mi_ray.experiments.checks import Refused

QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_SLOW_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "600",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}


@dataclass(frozen=True)
class Capacity:
    """What the cluster has: processor cores and GPUs."""

    cpus: float
    gpus: float


@contextmanager
def connected(address: str | None) -> Iterator[Capacity]:
    """Connect to the cluster at ``address``, or start one here; disconnected (and stopped, if ours) afterwards."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        ray.init(**_arguments(address))
    except ConnectionError as error:
        raise Refused(f"address: {address!r} does not answer ({error}); allowed: a running Ray cluster") from error
    try:
        total = ray.cluster_resources()
        yield Capacity(total.get("CPU", 0.0), total.get("GPU", 0.0))
    finally:
        ray.shutdown()


def _arguments(address: str | None) -> dict:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    if address is not None:
        return {"address": address, **quiet}
    return {"address": "local", "num_cpus": os.cpu_count(), "include_dashboard": False, **quiet}
