"""Costs in docs/cluster.md are those that a dry run prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_quotes_what_the_dry_run_prints(tmp_path: Path):
    command = [sys.executable, "sweeps/infomin_grid.py", "--preset", "paper", "--dry-run", "--store", str(tmp_path)]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    cost_lines = [line for line in printed if line.startswith(("240 cells", "about "))]
    assert len(cost_lines) == 2
    assert "\n".join(cost_lines) in (ROOT / "docs" / "cluster.md").read_text()


def test_the_page_quotes_the_disk_and_the_loaders_of_imagenet_1k(tmp_path: Path):
    command = [sys.executable, "sweeps/encoder_zoo.py", "--preset", "paper-1k", "--dry-run", "--store", str(tmp_path)]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    page = (ROOT / "docs" / "cluster.md").read_text()
    (disk,) = [line for line in printed if line.startswith("disk")]
    assert disk.partition("free): ")[2] in page and disk[: disk.index(" more in")] in page
    assert next(line.partition(";")[0] for line in printed if line.startswith("loaders") and "on a GPU" in line) in page
