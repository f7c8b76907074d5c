"""The entries of a cell's MLflow run: name, parameters, tags and metrics.

Numbers of a result become metrics; strings and booleans become tags. Lists and nested values, such as an estimation's
``critics``, stay in the cell's result.json, whose directory is the tag ``store``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from mi_ray.experiments.declare.identity import own_fields
from mi_ray.experiments.declare.measures import NOMINAL_OUTSIDE, NOT_LEARNED, STATEMENT
from mi_ray.experiments.plan.plan import Cell
from mi_ray.experiments.plan.sheets import short_key
from mi_ray.experiments.results.statement import statement
from mi_ray.experiments.run.learning import why_not_learned
from mi_ray.experiments.store.store import CommittedCell
from mi_ray.tracking.mirror import BOOLEAN_TAGS, HISTORY

NAMED = ("pairing", "task", "arch", "seed", "k_tr")
"""Parameters in a run's name, if the cell has them."""

NOT_TAGGED = frozenset({"files", "sizes", "format", "seal", "key", "seconds", "started_at", "committed_at"})
"""Fields of the manifest that are no tags: metrics, timestamps, tags of another name, and what only the store uses."""

VERSION = "version_"
"""Beginning of the names of library versions in a manifest."""

PROVENANCE = "provenance"
"""Tag with the sha256 of every file of a cell and the versions of all libraries, as JSON."""

GIT_COMMIT, COMMIT = "mlflow.source.git.commit", re.compile(r"[0-9a-f]{7,40}(\+changes)?")
"""The tag behind MLflow's column "Version", and the code versions that are commits."""

LONGEST_DIGEST = 36
"""Characters of a data set's digest that MLflow stores."""

LONGEST_PARAM, LONGEST_TAG = 6000, 5000
"""Characters that MLflow stores."""


@dataclass(frozen=True)
class Entries:
    """Parameters, tags and metrics of a run."""

    params: list[Param]
    tags: list[RunTag]
    metrics: list[Metric]


def run_name(cell: Cell) -> str:
    """A readable name: ``estimation pairing=color task=digit arch=resnet10t seed=0 k_tr=64 7aa08ab9``.

    An experiment holds cells of many plans; the beginning of the key's hash makes the name unique.
    """
    parameters = cell.parameters
    named = [f"{name}={parameters[name]}" for name in NAMED if name in parameters]
    return " ".join([cell.kind, *named, short_key(cell)])


def run_entries(cell: Cell, committed: CommittedCell, probes: Sequence[Mapping[str, float]] = ()) -> Entries:
    """All entries of a cell's run. A value that is NaN or infinite becomes a tag instead of a metric.

    ``probes``: `Store.probes` of the cell, curves beside those of its history.
    """
    values = result_metrics(committed) + curve_metrics(committed.history, committed) + curve_metrics(probes, committed)
    tags = result_tags(committed) | statement_tags(cell, committed) | learning_tags(cell, committed)
    tags |= cell_tags(committed) | not_finite_tags(values)
    return Entries(
        params=[Param(name, value[:LONGEST_PARAM]) for name, value in run_params(cell).items()],
        tags=[RunTag(name, str(value)[:LONGEST_TAG]) for name, value in tags.items()],
        metrics=[metric for metric in values if is_finite_number(metric.value)],
    )


def run_params(cell: Cell) -> dict[str, str]:
    """The kind of cell and its flattened declaration."""
    return {"kind": cell.kind, **cell.parameters}


def fingerprint(committed: CommittedCell) -> str:
    """Hash of the manifest: equal for copies of one committed cell, different for cells that were computed apart."""
    return sha256(json.dumps(committed.manifest, sort_keys=True).encode()).hexdigest()


def cell_tags(committed: CommittedCell) -> dict[str, Any]:
    """The cell's place in the store, code and machine from the manifest, and in one tag, `PROVENANCE`, the sha256 of
    each file and the versions of all libraries."""
    manifest = committed.manifest
    fields = {name: value for name, value in manifest.items() if name not in NOT_TAGGED and value is not None}
    versions = {name.removeprefix(VERSION): fields.pop(name) for name in list(fields) if name.startswith(VERSION)}
    told = json.dumps({"sha256": manifest["files"], "versions": versions}, sort_keys=True)
    commit = str(manifest.get("code_version", ""))
    git = {GIT_COMMIT: commit.partition("+")[0]} if COMMIT.fullmatch(commit) else {}
    return fields | git | {PROVENANCE: told, "store": committed.place}


def dataset(cell: Cell, committed: CommittedCell) -> DatasetInput:
    """The images of a cell as MLflow's column "Dataset" shows them: their name and the beginning of their digest."""
    data = cell.declaration.encoder.data
    name, digest = getattr(data, "name", type(data).__name__), committed.manifest["data_digest"]
    source = json.dumps({"digest": digest, "declaration": own_fields(data)}, sort_keys=True)
    told = Dataset(name=str(name), digest=digest[:LONGEST_DIGEST], source_type="mi-ray", source=source)
    context = "training" if cell.kind == "training" else "evaluation"
    return DatasetInput(told, [InputTag("mlflow.data.context", context)])


def result_tags(committed: CommittedCell) -> dict[str, str]:
    """Strings and booleans of the result under their own names; empty strings are left out."""
    tags = {name: value for name, value in committed.result.items() if isinstance(value, (str, bool)) and value != ""}
    return {name: BOOLEAN_TAGS[value] if isinstance(value, bool) else value for name, value in tags.items()}


def statement_tags(cell: Cell, committed: CommittedCell) -> dict[str, str]:
    """For an estimation: the certified bracket or else the nominal estimate, and whether the latter lies outside."""
    if cell.kind != "estimation":
        return {}
    estimate = statement([committed.result])
    tags = {STATEMENT: estimate.text_with_spread, NOMINAL_OUTSIDE: estimate.outside}
    return {name: text for name, text in tags.items() if text}


def learning_tags(cell: Cell, committed: CommittedCell) -> dict[str, str]:
    """The reason why the cell's encoder did not learn, if any; also for results of versions that did not store it."""
    reason = why_not_learned(cell, committed)
    return {NOT_LEARNED: reason} if reason else {}


def result_metrics(committed: CommittedCell) -> list[Metric]:
    """Numbers of the result and the seconds of its computation, under their own names."""
    values = committed.result | {"seconds": committed.manifest["seconds"]}
    numbers = {name: value for name, value in values.items() if not isinstance(value, (str, bool, list, dict))}
    return _metrics(numbers, "", 0, committed)


def curve_metrics(rows: Sequence[Mapping[str, float]], committed: CommittedCell) -> list[Metric]:
    """Curves of the cell, each below ``history/``; a row is a point of each."""
    metrics = []
    for row in rows:
        values = {name: value for name, value in row.items() if name not in ("step", "at_ms")}
        metrics += _metrics(values, HISTORY, int(row["step"]), committed)
    return metrics


def _metrics(values: Mapping[str, Any], prefix: str, step: int, committed: CommittedCell) -> list[Metric]:
    """Metrics with the time of the commit as timestamp, so that logging a value again adds no row in MLflow."""
    at = milliseconds(committed.manifest["committed_at"])
    return [Metric(f"{prefix}{name}", value, at, step) for name, value in values.items()]


def not_finite_tags(metrics: Sequence[Metric]) -> dict[str, str]:
    """Tags for values that cannot be metrics; for a curve, the first step with such a value."""
    lost = [metric for metric in reversed(metrics) if not is_finite_number(metric.value)]
    return {
        f"not_a_metric/{metric.key}": f"{metric.value} at step {metric.step}" if metric.step else str(metric.value)
        for metric in lost
    }


def is_finite_number(value: object) -> bool:
    """Whether a value may be a metric. MLflow stores infinity as 1.8e308, which would ruin a colour scale."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


def milliseconds(seconds: float) -> int:
    """Seconds since the epoch in MLflow's unit."""
    return round(seconds * 1000)
