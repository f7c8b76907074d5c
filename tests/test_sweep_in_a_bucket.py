"""A sweep whose store is a bucket, in processes of its own: computed once, on whatever machine it is asked again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.buckets import new_bucket, objects

ROOT = Path(__file__).parents[1]
SMALL = ["--preset", "smoke", "--axis", "pairing=color", "--axis", "task=color", "--axis", "views=2000"]


def run(script: str, *flags: str, cache: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    changed = os.environ | {"MI_RAY_CACHE": str(cache), "OMP_NUM_THREADS": "1"} | environment
    command = [sys.executable, str(ROOT / script), *flags]
    return subprocess.run(command, env=changed, capture_output=True, text=True, timeout=240)


@pytest.fixture
def place(s3: str) -> str:
    return new_bucket()


def test_what_one_machine_computed_another_finds_draws_and_reports(place: str, tmp_path: Path):
    here, there = tmp_path / "here", tmp_path / "there"
    first = run("sweeps/infomin_grid.py", *SMALL, "--on", "here", "--store", place, cache=here)
    assert first.returncode == 0, first.stderr
    assert "computed: 4 cells" in first.stdout and f"store:    {place}" in first.stdout
    before = {name: content for name, content in objects(place).items() if not name.startswith("driver/")}
    assert {name.split("/")[0] for name in before} == {"cells", "data"}, "attempts are swept"
    again = run("sweeps/infomin_grid.py", *SMALL, "--on", "here", "--store", place, cache=there)
    assert again.returncode == 0, again.stderr
    assert "0 cells: everything was in the store" in again.stdout
    assert {name: objects(place)[name] for name in before} == before
    assert not list(there.rglob("encoder.safetensors")), "what nobody reads is not brought"
    drawn = run("analysis/infomin_heatmap.py", *SMALL, "--store", place, cache=there)
    assert drawn.returncode == 0 and str(there) in drawn.stdout, drawn.stderr
    page = run("analysis/report.py", "--store", place, cache=there)
    assert page.returncode == 0 and "training" in Path(page.stdout.strip()).read_text(), page.stderr


@pytest.mark.parametrize("script", ["sweeps/infomin_grid.py", "analysis/infomin_heatmap.py", "analysis/report.py"])
def test_a_bucket_that_is_not_there_is_refused_in_one_line_before_anything_starts(s3: str, tmp_path: Path, script: str):
    refused = run(script, "--store", "s3://nowhere/runs", cache=tmp_path / "cache")
    assert refused.returncode != 0 and refused.stdout == ""
    assert "store: 's3://nowhere/runs' cannot be reached" in refused.stderr and refused.stderr.count("\n") == 1
    assert not (tmp_path / "cache").exists()


def test_without_credentials_a_bucket_is_refused_in_one_line(place: str, tmp_path: Path):
    none = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
    nobody = {"HOME": str(tmp_path), **none}
    refused = run("sweeps/infomin_grid.py", *SMALL, "--store", place, cache=tmp_path / "cache", **nobody)
    assert refused.returncode == 2 and "NoCredentialsError" in refused.stderr and refused.stderr.count("\n") == 1
