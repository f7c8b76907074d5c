"""What is told of a job: for how long it waits for resources, what it failed of, and after how many tries."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from ray.tune import register_trainable

from mi_ray.experiments.store.store import Store
from mi_ray.orchestration.cluster import Capacity, Share
from mi_ray.orchestration.dependent_trials import DependentTrials
from mi_ray.orchestration.placement import WAIT_SECONDS, Occupancy, Waits
from mi_ray.orchestration.trial import JobTrial
from tests.orchestration.trials import BAD, Heard, chains

pytestmark = pytest.mark.ray


@pytest.mark.parametrize(
    ("deaths", "last", "told"),
    [
        (["node: gone"] * 2, "exit: by a signal", "exit: by a signal (3 tries)"),
        (["preempted: taken"] * 3, "exit: by a signal", "exit: by a signal (4 tries)"),
        ([], "start: no room", "start: no room (1 try)"),
        (["node: gone"], "", "missing: its cells are not in the store"),
    ],
)
def test_the_last_death_is_told_with_the_tries_that_were_made(
    deaths: list[str], last: str, told: str, tmp_path: Path
) -> None:
    heard, capacity = Heard(), Capacity((Share(2, 0),))
    trials = DependentTrials(chains(1), 1, Occupancy(capacity), Store(tmp_path), heard, work=None, retries=2)
    register_trainable("job", JobTrial)
    trials.add_configurations(SimpleNamespace(spec={"run": "job", "storage": None}))
    trial = trials.next_trial()
    for trial.death in deaths:
        trials.recover(trial)
    trial.death = last or trial.death
    trials.on_trial_complete(BAD, error=bool(last))
    assert trials.fault is None and heard.told("failed") == {BAD: told}


def test_a_wait_is_said_after_a_minute_and_every_minute_again():
    waits = Waits()
    reports = {now: waits.update("a", True, now) for now in range(0, 4 * int(WAIT_SECONDS), 5)}
    assert {now: seconds for now, seconds in reports.items() if seconds is not None} == {60: 60, 120: 120, 180: 180}


def test_who_begins_waits_no_more_and_may_wait_anew():
    waits = Waits()
    assert waits.update("a", True, 0) is None
    assert waits.update("a", False, 59) is None
    assert waits.update("a", True, 61) is None
    assert waits.update("a", True, 121) == 60
    assert waits.update("b", True, 121) is None
