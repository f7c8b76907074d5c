"""What MLflow is told of a cell: the name, parameters, tags and metrics of its run.

Of a result, numbers become metrics, and words and booleans tags; lists and what is below them, such as an estimation's
``critics``, stay in the cell's result.json, whose directory the tag ``store`` names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from math import isfinite
from typing import Any

from mlflow.entities import Metric

from mi_ray.experiments.declare.measures import NOMINAL_OUTSIDE, NOT_LEARNED, STATEMENT
from mi_ray.experiments.plan.plan import Cell
from mi_ray.experiments.plan.sheets import short_key
from mi_ray.experiments.results.statement import statement
from mi_ray.experiments.run.learning import why_not_learned
from mi_ray.experiments.store.store import CommittedCell
from mi_ray.tracking.mirror import HISTORY, TRUTH

NAMED = ("pairing", "task", "arch", "seed", "k_tr")
"""Parameters that make a run's name, as far as its cell has them."""

NOT_TAGGED = frozenset({"files", "key", "seconds", "started_at", "committed_at"})


def run_name(cell: Cell) -> str:
    """A run's name for people: ``estimation pairing=color task=digit arch=resnet10t seed=0 k_tr=64 7aa08ab9``.

    An experiment holds cells of many plans, so the beginning of the key's hash sets each apart from all others.
    """
    told = cell.parameters
    return " ".join([cell.kind, *(f"{name}={told[name]}" for name in NAMED if name in told), short_key(cell)])


def run_params(cell: Cell) -> dict[str, str]:
    """The declaration, flat, and the kind of cell."""
    return {"kind": cell.kind, **cell.parameters}


def record_of(committed: CommittedCell) -> str:
    """Tells copies of one committed cell, of which MLflow is told the very same, from cells computed apart."""
    return sha256(json.dumps(committed.manifest, sort_keys=True).encode()).hexdigest()


def cell_tags(committed: CommittedCell) -> dict[str, Any]:
    """Where the cell lies, the sha256 of each of its files, and what the manifest says of code and machine."""
    manifest = committed.manifest
    said = {name: value for name, value in manifest.items() if name not in NOT_TAGGED and value is not None}
    files = {f"sha256/{name}": digest for name, digest in manifest["files"].items()}
    return said | files | {"store": committed.place}


def result_tags(committed: CommittedCell) -> dict[str, str]:
    """The result's words and booleans, under their own names; empty words are left out."""
    said = {name: value for name, value in committed.result.items() if isinstance(value, (str, bool)) and value != ""}
    return {name: TRUTH[value] if isinstance(value, bool) else value for name, value in said.items()}


def statement_tags(cell: Cell, committed: CommittedCell) -> dict[str, str]:
    """Of an estimation ``statement``, the certified bracket with its tick or else the nominal value, and where that
    lies outside the bracket ``nominal_outside``, which says so in words."""
    if cell.kind != "estimation":
        return {}
    said = statement([committed.result])
    told = {STATEMENT: said.text_with_spread, NOMINAL_OUTSIDE: said.outside}
    return {name: text for name, text in told.items() if text}


def learning_tags(cell: Cell, committed: CommittedCell) -> dict[str, str]:
    """Why the cell's encoder did not learn, also where the result of an earlier version does not say; else nothing."""
    reason = why_not_learned(cell, committed)
    return {NOT_LEARNED: reason} if reason else {}


def result_metrics(committed: CommittedCell) -> list[Metric]:
    """The result's numbers and the seconds it took, under their own names."""
    values = committed.result | {"seconds": committed.manifest["seconds"]}
    numbers = {name: value for name, value in values.items() if not isinstance(value, (str, bool, list, dict))}
    return _metrics(numbers, "", 0, committed)


def history_metrics(committed: CommittedCell) -> list[Metric]:
    """The curves of a cell, each below ``history/``."""
    return [
        metric
        for record in committed.history
        for metric in _metrics(_without_step(record), HISTORY, int(record["step"]), committed)
    ]


def _metrics(values: Mapping[str, Any], prefix: str, step: int, committed: CommittedCell) -> list[Metric]:
    """Metrics stamped with the time of the commit, so that the same value told again is the same row."""
    at = milliseconds(committed.manifest["committed_at"])
    return [Metric(f"{prefix}{name}", value, at, step) for name, value in values.items()]


def _without_step(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in ("step", "at_ms")}


def words(told: Sequence[Metric]) -> dict[str, str]:
    """What a cell told that cannot be a metric, as tags: of a curve, the first step where it left the numbers."""
    left = [metric for metric in reversed(told) if not is_number(metric.value)]
    return {
        f"not_a_metric/{metric.key}": f"{metric.value} at step {metric.step}" if metric.step else str(metric.value)
        for metric in left
    }


def is_number(value: object) -> bool:
    """Whether a value may be a metric: finite. MLflow stores infinity as 1.8e308, which would wreck a colour scale."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


def milliseconds(seconds: float) -> int:
    """Seconds since the epoch in MLflow's unit."""
    return round(seconds * 1000)
