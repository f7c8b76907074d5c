"""A cell that kills its process is skipped in the end, and a search goes on without candidates that failed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mi_ray.experiments.declare import CDP, Embedding, LinearEvaluation, SameClass, Training
from mi_ray.experiments.plan.search import Range, Search
from mi_ray.experiments.plan.study import Matrix, Study
from mi_ray.experiments.store.lost import (
    MOST_DEATHS,
    Numbered,
    deaths,
    fail,
    failed,
    forgive,
    poison,
    settle,
    settle_run,
    traces,
    unsettled,
)
from mi_ray.experiments.store.store import Store, store_at
from mi_ray.launch import launch
from mi_ray.running.exit import DONE, FAILED
from mi_ray.running.recording import Recording
from mi_ray.running.rounds import Listeners
from tests.buckets import new_bucket
from tests.faults.matrix import Recovery
from tests.running.rehearsal import Rehearsal
from tests.running.studies import SMALL, order_in

DIES = """
import os, sys
sys.modules["mlflow"] = None
from mi_ray.experiments.run import job as run_job
from mi_ray.launch import launch
from tests.running.studies import SMALL

def compute(job, *arguments, **options):
    if job.cells[0].parameters.get("pairing") == "color" and job.kind == "training":
        arguments[1].attempt(job.cells[0].key)
        os.kill(os.getpid(), 9)
    return original(job, *arguments, **options)

original, run_job.compute = run_job.compute, compute
launch(SMALL, sys.argv[1:])
"""

ROOT = Path(__file__).parents[2]


def killed(store: Path) -> int:
    """The exit code of a study whose training of pairing=color kills its process."""
    flags = ["--on", "here", "--store", str(store)]
    return subprocess.run([sys.executable, "-c", DIES, *flags], cwd=ROOT, capture_output=True).returncode


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.fault("F33", "a cell that kills its process each time, with --on here")
def test_a_cell_that_kills_its_process_is_skipped_and_the_others_are_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], recovery: Recovery
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert [killed(tmp_path) for _ in range(MOST_DEATHS)] == [-signal.SIGKILL] * MOST_DEATHS
    assert launched(tmp_path, study=SMALL) == FAILED
    out, err = capsys.readouterr()
    assert "failed  training pairing=color  killed its process 3 times; skipped; --retry tries it again" in out
    assert err == "" and len(list((tmp_path / "cells").iterdir())) == 3
    (attempts,) = traces(Store(tmp_path)).values()
    recovery.redone = f"{len(attempts)} tries of the poison cell, no other"
    assert launched(tmp_path, "--dry-run", study=SMALL) == DONE
    assert "skipped   training pairing=color: killed its process 3 times" in capsys.readouterr().out
    assert launched(tmp_path, "--retry", study=SMALL) == DONE
    assert len(list((tmp_path / "cells").iterdir())) == 6 and not list((tmp_path / "work").iterdir())


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


DEATHS = [
    "oom: all of it",
    "node: gone",
    "hung: still",
    "preempted: taken",
    "start: no room",
    "tune: it ended",
    "missing: ",
]


@pytest.mark.parametrize(
    ("reason", "raised", "died"),
    [("Diverged: loss is nan", True, 0), ("exit: by a signal", False, 2), *((reason, False, 0) for reason in DEATHS)],
)
def test_a_search_forgets_only_what_a_job_raised_and_a_cell_counts_only_its_own_exits(
    reason: str, raised: bool, died: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    rehearsal, exits = Rehearsal(Store(tmp_path)), set[Numbered]()
    store, job = rehearsal.store, rehearsal.job("training")
    heard = Listeners(rehearsal.screen, Recording(order_in(tmp_path)), [], marks=True, exits=exits)
    for hear, told in ((heard.died, "node: gone"), (heard.died, reason), (heard.failed, reason)):
        store.attempt(job.key)
        hear(job, told)
    unheard = store.attempt("of a worker of a training").key
    settle_run(store, exits)
    assert failed(store) == ({job.key: reason} if raised else {}) and unsettled(store) == set()
    assert deaths(traces(store)[job.key]) == died and deaths(traces(store)[unheard]) == 0


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


@pytest.mark.usefixtures("s3")
def test_attempts_at_one_cell_of_a_bucket_are_settled_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MI_RAY_CACHE", str(tmp_path))
    store = store_at(new_bucket())
    for key in ("a", "b"):
        store.attempt(key)
    settle(store, unsettled(store, "a"), counts=True)
    assert unsettled(store) == {("b", 1)} and deaths(traces(store)["a"]) == 1


def test_what_failed_is_remembered_until_it_is_committed_or_tried_again(store: Store) -> None:
    store.attempt("a")
    fail(store, ["a", "b"], "Diverged: loss is nan")
    assert failed(store) == {"a": "Diverged: loss is nan", "b": "Diverged: loss is nan"}
    forgive(store, ["b"])
    assert failed(store) == {"a": "Diverged: loss is nan"}
    (attempt,) = [store.attempt("a")]
    attempt.publish({})
    assert failed(store) == {}


def searched(*, views: int = 256) -> Search:
    """A search whose candidates are a learning rate that learns and one that diverges."""

    def asked(*, views: int, seed: int, power: float) -> tuple[LinearEvaluation]:
        data = CDP(train_images=1024, validation_images=1024, test_images=1024)
        training = Training(
            data=data, pairing=SameClass(task="color"), arch="test_resnet", views=views, seed=seed,
            learning_rate=10**power,
        )  # fmt: skip
        return (LinearEvaluation(embedding=Embedding(encoder=training), task="color"),)

    space = {"power": Range(low=-3, high=30, step=33, default=-3)}
    return Search(
        trial=asked, space=space, objectives={"evaluation": "linear_balanced_validation_accuracy"}, candidates=4,
        generation=4, short_views=128, views=views, noise_seeds=2, fresh_seeds=2,
    )  # fmt: skip


SEARCH = Study(
    name="searched",
    trial=searched,
    axes={"views": (256,)},
    presets={"all": {}},
    default_preset="all",
    matrix=Matrix(row="task", column="pairing", panels={"evaluation": "linear_accuracy"}),
)


def launched(store: Path, *flags: str, study: Study = SEARCH) -> int:
    with pytest.raises(SystemExit) as end:
        launch(study, ["--on", "here", "--store", str(store), *flags])
    return end.value.code


@pytest.mark.slow
@pytest.mark.fault("F19", "a candidate of a search that diverges, with --on here")
def test_a_search_ends_without_the_candidate_that_diverged_and_again_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert launched(tmp_path) == DONE
    first = capsys.readouterr().out
    assert "NotFinite" in first and "the default is best on validation" in first, first
    computed = set((tmp_path / "cells").iterdir())
    assert launched(tmp_path) == DONE
    again = capsys.readouterr().out
    assert "NotFinite" in again and "start   " not in again and set((tmp_path / "cells").iterdir()) == computed
    assert launched(tmp_path, "--retry") == DONE
    assert "start   embedding" in capsys.readouterr().out
