"""Small questions share a trial; what ends one of them is told of that one alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mi_ray.experiments.plan.plan import Job
from mi_ray.experiments.store.store import Store
from mi_ray.orchestration import trial
from mi_ray.orchestration.cluster import Capacity
from mi_ray.orchestration.connection import connected
from mi_ray.orchestration.sweep import run_trials
from mi_ray.orchestration.trial import MOST_IN_BATCH, Pace
from tests.orchestration.trials import Faulty, Heard, chains

QUESTIONS = 12
BAD = "estimation-0-7"


def batch_of(pace: Pace, questions: list[Job]) -> int:
    """How many of the questions travel together."""
    room = pace.room_beside(questions[0])
    return 1 + next((number for number, other in enumerate(questions[1:]) if not room(other)), len(questions) - 1)


@pytest.mark.parametrize(
    ("seconds", "batch"),
    [((), 1), ((0.1,), 5), ((7.0,), 1), ((0.0,), MOST_IN_BATCH), ((7.0, 0.01), 1), ((0.3, 0.1), 2)],
)
def test_a_batch_takes_half_a_second_at_the_pace_of_late(seconds: tuple[float, ...], batch: int):
    pace, (training, *questions) = Pace(), list(chains(1, 2 * MOST_IN_BATCH))
    for each in seconds:
        pace.learn(questions[:1], each)
    assert batch_of(pace, questions) == batch and batch_of(pace, [training, training]) == 1


def test_a_larger_question_of_a_kind_whose_last_was_small_travels_alone():
    pace, (_, small, *_) = Pace(), list(chains(1, 2))
    question = small.cells[0].declaration
    large = Job((replace(small.cells[0], declaration=replace(question, steps=100 * question.steps)),))
    pace.learn([small], 0.1)
    assert batch_of(pace, [small, small]) == 2 and batch_of(pace, [small, large]) == 1


def asked(store: Store, capacity: Capacity, what: str = "", times: int = 99) -> Heard:
    """The events of a training and `QUESTIONS` small questions, of which `BAD` meets a fault."""
    heard = Heard()
    store.prepare()
    run_trials(chains(1, QUESTIONS), Faulty(store, what, times, bad=BAD), store, heard, capacity=capacity)
    return heard


def trials(store: Store) -> dict[str, str]:
    """The trial of each committed cell."""
    return {path.name: store.read(path.name).result["trial"] for path in store.cells.iterdir()}


@pytest.mark.ray
def test_small_questions_share_trials_and_one_that_raises_an_error_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(trial, "BATCH_SECONDS", 600.0)  # however slow this machine is
    well, ill = Store(tmp_path / "well"), Store(tmp_path / "ill")
    with connected(None, 1) as capacity:
        heard, heard_ill = asked(well, capacity), asked(ill, capacity, "raise")
    assert len(trials(well)) == QUESTIONS + 1
    assert len(set(trials(well).values())) == 3, "the training, the first question, the rest"
    events = [(event, key) for event, key, _ in heard.events if key != "training-0"]
    assert events[::2] == [("started", key) for _, key in events[1::2]]
    assert {event for event, _ in events[1::2]} == {"finished"} and len(events) == 2 * QUESTIONS
    assert (
        heard_ill.told("failed").keys() == {BAD}
        and heard_ill.told("failed")[BAD].startswith("ValueError: no")
        and not heard_ill.told("died")
    )
    assert len(trials(ill)) == QUESTIONS and BAD not in trials(ill)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.fault("F1", "a question of a batch kills its process, once and always")
def test_a_death_in_a_batch_is_that_of_one_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trial, "BATCH_SECONDS", 600.0)
    once, always = Store(tmp_path / "once"), Store(tmp_path / "always")
    with connected(None, 1) as capacity:
        heard, heard_always = asked(once, capacity, "kill", times=1), asked(always, capacity, "kill")
    assert heard.told("died").keys() == {BAD} and not heard.told("failed")
    assert heard.told("finished").keys() == trials(once).keys() and len(trials(once)) == QUESTIONS + 1
    assert heard_always.told("failed").keys() == {BAD} and "(3 tries)" in heard_always.told("failed")[BAD]
    assert len(trials(always)) == QUESTIONS and BAD not in trials(always)
