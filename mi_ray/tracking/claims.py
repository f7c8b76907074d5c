"""One run for one cell, whoever else mirrors it: drivers agree on it by looking, since MLflow has no lock to lend.

A run begins as a *bid*. Its maker looks again and takes it if there is no other; of several the lowest id stays, the
other makers withdraw theirs, and the lowest waits until they have. Two makers cannot both have seen none but their own
run, so no two runs are taken. A taken run is filled by those who tell the same *record* (a copy of the very cell, whose
rows are the same); a driver that computed the cell itself waits until the run is complete and leaves it as it is.

Nobody withdraws another's run, but for one that has not changed for `PATIENCE` seconds of the own clock: then its maker
is taken for dead, and another run replaces it. Should the maker live all the same, MLflow refuses what it writes into
the deleted run, and it looks again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run

from mi_ray.tracking.mirror import CLAIMED, COMPLETE, MIRRORED, runs

RECORD, WRITER = "mirror.record", "mirror.writer"
PATIENCE = 15.0
"""Seconds; more than twice what a request may take before it counts as failed."""
PAUSE = 0.1

Create = Callable[[Mapping[str, str]], str]
"""Makes a run with these tags beside its own; returns its id."""


@dataclass(frozen=True)
class Claim:
    """The run of a cell, and whether it is for us to fill."""

    run_id: str
    is_ours: bool


@dataclass
class Watch:
    """Tells what stands still."""

    seen: Any = None
    since: float = field(default_factory=time.monotonic)

    def is_over(self, state: object) -> bool:
        """Whether ``state`` has been the same for longer than `PATIENCE`."""
        if state != self.seen:
            self.seen, self.since = state, time.monotonic()
        return time.monotonic() - self.since > PATIENCE


class Claims:
    """The claims of one writer, named by a word that no other has, to the runs of one experiment."""

    def __init__(self, client: MlflowClient, experiment_id: str, writer: str) -> None:
        self.writer = writer
        self._client = client
        self._experiment_id = experiment_id

    def settle(self, tag: str, value: str, record: str, create: Create) -> Claim:
        """The one run whose ``tag`` is ``value``, made if there is none; waits for other writers' runs."""
        watch = Watch()
        while True:
            found = sorted(runs(self._client, self._experiment_id, f"tags.`{tag}` = '{value}'"), key=by_worth)
            claim = (
                self._of_taken(found, record, watch) if any(map(is_taken, found)) else self._bid(found, record, watch)
            )
            if claim:
                return claim
            if found:
                time.sleep(PAUSE)
            else:
                create({RECORD: record, WRITER: self.writer})

    def _of_taken(self, found: Sequence[Run], record: str, watch: Watch) -> Claim | None:
        """A run was taken: the bids of our own go, and it is filled, left as it is or, if given up, deleted."""
        self._delete(run for run in found if self._is_own(run) and not is_taken(run))
        best = next(filter(is_taken, found))
        if is_complete(best):
            return Claim(best.info.run_id, False)
        if best.data.tags.get(MIRRORED) != CLAIMED or best.data.tags[RECORD] == record:
            return Claim(best.info.run_id, True)
        if watch.is_over(best.to_dictionary()):
            self._delete([best])
        return None

    def _bid(self, found: Sequence[Run], record: str, watch: Watch) -> Claim | None:
        """Nothing but bids: take ours if it is alone, withdraw it if it is not the lowest, else wait."""
        made = [run for run in found if self._is_own(run)]
        ours = (made or [run for run in found if run.data.tags[RECORD] == record])[:1]
        self._delete(made[1:])
        others = [run for run in found if run not in made and run not in ours]
        if ours and not others:
            self._client.set_tag(ours[0].info.run_id, MIRRORED, CLAIMED)
            return Claim(ours[0].info.run_id, True)
        if made and others[0].info.run_id < made[0].info.run_id:
            self._delete(made)
        if others and watch.is_over([run.info.run_id for run in others]):
            self._delete(others)
        return None

    def _is_own(self, run: Run) -> bool:
        return run.data.tags.get(WRITER) == self.writer

    def _delete(self, given_up: Any) -> None:
        for run in given_up:
            self._client.delete_run(run.info.run_id)


def by_worth(run: Run) -> tuple[bool, str]:
    """Orders the runs of one cell: complete ones first, then by id."""
    return not is_complete(run), run.info.run_id


def is_complete(run: Run) -> bool:
    """Whether the run holds all that is to be told of its cell."""
    return run.data.tags.get(MIRRORED) == COMPLETE


def is_taken(run: Run) -> bool:
    """Whether a run is more than a bid; those of older mirrors, which made none, are."""
    return MIRRORED in run.data.tags or WRITER not in run.data.tags
