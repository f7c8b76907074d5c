"""Claims: if several drivers create runs for one cell, one run stays, and no driver's work is lost."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from mi_ray.tracking import claims
from mi_ray.tracking.claims import WRITER, Claim, Claims
from mi_ray.tracking.mirror import CELL_KEY, CLAIMED, COMPLETE, MIRRORED, runs
from mi_ray.tracking.origin import FINGERPRINT

KEY = "training-of-two"


class Experiment:
    """An MLflow experiment, and the actions of its writers."""

    def __init__(self, uri: str, name: str) -> None:
        self.client = MlflowClient(uri)
        self.id = self.client.create_experiment(name)

    def bid(self, key: str, **tags: str) -> str:
        return self.client.create_run(self.id, tags={CELL_KEY: key, **tags}).info.run_id

    def settle(self, writer: str, fingerprint: str, key: str = KEY) -> Claim:
        def create(claim: Mapping[str, str]) -> str:
            return self.bid(key, **claim)

        return Claims(self.client, self.id, writer).settle(CELL_KEY, key, fingerprint, create)

    def made_by(self, writer: str, fingerprint: str, **tags: str) -> str:
        return self.bid(KEY, **{WRITER: writer, FINGERPRINT: fingerprint}, **tags)

    def complete(self, run_id: str) -> None:
        self.client.set_tag(run_id, MIRRORED, COMPLETE)

    def held(self, key: str = KEY) -> list[Run]:
        return list(runs(self.client, self.id, f"tags.{CELL_KEY} = '{key}'"))


@pytest.fixture
def experiment(tmp_path: Path, fresh_database: Path) -> Experiment:
    (tmp_path / "mlflow.db").write_bytes(fresh_database.read_bytes())
    return Experiment(f"sqlite:///{tmp_path}/mlflow.db", "claims")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "PATIENCE", 1.0)


def test_alone_a_cell_gets_one_run_which_is_ours_until_it_is_complete(experiment: Experiment) -> None:
    first = experiment.settle("a", "fingerprint")
    assert first.is_ours and experiment.settle("a", "fingerprint") == first
    experiment.complete(first.run_id)
    assert experiment.settle("b", "another fingerprint") == Claim(first.run_id, False)
    assert [run.info.run_id for run in experiment.held()] == [first.run_id]


def test_writers_that_begin_at_once_agree_on_one_run_and_one_of_them_fills_it(experiment: Experiment) -> None:
    keys, writers = [f"training-{number}" for number in range(6)], ("a", "b", "c")
    ready = Barrier(len(writers))

    def settle_all(writer: str) -> list[Claim]:
        settled = []
        for key in keys:
            ready.wait(60)
            settled.append(experiment.settle(writer, f"fingerprint of {writer}", key))
            if settled[-1].is_ours:
                experiment.complete(settled[-1].run_id)
        return settled

    with ThreadPoolExecutor(len(writers)) as pool:
        claimed = list(pool.map(settle_all, writers))
    for key, settled in zip(keys, zip(*claimed, strict=True), strict=True):
        assert len({claim.run_id for claim in settled}) == 1
        assert [claim.is_ours for claim in settled].count(True) == 1
        assert [run.info.run_id for run in experiment.held(key)] == [settled[0].run_id]


def test_a_run_that_another_writer_is_filling_is_left_to_it(experiment: Experiment) -> None:
    taken = experiment.made_by("another", "its fingerprint", **{MIRRORED: CLAIMED})
    with ThreadPoolExecutor() as pool:
        ours = pool.submit(experiment.settle, "a", "our fingerprint")
        for step in range(5):
            experiment.client.log_metric(taken, "loss_nats", 1 / (1 + step), step=step)
            time.sleep(0.1)
            assert not ours.done()
        experiment.complete(taken)
        assert ours.result(20) == Claim(taken, False)
    assert len(experiment.held()) == 1


def test_a_driver_started_again_goes_on_with_its_bid_or_its_run_at_once(experiment: Experiment) -> None:
    for tags in ({}, {MIRRORED: CLAIMED}):
        left = experiment.made_by("one that was killed", "fingerprint", **tags)
        before = time.monotonic()
        assert experiment.settle("a", "fingerprint") == Claim(left, True)
        assert time.monotonic() - before < claims.PATIENCE / 3
        experiment.client.delete_run(left)


@pytest.mark.parametrize("tags", [{}, {MIRRORED: CLAIMED}])
def test_what_the_dead_left_is_replaced_and_refuses_them_if_they_come_back(
    experiment: Experiment, impatient: None, tags: dict[str, str]
) -> None:
    left = experiment.made_by("one that was killed", "its fingerprint", **tags)
    ours = experiment.settle("a", "our fingerprint")
    assert ours.is_ours and ours.run_id != left
    assert [run.info.run_id for run in experiment.held()] == [ours.run_id]
    with pytest.raises(MlflowException, match="must be in the 'active' state"):
        experiment.client.log_metric(left, "loss_nats", 1.0)


def test_nobody_s_patience_ends_while_a_run_still_changes(experiment: Experiment, impatient: None) -> None:
    taken = experiment.made_by("another", "its fingerprint", **{MIRRORED: CLAIMED})
    with ThreadPoolExecutor() as pool:
        ours = pool.submit(experiment.settle, "a", "our fingerprint")
        for step in range(8):
            experiment.client.log_metric(taken, "loss_nats", 1 / (1 + step), step=step)
            time.sleep(0.25)
        experiment.complete(taken)
        assert ours.result(20) == Claim(taken, False)


def test_a_run_made_twice_because_a_reply_was_lost_is_withdrawn_by_its_maker_at_once(experiment: Experiment) -> None:
    made = sorted(experiment.made_by("a", "fingerprint") for _ in range(2))
    assert experiment.settle("a", "fingerprint") == Claim(made[0], True)
    assert len(experiment.held()) == 1


def test_a_run_of_an_older_mirror_is_filled_again(experiment: Experiment) -> None:
    older = experiment.bid(KEY, **{MIRRORED: "complete"})
    assert experiment.settle("a", "fingerprint") == Claim(older, True)
