"""Real sweeps as processes; tests that only read a smoke run on Ray share one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.matrix import PATIENCE


@pytest.fixture(autouse=True)
def no_ray_left() -> Iterator[None]:
    """Disconnect from a cluster that a test has left, so that the next one starts its own."""
    yield
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        ray.shutdown()


ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, str(ROOT / "sweeps" / "infomin_grid.py")]


@dataclass(frozen=True)
class Ran:
    """Exit code and output of a sweep."""

    code: int
    out: str
    err: str


def start(*flags: str, store: Path | str, **environment: str) -> subprocess.Popen[str]:
    """Start a sweep and leave it running."""
    return subprocess.Popen(
        [*COMMAND, "--preset", "smoke", "--store", str(store), *flags],
        env=os.environ | environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def sweep(*flags: str, store: Path | str, **environment: str) -> Ran:
    """Run a sweep to its end."""
    process = start(*flags, store=store, **environment)
    out, err = process.communicate(timeout=PATIENCE)
    return Ran(process.returncode, out, err)


@dataclass(frozen=True)
class Smoke:
    """The shared smoke run on Ray."""

    store: Path
    ran: Ran


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Smoke:
    """`--preset smoke` on Ray with MLflow and figures, once."""
    store = tmp_path_factory.mktemp("smoke") / "runs"
    return Smoke(store, sweep(store=store))
