"""Mirror the store into MLflow: sweep run > training run > embedding and question runs, one run per cell.

The driver writes; other drivers may write at the same time (`mi_ray.tracking.claims`). Mirroring is idempotent: a
run is found by its cell's key, every timestamp comes from the manifest, and the tag ``mirrored`` is set last. Mirroring
again, also after an interruption, adds only what is missing. A cell that was computed again gets a new run.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, RunTag
from mlflow.exceptions import MlflowException

from mi_ray.experiments.declare import encoder_of, training_of
from mi_ray.experiments.declare.identity import cell_key
from mi_ray.experiments.plan.plan import Cell, Plan
from mi_ray.experiments.store.files import sha256
from mi_ray.experiments.store.store import CommittedCell, Store
from mi_ray.tracking.claims import Claims, by_worth, is_complete
from mi_ray.tracking.entries import LONGEST_TAG, Entries, dataset, fingerprint, milliseconds, run_entries, run_name
from mi_ray.tracking.live import LiveRuns
from mi_ray.tracking.making import forget_connections, make_if_absent, no_stray_folder
from mi_ray.tracking.mirror import CELL_KEY, COMPLETE, MIRRORED, runs
from mi_ray.tracking.moved import follow
from mi_ray.tracking.origin import FINGERPRINT, ORIGIN, is_outdated, origin
from mi_ray.tracking.page import EXPERIMENT_TAGS, NOTE, user
from mi_ray.tracking.reach import Unreachable, database, deleted_experiment, line_of, reaching, refuse_bad_uri, shown
from mi_ray.tracking.views import LONGEST_STATE, View, plan_tag

SWEEP = "sweep"
PARENT = "mlflow.parentRunId"
MOST_METRICS, MOST_PARAMS, MOST_TAGS = 1000, 100, 100
"""Entries that MLflow takes in one request."""


class Recorder:
    """The mirror of one sweep (``sweep``, such as ``infomin_grid/laptop``) in one MLflow experiment.

    Sweeps of one experiment share the runs of common cells; a run stays under its first parent. Methods raise
    `Unreachable` if MLflow fails, except `mirror_all`: it counts failures, and ``error`` is the last.
    """

    def __init__(
        self, tracking_uri: str, *, experiment: str, sweep: str, artifacts: Path | None, is_own: bool = False
    ) -> None:
        """``artifacts``: artifact folder of a new experiment; None: the server decides. ``is_own``: the database is the
        store's own and may be made anew if it is unfinished and holds no run. Refused on a bad URI."""
        refuse_bad_uri(tracking_uri)
        self.tracking_uri, self.artifacts, self.is_own = tracking_uri, artifacts, is_own
        self.experiment, self.sweep = experiment, sweep
        self.experiment_id = self.sweep_run_id = ""
        self.error: Exception | None = None
        self._writer = uuid4().hex
        self._origin = {"mlflow.source.name": sweep, "mlflow.source.type": "LOCAL", "mlflow.user": user()}
        self._client: MlflowClient
        self._claims: Claims
        self._live: LiveRuns
        self._runs: dict[str, str] = {}
        self._complete: dict[str, Mapping[str, str]] = {}
        self._alive, self._followed = set[str](), set[str]()

    @property
    def failure(self) -> str | None:
        """The last failure of `mirror_all` in one line."""
        return line_of(self.error)

    @property
    def place(self) -> str:
        """Where the mirror is, for printing."""
        return shown(self.tracking_uri)

    @property
    def url(self) -> str | None:
        """Address of the sweep run in a browser; None without a server."""
        if not self.tracking_uri.startswith("http") or not self.sweep_run_id:
            return None
        return f"{shown(self.tracking_uri).rstrip('/')}/#/experiments/{self.experiment_id}/runs/{self.sweep_run_id}"

    def begin(self) -> None:
        """Create or find database, experiment and sweep run, and set the sweep run to RUNNING."""
        with reaching(self.tracking_uri):
            self.open()
            self._client.update_run(self.sweep_run_id, status="RUNNING")

    def mirror(self, cell: Cell, store: Store) -> None:
        """Mirror one committed cell and the training above it. Writes nothing if the cell's run is complete.

        Errors of the store, such as KeyError for a cell that is not committed, are raised as they are.
        """
        if not self.sweep_run_id:
            self.begin()
        committed, of = store.read(cell.key), origin(store)
        tags = self._complete.get(cell.key)
        if tags is not None and not is_outdated(tags, committed, of):
            self._keep_nested(cell, store)
            return
        parent = self._parent(cell, store)
        with reaching(self.tracking_uri):
            create = partial(self.create_run, cell, committed, parent)
            outdated = partial(is_outdated, committed=committed, of=of)
            claim = self._claims.settle(CELL_KEY, cell.key, fingerprint(committed), create, outdated)
        self._alive = self._alive - {self._runs.get(cell.key, "")} | {claim.run_id}
        self._runs[cell.key] = claim.run_id
        own = {FINGERPRINT: fingerprint(committed), ORIGIN: of} if claim.is_ours else {}
        if claim.is_ours:
            entries = run_entries(cell, committed, store.probes(cell.key))
            with reaching(self.tracking_uri):
                self._fill(claim.run_id, cell, committed, entries, own)
        self._complete[cell.key] = own
        with reaching(self.tracking_uri):
            self._live.remove(cell.key)

    def log_live(self, cell: Cell, values: Mapping[str, float], probes: Sequence[Mapping[str, float]] = ()) -> None:
        """Log what a training that runs tells of itself, and what its probes have found."""
        if self.sweep_run_id and cell.key not in self._complete:
            with reaching(self.tracking_uri):
                self._live.log(cell, values, probes, {PARENT: self.sweep_run_id, **self._origin})

    def _keep_nested(self, cell: Cell, store: Store) -> None:
        """Move a complete run below the run that replaces its parent, if that was deleted."""
        if self._complete[cell.key].get(PARENT) in {None, *self._alive}:
            return
        new = self._parent(cell, store)
        with reaching(self.tracking_uri):
            self._client.set_tag(self._runs[cell.key], PARENT, new)
        self._complete[cell.key] = {**self._complete[cell.key], PARENT: new}

    def mirror_all(self, plan: Plan, store: Store) -> int:
        """Mirror every committed cell, upstream first; returns the number not mirrored. Stops if MLflow is silent."""
        self.error = None
        committed = [cell for cell in plan.cells.values() if store.has(cell.key)]
        if self._answers():
            all(self._mirror_or_retry(cell, store) for cell in committed)
        unsynced = sum(not self._is_mirrored(cell, store) for cell in committed) if self.error else 0
        self.error = self.error if unsynced else None
        return unsynced

    def _mirror_or_retry(self, cell: Cell, store: Store) -> bool:
        """Mirror a cell; on failure read MLflow's runs anew and retry once. False if MLflow does not answer."""
        for _ in range(2):
            try:
                self.mirror(cell, store)
                return True
            except Unreachable as error:
                if not self._answers():
                    return False
                self.error = error
            except Exception as error:  # a cell that cannot be read is the store's to tell; the others are mirrored
                self.error = error
                return True
        return True

    def _is_mirrored(self, cell: Cell, store: Store) -> bool:
        """Whether a committed cell has a complete run that is not outdated, as far as was read from MLflow."""
        tags = self._complete.get(cell.key)
        try:
            return tags is not None and not is_outdated(tags, store.read(cell.key), origin(store))
        except Exception:  # a damaged cell
            return False

    def attach(self, figures: Sequence[Path]) -> None:
        """Log figures to the sweep run, below ``figures/``. A figure whose content was logged before is skipped."""
        if not self.sweep_run_id:
            self.begin()
        with reaching(self.tracking_uri):
            tags = self._client.get_run(self.sweep_run_id).data.tags
            for figure in figures:
                name, content = f"sha256/figures/{figure.name}", sha256(figure)
                if tags.get(name) != content:
                    self._client.log_artifact(self.sweep_run_id, str(figure), "figures")
                    self._client.set_tag(self.sweep_run_id, name, content)

    def save_views(self, plan: Plan, views: Sequence[View], base: str) -> list[tuple[str, str]]:
        """Save views of a plan's cells, but for those too long for a tag, and mark their runs; returns the links."""
        tag, at_ms = plan_tag(plan), round(time.time() * 1000)
        kept = [view for view in views if len(view.value(at_ms)) <= LONGEST_STATE]
        with reaching(self.tracking_uri):
            for key in plan.cells.keys() & self._complete.keys():
                if self._complete[key].get(tag) != self.sweep:
                    self._client.set_tag(self._runs[key], tag, self.sweep)
                    self._complete[key] = {**self._complete[key], tag: self.sweep}
            held = self._client.get_experiment(self.experiment_id).tags
            for view in (view for view in kept if view.tag not in held):
                self._client.set_experiment_tag(self.experiment_id, view.tag, view.value(at_ms))
        return [(view.title, view.address(base, self.experiment_id)) for view in kept]

    def describe(self, note: str, tags: Mapping[str, str]) -> None:
        """Write the description of the sweep run, as `page.described` gives it, and its tags."""
        address = f"get-artifact?run_uuid={self.sweep_run_id}&path=figures/"
        text = re.sub(r"\{artifact:([^}]*)\}", lambda found: address + quote(found[1]), note)
        with reaching(self.tracking_uri):
            for name, value in {NOTE: text, **tags}.items():
                self._client.set_tag(self.sweep_run_id, name, value[:LONGEST_TAG])

    def finish(self, status: str) -> None:
        """End the sweep run, FINISHED, FAILED or KILLED, and live runs that are left."""
        with reaching(self.tracking_uri):
            if self.sweep_run_id:
                self._live.end()
                self._client.set_terminated(self.sweep_run_id, status)

    def _answers(self) -> bool:
        """Read MLflow's runs anew; False, with ``error`` set, if it does not answer."""
        try:
            with reaching(self.tracking_uri):
                self.open()
        except Unreachable as error:
            self.error = error
            return False
        return True

    def open(self) -> None:
        """Create or find database, experiment and sweep run, and read which cells have a complete run."""

        def create(claim: Mapping[str, str]) -> str:
            tags = {SWEEP: self.sweep, "kind": "sweep", **self._origin, **claim}
            return self._client.create_run(self.experiment_id, tags=tags, run_name=self.sweep).info.run_id

        file = database(self.tracking_uri)
        if file is not None and make_if_absent(file, may_replace=self.is_own):
            forget_connections(self.tracking_uri)
        if file is not None and self.is_own:
            follow(file)
        with no_stray_folder(self.tracking_uri):
            self._client = MlflowClient(self.tracking_uri)
        self.experiment_id = self._find_or_create_experiment()
        self._claims = Claims(self._client, self.experiment_id, self._writer)
        held = list(runs(self._client, self.experiment_id))
        self._live = LiveRuns(self._client, self.experiment_id, logged=self._followed).taking_over(held)
        self._runs, self._complete = {}, {}
        self._alive = {run.info.run_id for run in held}
        for run in sorted(held, key=by_worth):
            key = run.data.tags.get(CELL_KEY)
            if key in self._runs:  # a second run of a cell with a complete one adds nothing
                self._client.delete_run(run.info.run_id)
                self._alive.discard(run.info.run_id)
            elif key and is_complete(run):
                self._runs[key], self._complete[key] = run.info.run_id, run.data.tags
        sweeps = [run.info.run_id for run in held if run.data.tags.get(SWEEP) == self.sweep]
        self.sweep_run_id = sweeps[0] if sweeps else self._claims.settle(SWEEP, self.sweep, self.sweep, create).run_id
        self._alive.add(self.sweep_run_id)

    def _find_or_create_experiment(self) -> str:
        """Id of the experiment."""
        experiment = self._client.get_experiment_by_name(self.experiment)
        if experiment is not None:
            if experiment.lifecycle_stage == LifecycleStage.DELETED:
                raise deleted_experiment(self.tracking_uri, self.experiment, experiment.experiment_id)
            return experiment.experiment_id
        location = self.artifacts.resolve().as_uri() if self.artifacts else None
        try:
            return self._client.create_experiment(self.experiment, artifact_location=location, tags=EXPERIMENT_TAGS)
        except MlflowException:  # another driver may have created it first
            if (experiment := self._client.get_experiment_by_name(self.experiment)) is None:
                raise
            return experiment.experiment_id

    def _parent(self, cell: Cell, store: Store) -> str:
        """The run above a cell's: that of its training or checkpoint, mirrored here first if need be; the sweep run, if
        the cell is a training or checkpoint itself, or if the store does not hold its training."""
        root = training_of(cell.declaration) or encoder_of(cell.declaration)
        key = cell_key(root, cell.data_digest)
        if key != cell.key and store.has(key):
            self.mirror(Cell(key, root, None, cell.data_digest), store)
        return self.sweep_run_id if key == cell.key else self._runs.get(key, self.sweep_run_id)

    def create_run(self, cell: Cell, committed: CommittedCell, parent: str, claim: Mapping[str, str]) -> str:
        """Create an empty run for a cell, with the tags ``claim``; returns its id."""
        started = milliseconds(committed.manifest["started_at"])
        tags = {PARENT: parent, CELL_KEY: cell.key, "kind": cell.kind, **self._origin, **claim}
        run = self._client.create_run(self.experiment_id, start_time=started, tags=tags, run_name=run_name(cell))
        return run.info.run_id

    def _fill(
        self, run_id: str, cell: Cell, committed: CommittedCell, entries: Entries, own: Mapping[str, str]
    ) -> None:
        """Log all entries of a cell and the mirror's ``own`` tags, then end its run and mark it complete."""
        tags = [*entries.tags, *(RunTag(name, value) for name, value in own.items())]
        for kind, items, most in (
            ("params", entries.params, MOST_PARAMS),
            ("tags", tags, MOST_TAGS),
            ("metrics", entries.metrics, MOST_METRICS),
        ):
            for start in range(0, len(items), most):
                batch: dict[str, Any] = {kind: items[start : start + most]}
                self._client.log_batch(run_id, **batch)
        self._client.log_inputs(run_id, datasets=[dataset(cell, committed)])
        self._client.update_run(run_id, name=run_name(cell))
        self._client.set_terminated(run_id, "FINISHED", end_time=milliseconds(committed.manifest["committed_at"]))
        self._client.set_tag(run_id, MIRRORED, COMPLETE)
