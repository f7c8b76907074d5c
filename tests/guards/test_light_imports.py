"""What each quick command and each floor may not import: heavy packages cost seconds and hundreds of megabytes.

Every module that a process imports is read from ``python -X importtime``, so that no way to end it hides one.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mi_ray.compute.training import sizes

ROOT = Path(__file__).resolve().parents[2]

NETWORKS = ("torch", "torchvision", "timm")
DRAWING = ("matplotlib", "pandas")
SCIENCE = ("sklearn", "scipy.stats", "scipy.special", "scipy.sparse")
CLUSTER = ("ray", "optuna")
COMPILER = ("torch._dynamo", "sympy")
HEAVY = (*NETWORKS, *DRAWING, *SCIENCE, *CLUSTER, *COMPILER, "mlflow", "sqlalchemy", "pyarrow")

STUDIES = sorted(path.stem for path in (ROOT / "sweeps").glob("*.py") if "STUDY = " in path.read_text())
FIGURES = sorted(path.stem for path in (ROOT / "analysis").glob("*.py") if "__main__" in path.read_text())


def imported(*command: str, folder: Path = ROOT) -> tuple[set[str], str]:
    """The modules that ``python command`` imports, and what it prints."""
    run = [sys.executable, "-X", "importtime", *command]
    ran = subprocess.run(run, capture_output=True, text=True, cwd=folder, timeout=120)
    lines = [line for line in ran.stderr.splitlines() if line.startswith("import time:")]
    told = [line for line in ran.stderr.splitlines() if not line.startswith("import time:")]
    assert ran.returncode == 0, told
    return {line.rpartition("|")[2].strip() for line in lines}, ran.stdout


def heavy(modules: set[str], banned: tuple[str, ...] = HEAVY) -> list[str]:
    """The banned packages among the modules."""
    return [name for name in banned if name in modules]


WORDS = """
import sys
from contextlib import suppress
from mi_ray.commands.main import WORDS, answered
for given in [["--help"], ["--version"], ["run"], *([word, "--help"] for word in WORDS)]:
    with suppress(SystemExit):
        answered(given)
"""


def test_no_word_of_the_command_line_imports_anything_heavy_before_its_flags_are_read() -> None:
    modules, told = imported("-c", WORDS)
    assert heavy(modules) == [] and {f"usage: mi-ray {word}" for word in ("ls", "embed", "export")} <= usages(told)


def usages(told: str) -> set[str]:
    """The beginnings of the lines of usage, of which there is one for each word."""
    return {" ".join(line.split()[:3]) for line in told.splitlines() if line.startswith("usage: ")}


@pytest.fixture(scope="module")
def known_sizes() -> None:
    """The sizes of the smoke preset's encoder are remembered on this machine, as after any dry run."""
    sizes.encoder_bytes("resnet10t", "imagenet")
    for training in (False, True):
        sizes.forward_pass("resnet10t", 32, training=training)
    sizes.activation_bytes("resnet10t", 32, "imagenet")
    sizes.width("resnet10t")


@pytest.mark.usefixtures("known_sizes")
def test_a_dry_run_imports_neither_torch_nor_ray_nor_mlflow(tmp_path: Path) -> None:
    modules, told = imported("sweeps/infomin_grid.py", "--preset", "smoke", "--dry-run", "--store", str(tmp_path / "s"))
    assert heavy(modules, tuple(name for name in HEAVY if name != "scipy.special")) == []
    assert "wall time about" in told


GROUPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "studies, whose flags are read next": (", ".join(f"sweeps.{name}" for name in STUDIES), HEAVY),
    "analyses, whose flags are read next": (", ".join(f"analysis.{name}" for name in FIGURES), HEAVY),
    "declarations, plans and the store": (
        "mi_ray.experiments.declare, mi_ray.experiments.plan.costs, mi_ray.experiments.plan.room,"
        " mi_ray.experiments.images.census, mi_ray.experiments.store.healing, mi_ray.experiments.results.statement",
        HEAVY,
    ),
    "the driver of a run, before Ray": ("mi_ray.running.rounds, mi_ray.running.dry_run, mi_ray.launch", HEAVY),
    "the driver's part of Ray": (
        "mi_ray.orchestration.sweep",
        (*NETWORKS, *SCIENCE, *COMPILER, "matplotlib", "mlflow", "optuna"),
    ),
    "MLflow's mirror": ("mi_ray.tracking.recorder", (*NETWORKS, *COMPILER, *CLUSTER, "matplotlib", "sklearn")),
    "the job of a trial": (
        "mi_ray.experiments.run.job",
        (*COMPILER, *CLUSTER, *DRAWING, "scipy.stats", "sklearn", "mlflow", "pyarrow"),
    ),
}
"""Modules, and what importing them may not import."""


@pytest.mark.parametrize("group", GROUPS)
def test_a_floor_imports_only_what_it_needs(group: str) -> None:
    names, banned = GROUPS[group]
    modules, _ = imported("-c", f"import {names}")
    assert heavy(modules, banned) == []


STEP = """
import numpy as np, torch
from mi_ray.compute.training.networks import encoder
from mi_ray.compute.numerics.eager import eager
f_e = encoder("test_resnet", seed=0)
optimizer = eager(torch.optim.AdamW)(f_e.parameters(), fused=True)
f_e(torch.zeros(2, 3, 32, 32)).sum().backward()
optimizer.step()
optimizer.zero_grad()
"""


def test_a_training_step_imports_no_compiler() -> None:
    modules, _ = imported("-c", STEP)
    assert heavy(modules, COMPILER) == []
