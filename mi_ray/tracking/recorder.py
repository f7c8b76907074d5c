"""Mirror the store into MLflow: sweep run > training run > embedding and question runs, one run per cell.

The driver writes, and other drivers may beside it (`claims`). A run is found again by its cell's key, every timestamp
comes from the manifest, and the tag ``mirrored`` is set last: mirroring again, or after an interruption, adds what is
missing and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from mlflow import MlflowClient
from mlflow.entities import Experiment, Param, Run, RunTag
from mlflow.exceptions import MlflowException

from mi_ray.experiments.declare import encoder_of, training_of
from mi_ray.experiments.declare.identity import cell_key
from mi_ray.experiments.plan.plan import Cell, Plan
from mi_ray.experiments.store.store import CommittedCell, Store, sha256
from mi_ray.tracking.claims import Claims, by_worth, is_complete
from mi_ray.tracking.entries import (
    cell_tags,
    history_metrics,
    is_number,
    learning_tags,
    milliseconds,
    record_of,
    result_metrics,
    result_tags,
    run_name,
    run_params,
    statement_tags,
    words,
)
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
"""What the experiment's page opens as, and says at its head."""

MOST_METRICS, MOST_PARAMS, MOST_TAGS = 1000, 100, 100
LONGEST_PARAM, LONGEST_TAG = 6000, 5000


class Recorder:
    """The mirror of one sweep (``sweep``, such as ``infomin_grid/laptop``) in one MLflow experiment.

    Cells are shared between the sweeps of an experiment; a run stays where it was first nested. Every method raises
    `Unreachable` when MLflow fails, but for `mirror_all`, which counts; ``failure`` then says why in one line.
    """

    def __init__(self, tracking_uri: str, *, experiment: str, sweep: str, artifacts: Path | None) -> None:
        """``artifacts``: where a new experiment keeps its files; None leaves that to the server. Refuses bad URIs."""
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
        """Where a browser finds the sweep run, if the tracking URI is a server's."""
        if not self.tracking_uri.startswith("http") or not self.sweep_run_id:
            return None
        return f"{shown(self.tracking_uri).rstrip('/')}/#/experiments/{self.experiment_id}/runs/{self.sweep_run_id}"

    def begin(self) -> None:
        """Make the database, the experiment and the sweep run, or find them; the sweep run is running from now on."""
        with reaching(self.tracking_uri):
            self._open()
            self._client.update_run(self.sweep_run_id, status="RUNNING")

    def mirror(self, cell: Cell, store: Store) -> None:
        """Mirror one committed cell, and the training it is nested under; nothing is written if it was before."""
        if not self.sweep_run_id:
            self.begin()
        if cell.key in self._complete:
            return
        parent = self._parent(cell, store)
        with reaching(self.tracking_uri):
            committed = store.read(cell.key)
            create = partial(self._create, cell, committed, parent)
            claim = self._claims.settle(CELL_KEY, cell.key, record_of(committed), create)
            self._runs[cell.key] = claim.run_id
            if claim.is_ours:
                self._fill(claim.run_id, cell, committed)
        self._complete.add(cell.key)

    def mirror_all(self, plan: Plan, store: Store) -> int:
        """Mirror every committed cell, upstream first; returns how many could not be. Stops when MLflow is silent."""
        committed = [cell for cell in plan.cells.values() if store.has(cell.key)]
        if self._answers():
            for cell in committed:
                if not self._try(cell, store):
                    break
        unsynced = sum(cell.key not in self._complete for cell in committed)
        self.failure = self.failure if unsynced else None
        return unsynced

    def _try(self, cell: Cell, store: Store) -> bool:
        """Mirror a cell, once more after looking again if that fails; False when MLflow no longer answers."""
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
        """Log figures to the sweep run, below ``figures/``, each unless its very content is there already."""
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
        """Look again at what MLflow holds; False, with ``failure`` set, when it does not answer."""
        try:
            with reaching(self.tracking_uri):
                self._open()
        except Unreachable as error:
            self.failure = str(error)
            return False
        self.failure = None
        return True

    def _open(self) -> None:
        file = database(self.tracking_uri)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.open("ab").close()
        self._client = MlflowClient(self.tracking_uri)
        self.experiment_id = self._experiment_id()
        self._claims = Claims(self._client, self.experiment_id, self._writer)
        held = list(runs(self._client, self.experiment_id))
        self._index(held)
        sweeps = [run.info.run_id for run in held if run.data.tags.get(SWEEP) == self.sweep]
        self.sweep_run_id = sweeps[0] if sweeps else self._create_sweep()

    def _experiment_id(self) -> str:
        found: Experiment | None = self._client.get_experiment_by_name(self.experiment)
        if found is not None:
            return found.experiment_id
        location = self.artifacts.resolve().as_uri() if self.artifacts else None
        try:
            return self._client.create_experiment(self.experiment, artifact_location=location, tags=EXPERIMENT_TAGS)
        except MlflowException:  # perhaps another driver was quicker
            if (found := self._client.get_experiment_by_name(self.experiment)) is None:
                raise
            return found.experiment_id

    def _index(self, held: Sequence[Run]) -> None:
        """Complete runs by cell key. Others of the same cell hold nothing more, and go; without a complete one, the
        claims decide."""
        self._runs, self._complete = {}, set()
        for run in sorted(held, key=by_worth):
            key = run.data.tags.get(CELL_KEY)
            if key in self._runs:
                self._client.delete_run(run.info.run_id)
            elif key and is_complete(run):
                self._runs[key] = run.info.run_id
        self._complete = set(self._runs)

    def _create_sweep(self) -> str:
        def create(claim: Mapping[str, str]) -> str:
            tags = {SWEEP: self.sweep, "kind": "sweep", **claim}
            return self._client.create_run(self.experiment_id, tags=tags, run_name=self.sweep).info.run_id

        return self._claims.settle(SWEEP, self.sweep, self.sweep, create).run_id

    def _parent(self, cell: Cell, store: Store) -> str:
        """The run of the training, or of a checkpoint of others; the sweep run for these, or if the store lost them."""
        root = training_of(cell.declaration) or encoder_of(cell.declaration)
        key = cell_key(root, cell.data_digest)
        if key != cell.key and store.has(key):
            self.mirror(Cell(key, root, None, cell.data_digest), store)
        return self.sweep_run_id if key == cell.key else self._runs.get(key, self.sweep_run_id)

    def _create(self, cell: Cell, committed: CommittedCell, parent: str, claim: Mapping[str, str]) -> str:
        started = milliseconds(committed.manifest["started_at"])
        tags = {PARENT: parent, CELL_KEY: cell.key, "kind": cell.kind, **claim}
        run = self._client.create_run(self.experiment_id, start_time=started, tags=tags, run_name=run_name(cell))
        return run.info.run_id

    def _fill(self, run_id: str, cell: Cell, committed: CommittedCell) -> None:
        told = result_metrics(committed) + history_metrics(committed)
        params = [Param(name, value[:LONGEST_PARAM]) for name, value in run_params(cell).items()]
        said = result_tags(committed) | statement_tags(cell, committed) | learning_tags(cell, committed)
        said |= cell_tags(committed) | words(told)
        tags = [RunTag(name, str(value)[:LONGEST_TAG]) for name, value in said.items()]
        metrics = [metric for metric in told if is_number(metric.value)]
        self._log_batches(run_id, "params", params, MOST_PARAMS)
        self._log_batches(run_id, "tags", tags, MOST_TAGS)
        self._log_batches(run_id, "metrics", metrics, MOST_METRICS)
        self._client.update_run(run_id, name=run_name(cell))
        self._client.set_terminated(run_id, "FINISHED", end_time=milliseconds(committed.manifest["committed_at"]))
        self._client.set_tag(run_id, MIRRORED, COMPLETE)

    def _log_batches(self, run_id: str, what: str, items: Sequence[Any], most: int) -> None:
        for start in range(0, len(items), most):
            batch: dict[str, Any] = {what: items[start : start + most]}
            self._client.log_batch(run_id, **batch)
