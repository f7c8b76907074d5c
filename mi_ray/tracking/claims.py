"""One MLflow run per cell, even if several drivers mirror the cell at once. MLflow has no lock, so drivers read runs.

A run begins as a *bid*. Its writer reads the cell's runs again, and takes its bid if there is no other. If there are
several bids, the one with the lowest id stays: the writers of the others delete theirs, and the lowest waits until they
have. Two writers cannot both have read only their own bid, so at most one run is taken.

A taken run carries the *fingerprint* of the committed cell (a hash of its manifest). Drivers with a copy of the same
cell have the same fingerprint and fill the run together, since they write the same rows. A driver that computed the
cell itself waits until the run is complete and does not touch it. If the driver's own store computed the cell again
since, the complete run is outdated: the driver deletes it and claims a new one, as MLflow removes no metric of a run.

A driver deletes another writer's run only if the run did not change for `PATIENCE` seconds of the driver's own clock:
the writer is then taken for dead, and a new run replaces its run. If the writer is alive after all, MLflow refuses
writes to the deleted run, and the writer reads the runs again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run

from mi_ray.tracking.mirror import CLAIMED, COMPLETE, MIRRORED, runs
from mi_ray.tracking.origin import FINGERPRINT

WRITER = "mirror.writer"
PATIENCE = 15.0
"""Seconds without a change after which a writer is taken for dead; more than twice MLflow's timeout of a request."""
PAUSE = 0.1
"""Seconds between two reads of a cell's runs."""

PLAIN = re.compile(r"[\w./ =-]+")
"""Values that may stand in a filter of MLflow's."""

Create = Callable[[Mapping[str, str]], str]
"""Creates a run with the given tags in addition to its own; returns its id."""

IsOutdated = Callable[[Mapping[str, str]], bool]
"""Whether a run with the given tags tells of an earlier computation of the cell."""


@dataclass(frozen=True)
class Claim:
    """The run of a cell; ``is_ours`` says whether this driver fills it."""

    run_id: str
    is_ours: bool


@dataclass
class Watch:
    """Notices that a state does not change."""

    seen: Any = None
    since: float = field(default_factory=time.monotonic)

    def is_over(self, state: object) -> bool:
        """Whether ``state`` has been the same for longer than `PATIENCE`."""
        if state != self.seen:
            self.seen, self.since = state, time.monotonic()
        return time.monotonic() - self.since > PATIENCE


class Claims:
    """One writer's claims to the runs of one experiment. ``writer`` is a unique name."""

    def __init__(self, client: MlflowClient, experiment_id: str, writer: str) -> None:
        self.writer = writer
        self._client = client
        self._experiment_id = experiment_id

    def settle(
        self, tag: str, value: str, fingerprint: str, create: Create, is_outdated: IsOutdated = lambda tags: False
    ) -> Claim:
        """The single run with ``tag`` = ``value``, created if there is none; waits for other writers' runs.

        An outdated run that nobody is filling is deleted.
        """
        watch = Watch()
        while True:
            held = sorted(self._held(tag, value), key=by_worth)
            outdated = [run for run in held if is_filled(run) and is_outdated(run.data.tags)]
            self._delete(outdated)
            held = [run for run in held if run not in outdated]
            step = self.join_taken if any(map(is_taken, held)) else self.bid
            if claim := step(held, fingerprint, watch):
                return claim
            if held:
                time.sleep(PAUSE)
            else:
                create({FINGERPRINT: fingerprint, WRITER: self.writer})

    def _held(self, tag: str, value: str) -> list[Run]:
        """The runs with ``tag`` = ``value``. MLflow's filters have no way to write every text, such as a quote."""
        where = f"tags.`{tag}` = '{value}'" if PLAIN.fullmatch(value) else ""
        return [run for run in runs(self._client, self._experiment_id, where) if run.data.tags.get(tag) == value]

    def join_taken(self, held: Sequence[Run], fingerprint: str, watch: Watch) -> Claim | None:
        """One step if a run is taken: delete our bids; then fill the run, leave it as it is, or wait (None).

        A run that another writer gave up is deleted.
        """
        self._delete(run for run in held if self._is_own(run) and not is_taken(run))
        best = next(filter(is_taken, held))
        if is_complete(best):
            return Claim(best.info.run_id, False)
        if best.data.tags.get(MIRRORED) != CLAIMED or best.data.tags[FINGERPRINT] == fingerprint:
            return Claim(best.info.run_id, True)
        if watch.is_over(best.to_dictionary()):
            self._delete([best])
        return None

    def bid(self, held: Sequence[Run], fingerprint: str, watch: Watch) -> Claim | None:
        """One step if all runs are bids: take ours if it is the only one; else delete ours unless it is the lowest.

        Returns None if the decision needs another look.
        """
        made = [run for run in held if self._is_own(run)]
        ours = (made or [run for run in held if run.data.tags[FINGERPRINT] == fingerprint])[:1]
        self._delete(made[1:])
        others = [run for run in held if run not in made and run not in ours]
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

    def _delete(self, given_up: Iterable[Run]) -> None:
        for run in given_up:
            self._client.delete_run(run.info.run_id)


def by_worth(run: Run) -> tuple[bool, int, str]:
    """Sort key of the runs of one cell: complete runs first, of these the cell committed last, then by id."""
    return not is_complete(run), -(run.info.end_time or 0) if is_complete(run) else 0, run.info.run_id


def is_complete(run: Run) -> bool:
    """Whether the run holds everything about its cell."""
    return run.data.tags.get(MIRRORED) == COMPLETE


def is_filled(run: Run) -> bool:
    """Whether a run was complete once, for this or an older version of the mirror."""
    return run.data.tags.get(MIRRORED, CLAIMED) != CLAIMED


def is_taken(run: Run) -> bool:
    """Whether a run is more than a bid. Older versions of the mirror made no bids, so their runs are taken."""
    return MIRRORED in run.data.tags or WRITER not in run.data.tags
