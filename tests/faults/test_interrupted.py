"""An interrupted run says at once what it saves and what it loses, saves it, and then says what is kept."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from mi_ray.experiments.plan.search import Range, Search
from mi_ray.experiments.run.loop import STOPPING
from mi_ray.experiments.store.lost import kept_step
from mi_ray.experiments.store.store import Store
from mi_ray.running.exit import INTERRUPTED, interrupt
from mi_ray.running.stop import LOST, SAVED, announced, kept, stopping_in_order
from tests.faults.matrix import PATIENCE
from tests.running.rehearsal import SMALL, Rehearsal
from tests.running.studies import SMALL as STUDY

ROOT = Path(__file__).parents[2]
VIEWS = 10**6
"""Of a training that takes minutes."""

STARTED = """
import signal, sys, time
sys.modules["mlflow"] = None
from dataclasses import replace
from mi_ray.experiments.run import serial
from mi_ray.launch import launch
from tests.faults.test_interrupted import long_study, hanging, searching
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job ignores
launch({study}(), ["--on", "here", "--store", sys.argv[1]])
"""


def long_trial(*, pairing: str = "color", seed: int = 0, learning_rate: float = 1e-3):
    """The study's, with a training that takes minutes."""
    (question,) = STUDY.trial(pairing=pairing, seed=seed)
    training = replace(question.embedding.encoder, views=VIEWS, learning_rate=learning_rate)
    return (replace(question, embedding=replace(question.embedding, encoder=training)),)


def long_study():
    return replace(STUDY, trial=long_trial)


def searched(*, seed: int = 0) -> Search:
    def asked(*, power: float, views: int, seed: int = seed):
        return long_trial(seed=seed, learning_rate=10**power)

    return Search(
        trial=asked, space={"power": Range(low=-4, high=-2, step=1, default=-3)}, candidates=2, generation=2,
        objectives={"evaluation": "linear_balanced_validation_accuracy"}, short_views=VIEWS - 1, views=VIEWS,
        noise_seeds=2, fresh_seeds=2,
    )  # fmt: skip


def searching():
    return replace(STUDY, trial=searched, axes={"seed": (0,)}, presets={"all": {}})


def hanging():
    """Its trainings neither end nor save."""
    from mi_ray.experiments.run import job

    job.compute = lambda *_, **__: time.sleep(PATIENCE)
    return STUDY


@contextmanager
def started(study: str, store: Path) -> Iterator[subprocess.Popen[str]]:
    """A study as a process, with its first training at work; killed if a test has not ended it."""
    process = subprocess.Popen(
        [sys.executable, "-c", STARTED.format(study=study), str(store)], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert any("start   training" in line for line in process.stdout), process.stderr.read()
        yield process
    finally:
        process.kill()
        process.communicate()


def step_saved(study: str, store: Path, number: signal.Signals) -> int:
    """Start a study, and interrupt it once its training has got further; returns the step that it says is saved."""
    steps = long_trial()[0].embedding.encoder.steps
    with started(study, store) as process:
        while not (work := list(Store(store).work.glob("training-*"))):
            time.sleep(0.05)
        key = work[0].name
        before = kept_step(Store(store), key)
        while Store(store).progress(key) * steps < before + 1:
            time.sleep(0.05)
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
    assert [line for line in err.splitlines() if line.startswith("small: ")] == [
        "small: stopping; saving 1 training; again: at once",
        "small: interrupted; what is committed is kept, the same command goes on",
    ]
    assert process.returncode == INTERRUPTED and "computed: 0 cells;" in out
    (step,) = re.findall(rf"saved   training .*  at step (\d+) of {steps}$", out, re.MULTILINE)
    assert kept_step(Store(store), key) == int(step)
    return int(step)


@pytest.mark.fault("F10", "Ctrl-C in a training with --on here")
def test_a_training_is_saved_where_it_is_interrupted(tmp_path):
    assert step_saved("long_study", tmp_path, signal.SIGINT) > 0


@pytest.mark.slow
@pytest.mark.fault("F10", "SIGTERM, and again in the next try, with --on here")
def test_the_next_try_goes_on_from_where_a_training_was_saved(tmp_path):
    first = step_saved("long_study", tmp_path, signal.SIGTERM)
    assert 0 < first < step_saved("long_study", tmp_path, signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.fault("F10", "Ctrl-C in a training of a search, with --on here")
def test_a_training_of_a_search_is_saved_too(tmp_path):
    assert step_saved("searching", tmp_path, signal.SIGINT) > 0


@pytest.mark.slow
@pytest.mark.fault("F10", "a second Ctrl-C in a training that does not save")
def test_the_second_interruption_does_not_wait(tmp_path):
    with started("hanging", tmp_path) as process:
        process.send_signal(signal.SIGINT)
        while "small: stopping; saving 1 training" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == INTERRUPTED and "interrupted" in err
    assert re.search(r"lost    training pairing=color  \d+ s of work", out)


def test_one_line_counts_what_is_saved_and_what_is_lost(store):
    rehearsal = Rehearsal(store, **SMALL)
    trainings = [job for job in rehearsal.jobs if job.kind == "training"]
    estimation, evaluation = rehearsal.job("estimation"), rehearsal.job("evaluation")
    assert announced([]) == "stopping"
    assert announced(trainings) == "stopping; saving 2 trainings"
    assert announced([estimation]) == "stopping; losing 1 estimation"
    mixed = [trainings[0], estimation, evaluation, estimation]
    assert announced(mixed) == "stopping; saving 1 training, losing 2 estimations, 1 evaluation"


def test_of_a_training_the_newest_checkpoint_is_kept_and_of_what_is_committed_nothing_is_said(store):
    rehearsal = Rehearsal(store, **SMALL)
    job = rehearsal.job("training")
    steps = job.cells[0].declaration.steps
    rehearsal.start(job)
    assert kept(store, job, 3.2) == (LOST, "3 s of work")
    folder = store.work / job.key / "1" / "checkpoints"
    folder.mkdir()
    for step in (2, 10):
        (folder / f"{step:09d}-{'a' * 32}.safetensors").touch()
    rehearsal.progress(job, 10 / steps)
    assert kept(store, job, 3.2) == (SAVED, f"at step 10 of {steps}")
    rehearsal.progress(job, 13 / steps)
    assert kept(store, job, 3.2) == (SAVED, f"at step 10 of {steps}; 3 steps after it are lost")
    rehearsal.screen.stopped()
    assert rehearsal.lines[-1].endswith(
        f"saved   training pairing=color  at step 10 of {steps}; 3 steps after it are lost"
    )
    rehearsal.commit(job, 5.0)
    assert kept(store, job, 3.2) is None


def test_an_interruption_is_raised_at_once_where_nothing_saves_and_at_the_end_where_something_does(capsys):
    with pytest.raises(KeyboardInterrupt), stopping_in_order("study", list):
        interrupt()
        raise AssertionError("nothing is saved")
    with pytest.raises(KeyboardInterrupt), stopping_in_order("study", list), STOPPING.heeded():
        interrupt()
        assert STOPPING.asked
    assert not STOPPING.asked, "the next run is not stopped"
    assert capsys.readouterr().err.splitlines() == ["study: stopping", "study: stopping; again: at once"]
    with pytest.raises(KeyboardInterrupt):
        interrupt()
