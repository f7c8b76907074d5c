"""The loader beside torchvision's, and a training step fed by it beside the step on tensors in memory, in one run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LEAST = {"simclr": 1.5, "plain pairs": 2.0, "plain": 2.0}
"""Least median ratio to torchvision's views per second."""

FED = 0.95
"""Least share of the step on tensors in memory that a fed step reaches."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def tables() -> dict[str, list[dict[str, Any]]]:
    """What `benchmarks/loader.py` measures; kept beside the photographs."""
    scale = Path(os.environ["SCALE"])
    told = scale / "loader.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "loader.py"), str(scale / "tenth"), "--out", str(told)]
    subprocess.run(command, check=True)
    return json.loads(told.read_text())


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("kind", LEAST)
def test_views_come_faster_than_torchvisions(tables, kind, workers):
    row = next(row for row in tables["loader"] if (row["kind"], row["workers"]) == (kind, workers))
    _, middle, _ = row["ratio"]
    assert middle >= LEAST[kind], row


def test_a_step_does_not_wait_for_a_loader_that_is_faster(tables):
    one = [row for row in tables["step"] if row["workers"] == 1]  # with this process as many as two cores
    faster = [row for row in one if row["loader"] > row["resident"]]
    assert faster, one
    assert all(row["share"][1] >= FED for row in faster), faster
