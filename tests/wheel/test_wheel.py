"""The wheel, installed in a fresh environment, in an empty folder: it needs no checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", out, ROOT], check=True)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment with the wheel and the pinned versions of its dependencies."""
    place = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    pip = [place / "bin" / "python", "-m", "pip", "install", "-q", "--no-compile", "-c", ROOT / "constraints.txt"]
    subprocess.run([*pip, wheel], check=True)
    return place / "bin"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder, with embeddings."""
    folder = tmp_path_factory.mktemp("desk")
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=4000)  # with 800 rows the bracket is 0.3 bits wide
    np.savez(folder / "mine.npz", embeddings=np.eye(8)[labels] * 9 + rng.normal(size=(4000, 8)), labels=labels)
    return folder


def said(programs: Path, folder: Path, command: str) -> str:
    """What a word prints, which must end well."""
    ran = subprocess.run([programs / "mi-ray", *command.split()], cwd=folder, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_wheel_takes_no_name_but_its_own(wheel: Path):
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in tops if not name.endswith(".dist-info")} == {"mi_ray"}


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("run infomin_grid --preset smoke", "infomin-estimate"),
        ("run infomin_grid --preset smoke", "0 cells: everything was in the store"),
        ("ls", "cells: "),
        ("report", "report.html"),
        ("draw infomin_grid --preset smoke", "infomin-accuracy.png"),
        ("export --out all.csv", "all.csv: "),
        ("estimate mine.npz", "bits with 95% confidence, certified"),
        ("doctor", "ok  store"),
        ("gc --dry-run", "would be removed"),
    ],
)
def test_a_word_works_outside_a_checkout(installed: Path, desk: Path, command: str, told: str):
    assert told in said(installed, desk, command)


def test_a_cell_of_the_list_is_shown(installed: Path, desk: Path):
    key = said(installed, desk, "ls estimation-*").split()[0]
    shown = said(installed, desk, f"show {key[:20]}")
    assert shown.startswith(key) and "files (sha256):" in shown


def test_the_environment_is_consistent(installed: Path):
    ran = subprocess.run([installed / "python", "-m", "pip", "check"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout
