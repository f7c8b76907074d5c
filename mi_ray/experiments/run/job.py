"""Compute the cells of one job and commit them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import assert_never

import torch

from mi_ray.compute.numerics.finite import refuse_numbers
from mi_ray.compute.numerics.memory import give_back, keep_freed_blocks, keep_what_is_loaded
from mi_ray.compute.numerics.precision import number_type
from mi_ray.compute.training.workers import Workers
from mi_ray.experiments.declare import (
    Checkpoint,
    Embedding,
    Estimation,
    Geometry,
    LinearEvaluation,
    NearestNeighbours,
    OwnQuestion,
    Quality,
    Training,
    Views,
)
from mi_ray.experiments.declare.identity import story
from mi_ray.experiments.declare.kind import Values
from mi_ray.experiments.images.prepared import PreparedData
from mi_ray.experiments.plan.cost import cell_work
from mi_ray.experiments.plan.plan import Cell, Job
from mi_ray.experiments.run.checkpoint import read_back
from mi_ray.experiments.run.embedding import embedded, h_of
from mi_ray.experiments.run.estimation import estimated
from mi_ray.experiments.run.evaluation import evaluated
from mi_ray.experiments.run.geometry import graded, measured
from mi_ray.experiments.run.knn import voted
from mi_ray.experiments.run.loop import staying
from mi_ray.experiments.run.own import answered
from mi_ray.experiments.run.provenance import provenance
from mi_ray.experiments.run.training import trained
from mi_ray.experiments.store.healing import UPSTREAM_CONTENT, setting_aside, settled
from mi_ray.experiments.store.store import Attempt, Store, ending_in_order

LARGE = frozenset({"training", "embedding", "views"})
"""Kinds of job whose activations take much memory, which the next job of this process may not need."""


class Stopwatch:
    """When a job began, by the wall clock, and the seconds since, by a clock that never jumps."""

    def __init__(self) -> None:
        self.started, self._began = time.time(), time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the beginning; no jump of the wall clock makes them negative."""
        return time.monotonic() - self._began


def compute(
    job: Job,
    data: PreparedData,
    store: Store,
    *,
    device: torch.device,
    leaving: Callable[[], bool] = staying,
    loaders: int = 0,
) -> None:
    """Compute every cell of ``job`` that the store does not hold yet and commit each.

    ``loaders``: processes that decode streamed images beside this one; the numbers do not depend on them. Raises what
    the mathematics raises; what was committed before stays. Raises Leaving, with a checkpoint in the store,
    when the machine is found ``leaving`` in the middle of a training.
    """
    keep_what_is_loaded()
    keep_freed_blocks()
    with setting_aside(store, job.needs):
        missing = [cell for cell in job.cells if not settled(store, cell.key, cell.upstream)]
        rests_on = store.read(job.needs).content if missing and job.needs else None
    if not missing:
        return
    attempts = {cell.key: store.attempt(cell.key) for cell in missing}
    with ending_in_order(*attempts.values()), setting_aside(store, job.needs):
        watch = Stopwatch()
        results = _results(missing, attempts, data, store, device, leaving, loaders)
        seconds = watch.seconds / len(missing)
        if job.kind in LARGE:
            give_back()
        for cell, result in zip(missing, results, strict=True):
            refuse_numbers(f"result of {cell.kind}", result)
            manifest = _manifest(cell, device, watch, seconds) | {UPSTREAM_CONTENT: rests_on}
            attempts[cell.key].publish(manifest, result=result, declaration=story(cell.declaration))


def compute_together(
    job: Job,
    data: PreparedData,
    store: Store,
    *,
    device: torch.device,
    workers: Workers,
    leaving: Callable[[], bool] = staying,
    loaders: int = 0,
) -> None:
    """Train the encoder of ``job`` with other workers, each of which calls this; the first of them commits it.

    ``loaders``: processes of each worker that decode streamed images. Raises Leaving on all workers when
    any of their machines is.
    """
    keep_what_is_loaded()
    keep_freed_blocks()
    (cell,) = job.cells
    assert isinstance(cell.declaration, Training)
    attempt = store.attempt(cell.key) if workers.first and not settled(store, cell.key, None) else None
    if not workers.from_first(attempt is not None):
        return
    with ending_in_order(*filter(None, [attempt])):
        watch = Stopwatch()
        result = trained(cell.declaration, data, attempt, device, workers, leaving, loaders)
        if attempt:
            manifest = _manifest(cell, device, watch, watch.seconds) | {
                "workers": workers.size,
                UPSTREAM_CONTENT: None,
            }
            attempt.publish(manifest, result=result, declaration=story(cell.declaration))
        workers.from_first(None)


def _results(
    cells: list[Cell],
    attempts: dict[str, Attempt],
    data: PreparedData,
    store: Store,
    device: torch.device,
    leaving: Callable[[], bool],
    loaders: int,
) -> list[Values]:
    """The results of the cells of a job; they are of one kind, with one upstream."""
    cell, attempt, upstream = cells[0], attempts[cells[0].key], cells[0].upstream or ""
    match cell.declaration:
        case Training() as training:
            return [trained(training, data, attempt, device, leaving=leaving, loaders=loaders)]
        case Checkpoint() as checkpoint:
            return [read_back(checkpoint, attempt, store, cell.upstream, cell.data_digest)]
        case (Embedding() | Views()) as frozen:
            return [embedded(frozen, data, attempt, store, upstream, device, loaders)]
        case Estimation() as estimation:
            return [estimated(estimation, data, attempt, h_of(upstream, store), device)]
        case LinearEvaluation():
            evaluations = [cell.declaration for cell in cells if isinstance(cell.declaration, LinearEvaluation)]
            return evaluated(evaluations, data, h_of(upstream, store), device)
        case NearestNeighbours() as neighbours:
            return [voted(neighbours, data, h_of(upstream, store), device)]
        case Geometry() as geometry:
            return [measured(geometry, data, h_of(upstream, store), device)]
        case Quality() as quality:
            return [graded(quality, data, h_of(upstream, store), device)]
        case OwnQuestion() as question:
            return [answered(question, data, h_of(upstream, store))]
        case _:
            assert_never(cell.declaration)


def _manifest(cell: Cell, device: torch.device, watch: Stopwatch, seconds: float) -> Values:
    precision = _precision(cell, device)
    return provenance() | {
        "kind": cell.kind,
        "protocol": cell.declaration.protocol,
        "upstream": cell.upstream,
        "data_digest": cell.data_digest,
        "device": str(device),
        "precision": str(precision).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "workers": 1,
        "work": cell_work(cell),
        "seconds": seconds,
        "started_at": watch.started,
        "committed_at": watch.started + watch.seconds,
    }


def _precision(cell: Cell, device: torch.device) -> torch.dtype:
    """Number type of a training's networks; all that is frozen is read in float32."""
    training = cell.declaration
    return number_type(training.precision, device) if isinstance(training, Training) else torch.float32
