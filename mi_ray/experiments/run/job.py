"""Compute the cells of one job and commit them: the only place where a declaration meets the mathematics."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, assert_never

import torch

from mi_ray.compute.numerics.finite import refuse_numbers
from mi_ray.compute.numerics.precision import number_type
from mi_ray.compute.training.workers import Workers
from mi_ray.experiments.declare import (
    Checkpoint,
    Embedding,
    Estimation,
    Geometry,
    LinearEvaluation,
    Training,
    Views,
)
from mi_ray.experiments.declare.identity import PROTOCOL, story
from mi_ray.experiments.images.prepared import PreparedData
from mi_ray.experiments.plan.cost import predicted_work
from mi_ray.experiments.plan.plan import Cell, Job
from mi_ray.experiments.run.ask import estimated, evaluated, measured
from mi_ray.experiments.run.encode import embedded, h_of, read_back, trained
from mi_ray.experiments.run.loop import staying
from mi_ray.experiments.run.provenance import provenance
from mi_ray.experiments.store.store import Attempt, Store

Values = dict[str, Any]


def compute(
    job: Job,
    data: PreparedData,
    store: Store,
    *,
    device: torch.device,
    leaving: Callable[[], bool] = staying,
) -> None:
    """Compute every cell of ``job`` that the store does not hold yet and commit each.

    Raises what the mathematics raises; what was committed before stays. Raises Leaving, with a checkpoint in the store,
    when the machine is found ``leaving`` in the middle of a training.
    """
    attempts = {cell.key: store.attempt(cell.key) for cell in job.cells if not store.has(cell.key)}
    cells = [cell for cell in job.cells if cell.key in attempts]
    if not cells:
        return
    started, clock = time.time(), time.monotonic()
    results = _results(cells, attempts, data, store, device, leaving)
    seconds = (time.monotonic() - clock) / len(cells)
    for cell, result in zip(cells, results, strict=True):
        refuse_numbers(f"result of {cell.kind}", result)
        manifest = _manifest(cell, device, started, seconds)
        attempts[cell.key].publish(manifest, result=result, declaration=story(cell.declaration))


def compute_together(
    job: Job,
    data: PreparedData,
    store: Store,
    *,
    device: torch.device,
    workers: Workers,
    leaving: Callable[[], bool] = staying,
) -> None:
    """Train the encoder of ``job`` with other workers, each of which calls this; the first of them commits it.

    Raises Leaving on all workers when any of their machines is.
    """
    (cell,) = job.cells
    assert isinstance(cell.declaration, Training)
    attempt = store.attempt(cell.key) if workers.first and not store.has(cell.key) else None
    if not workers.from_first(attempt is not None):
        return
    started, clock = time.time(), time.monotonic()
    result = trained(cell.declaration, data, attempt, device, workers, leaving)
    if attempt:
        manifest = _manifest(cell, device, started, time.monotonic() - clock) | {"workers": workers.size}
        attempt.publish(manifest, result=result, declaration=story(cell.declaration))
    workers.from_first(None)


def _results(
    cells: list[Cell],
    attempts: dict[str, Attempt],
    data: PreparedData,
    store: Store,
    device: torch.device,
    leaving: Callable[[], bool],
) -> list[Values]:
    cell, attempt = cells[0], attempts[cells[0].key]
    match cell.declaration:
        case Training():
            return [trained(cell.declaration, data, attempt, device, leaving=leaving)]
        case Checkpoint():
            return [read_back(cell.declaration, attempt, store, cell.upstream)]
        case Embedding() | Views():
            return [embedded(cell, data, attempt, store, device)]
        case Estimation():
            return [estimated(cell.declaration, data, attempt, h_of(cell, store))]
        case LinearEvaluation():
            questions = [c.declaration for c in cells if isinstance(c.declaration, LinearEvaluation)]
            return evaluated(questions, data, h_of(cell, store))
        case Geometry():
            return [measured(cell.declaration, data, h_of(cell, store))]
        case _:
            assert_never(cell.declaration)


def _manifest(cell: Cell, device: torch.device, started: float, seconds: float) -> Values:
    precision = _precision(cell, device)
    return provenance() | {
        "kind": cell.kind,
        "protocol": PROTOCOL[type(cell.declaration).__name__],
        "upstream": cell.upstream,
        "data_digest": cell.data_digest,
        "device": str(device),
        "precision": str(precision).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "workers": 1,
        "work": predicted_work(cell.declaration),
        "seconds": seconds,
        "started_at": started,
        "committed_at": time.time(),
    }


def _precision(cell: Cell, device: torch.device) -> torch.dtype:
    """Number type of a training's networks; all that is frozen is read in float32."""
    training = cell.declaration
    return number_type(training.precision, device) if isinstance(training, Training) else torch.float32
