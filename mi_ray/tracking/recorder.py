"""Mirror the store into MLflow: sweep run > training run > embedding and question runs, one run per cell.

The driver writes; other drivers may write at the same time (`mi_ray.tracking.claims`). Mirroring is idempotent: a
run is found by its cell's key, every timestamp comes from the manifest, and the tag ``mirrored`` is set last. Mirroring
again, also after an interruption, adds only what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from mi_ray.experiments.declare import encoder_of, training_of
from mi_ray.experiments.declare.identity import cell_key
from mi_ray.experiments.plan.plan import Cell, Plan
from mi_ray.experiments.store.files import sha256
from mi_ray.experiments.store.store import CommittedCell, Store
from mi_ray.tracking.claims import Claims, by_worth, is_complete
from mi_ray.tracking.entries import fingerprint, milliseconds, run_entries, run_name
from mi_ray.tracking.mirror import CELL_KEY, COMPLETE, MIRRORED, database, runs
from mi_ray.tracking.reach import Unreachable, reaching, refuse_bad_uri, shown

SWEEP = "sweep"
PARENT = "mlflow.parentRunId"
EXPERIMENT_TAGS = {
    "mlflow.experimentKind": "custom_model_development",
    "mlflow.note.content": (
        "One run per cell: sweep > training > embedding and questions. To compare estimates, search "
        '`tags.kind = "estimation"`, select all, Compare, and choose `pairing`, `task` and `nominal_bits`; the true '
        "value is between `lower_bits` and `upper_bits` with 95 % confidence. Where that bracket is narrow enough, "
        '`tags.certified = "true"` and the tag `statement` is the bracket with a tick; the others say why not in '
        "`not_certified`; `nominal_outside` says where `nominal_bits` is outside that bracket. Trainings and "
        "embeddings whose encoder did not learn say why in the tag `not_learned`. For linear accuracies "
        'search `tags.kind = "evaluation"` and choose `linear_accuracy`, or beside estimates '
        "`linear_balanced_accuracy`. Or group the table by `pairing` or `task`. "
        "The heatmaps are artifacts of the sweep's run; every run's `cell_key` names its directory in the store."
    ),
}
"""Kind and description of the experiment on MLflow's page."""

MOST_METRICS, MOST_PARAMS, MOST_TAGS = 1000, 100, 100
"""Entries that MLflow takes in one request."""


class Recorder:
    """The mirror of one sweep (``sweep``, such as ``infomin_grid/laptop``) in one MLflow experiment.

    Sweeps of one experiment share the runs of common cells; a run stays under its first parent. Methods raise
    `Unreachable` if MLflow fails, except `mirror_all`: it counts failures, and ``failure`` is the last in one line.
    """

    def __init__(self, tracking_uri: str, *, experiment: str, sweep: str, artifacts: Path | None) -> None:
        """``artifacts``: artifact folder of a new experiment; None: the server decides. Refused on a bad URI."""
        refuse_bad_uri(tracking_uri)
        self.tracking_uri = tracking_uri
        self.experiment = experiment
        self.sweep = sweep
        self.artifacts = artifacts
        self.failure: str | None = None
        self.experiment_id = ""
        self.sweep_run_id = ""
        self._writer = uuid4().hex
        self._client: MlflowClient
        self._claims: Claims
        self._runs: dict[str, str] = {}
        self._complete: set[str] = set()

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
        """Mirror one committed cell and the training above it. Writes nothing if the cell's run is complete."""
        if not self.sweep_run_id:
            self.begin()
        if cell.key in self._complete:
            return
        parent = self._parent(cell, store)
        with reaching(self.tracking_uri):
            committed = store.read(cell.key)
            create = partial(self.create_run, cell, committed, parent)
            claim = self._claims.settle(CELL_KEY, cell.key, fingerprint(committed), create)
            self._runs[cell.key] = claim.run_id
            if claim.is_ours:
                self._fill(claim.run_id, cell, committed)
        self._complete.add(cell.key)

    def mirror_all(self, plan: Plan, store: Store) -> int:
        """Mirror every committed cell, upstream first; returns the number not mirrored. Stops if MLflow is silent."""
        committed = [cell for cell in plan.cells.values() if store.has(cell.key)]
        if self._answers():
            for cell in committed:
                if not self._mirror_or_retry(cell, store):
                    break
        unsynced = sum(cell.key not in self._complete for cell in committed)
        self.failure = self.failure if unsynced else None
        return unsynced

    def _mirror_or_retry(self, cell: Cell, store: Store) -> bool:
        """Mirror a cell; on failure read MLflow's runs anew and retry once. False if MLflow does not answer."""
        for _ in range(2):
            try:
                self.mirror(cell, store)
                break
            except Unreachable as error:
                if not self._answers():
                    return False
                self.failure = str(error)
        return True

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

    def finish(self, status: str) -> None:
        """End the sweep run: FINISHED, FAILED or KILLED."""
        with reaching(self.tracking_uri):
            if self.sweep_run_id:
                self._client.set_terminated(self.sweep_run_id, status)

    def _answers(self) -> bool:
        """Read MLflow's runs anew; False, with ``failure`` set, if it does not answer."""
        try:
            with reaching(self.tracking_uri):
                self.open()
        except Unreachable as error:
            self.failure = str(error)
            return False
        self.failure = None
        return True

    def open(self) -> None:
        """Create or find database, experiment and sweep run, and read which cells have a complete run."""

        def create(claim: Mapping[str, str]) -> str:
            tags = {SWEEP: self.sweep, "kind": "sweep", **claim}
            return self._client.create_run(self.experiment_id, tags=tags, run_name=self.sweep).info.run_id

        file = database(self.tracking_uri)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.open("ab").close()
        self._client = MlflowClient(self.tracking_uri)
        self.experiment_id = self._find_or_create_experiment()
        self._claims = Claims(self._client, self.experiment_id, self._writer)
        held = list(runs(self._client, self.experiment_id))
        self._runs, self._complete = {}, set()
        for run in sorted(held, key=by_worth):
            key = run.data.tags.get(CELL_KEY)
            if key in self._runs:  # a second run of a cell with a complete one adds nothing
                self._client.delete_run(run.info.run_id)
            elif key and is_complete(run):
                self._runs[key] = run.info.run_id
        self._complete = set(self._runs)
        sweeps = [run.info.run_id for run in held if run.data.tags.get(SWEEP) == self.sweep]
        self.sweep_run_id = sweeps[0] if sweeps else self._claims.settle(SWEEP, self.sweep, self.sweep, create).run_id

    def _find_or_create_experiment(self) -> str:
        """Id of the experiment."""
        experiment = self._client.get_experiment_by_name(self.experiment)
        if experiment is not None:
            return experiment.experiment_id
        location = self.artifacts.resolve().as_uri() if self.artifacts else None
        try:
            return self._client.create_experiment(self.experiment, artifact_location=location, tags=EXPERIMENT_TAGS)
        except MlflowException:  # another driver may have created it first
            if (experiment := self._client.get_experiment_by_name(self.experiment)) is None:
                raise
            return experiment.experiment_id

    def _parent(self, cell: Cell, store: Store) -> str:
        """The run above a cell's: that of its training or checkpoint, mirrored here first if need be.

        The sweep run, if the cell is a training or checkpoint itself, or if the store does not hold its training.
        """
        root = training_of(cell.declaration) or encoder_of(cell.declaration)
        key = cell_key(root, cell.data_digest)
        if key != cell.key and store.has(key):
            self.mirror(Cell(key, root, None, cell.data_digest), store)
        return self.sweep_run_id if key == cell.key else self._runs.get(key, self.sweep_run_id)

    def create_run(self, cell: Cell, committed: CommittedCell, parent: str, claim: Mapping[str, str]) -> str:
        """Create an empty run for a cell, with the tags ``claim``; returns its id."""
        started = milliseconds(committed.manifest["started_at"])
        tags = {PARENT: parent, CELL_KEY: cell.key, "kind": cell.kind, **claim}
        run = self._client.create_run(self.experiment_id, start_time=started, tags=tags, run_name=run_name(cell))
        return run.info.run_id

    def _fill(self, run_id: str, cell: Cell, committed: CommittedCell) -> None:
        """Log all entries of a cell, then end its run and mark it complete."""
        entries = run_entries(cell, committed)
        for kind, items, most in (
            ("params", entries.params, MOST_PARAMS),
            ("tags", entries.tags, MOST_TAGS),
            ("metrics", entries.metrics, MOST_METRICS),
        ):
            for start in range(0, len(items), most):
                batch: dict[str, Any] = {kind: items[start : start + most]}
                self._client.log_batch(run_id, **batch)
        self._client.update_run(run_id, name=run_name(cell))
        self._client.set_terminated(run_id, "FINISHED", end_time=milliseconds(committed.manifest["committed_at"]))
        self._client.set_tag(run_id, MIRRORED, COMPLETE)
