"""A cell that kills its process is skipped in the end, and a search goes on without candidates that failed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mi_ray.experiments.store.lost import MOST_DEATHS, deaths, fail, failed, forgive, poison, settle
from mi_ray.experiments.store.store import Store

DIES = """
import os, sys
sys.modules["mlflow"] = None
from mi_ray.experiments.run import serial
from mi_ray.launch import launch
from tests.running.studies import SMALL

def compute(job, *arguments, **options):
    if job.cells[0].parameters.get("pairing") == "color" and job.kind == "training" and not os.environ.get("HEALED"):
        job_store = arguments[1]
        job_store.attempt(job.cells[0].key)
        os.kill(os.getpid(), 9)
    return original(job, *arguments, **options)

original, serial.compute = serial.compute, compute
launch(SMALL, sys.argv[1:])
"""

ROOT = Path(__file__).parents[2]


def command(store: Path, *flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A study whose training of pairing=color kills its process; the other does not."""
    return subprocess.run(
        [sys.executable, "-c", DIES, "--on", "here", "--store", str(store), *flags], capture_output=True, text=True,
        env=os.environ | environment, cwd=ROOT,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.fault("F33", "a cell that kills its process each time, with --on here")
def test_a_cell_that_kills_its_process_is_skipped_and_the_others_are_computed(tmp_path: Path, recovery) -> None:
    assert [command(tmp_path).returncode for _ in range(MOST_DEATHS)] == [-9] * MOST_DEATHS
    listed = command(tmp_path, "--dry-run")
    assert "skipped   training pairing=color: killed its process 3 times" in listed.stdout
    ran = command(tmp_path)
    assert ran.returncode == 1 and ran.stderr == ""
    assert "failed  training pairing=color  killed its process 3 times; skipped; --retry tries it again" in ran.stdout
    assert "computed:" in ran.stdout and len(list((tmp_path / "cells").iterdir())) == 3
    assert command(tmp_path).returncode == 1
    assert command(tmp_path, "--retry", HEALED="1").returncode == 0
    assert len(list((tmp_path / "cells").iterdir())) == 6 and not list((tmp_path / "work").iterdir())
    recovery.redone = "the poison cell 3 times, no other"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    store.prepare()
    return store


def test_deaths_are_those_of_a_driver_that_computed_the_cell_itself(store: Store) -> None:
    for _ in range(MOST_DEATHS):
        store.attempt("a")
        settle(store, counts=True)
        store.attempt("b")
        settle(store, counts=False)
        store.attempt("c").end("Diverged")
        settle(store, counts=True)
    assert poison(store) == {"a": "killed its process 3 times; skipped"}
    forgive(store, ["a"])
    assert poison(store) == {}
    store.attempt("a")
    settle(store, counts=True)
    assert poison(store) == {}


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ({}, 0),
        ({1: {"died"}, 2: {"died"}, 3: {"died", "progress"}}, 3),
        ({1: {"died", "checkpoints/000000010-ab.safetensors"}, 2: {"died", "checkpoints/000000020-ab.safetensors"}}, 1),
        ({1: {"died", "checkpoints/000000010-ab.safetensors"}, 2: {"died"}, 3: {"died"}}, 3),
        ({1: {"died"}, 2: {"ended"}, 3: {"died"}, 10: {""}}, 2),
        ({1: {"died", "checkpoints/new.safetensors"}}, 1),
    ],
)
def test_a_death_after_a_step_forward_is_laid_to_who_killed_it(attempts, expected) -> None:
    assert deaths({number: frozenset(names) for number, names in attempts.items()}) == expected


def test_what_failed_is_remembered_until_it_is_committed_or_tried_again(store: Store) -> None:
    store.attempt("a")
    fail(store, ["a", "b"], "Diverged: loss is nan")
    assert failed(store) == {"a": "Diverged: loss is nan", "b": "Diverged: loss is nan"}
    forgive(store, ["b"])
    assert failed(store) == {"a": "Diverged: loss is nan"}
    (attempt,) = [store.attempt("a")]
    attempt.publish({})
    assert failed(store) == {}
