"""What a cell will cost, before it has run: floating-point operations, so that long jobs can start first."""

from __future__ import annotations

from functools import lru_cache
from statistics import median
from typing import TYPE_CHECKING, assert_never

from mi_ray.compute.networks import forward_flops, width
from mi_ray.experiments.declare import (
    Declaration,
    Embedding,
    Estimation,
    LinearEvaluation,
    Question,
    Training,
    task_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mi_ray.experiments.cells import CommittedCell
    from mi_ray.experiments.plan import Job

FORWARD_AND_BACKWARD = 3
STEP_OVERHEAD = 1e9
"""Operations that the fixed cost of one optimiser step is worth: small K_tr makes long jobs."""

PROBE_PASSES = 40
DEFAULT_RATE = 7e10
"""Operations per second of one CPU core, used until the store knows better."""


@lru_cache(maxsize=4096)
def predicted_work(declaration: Declaration) -> float:
    """Floating-point operations that a cell will take, roughly."""
    match declaration:
        case Training():
            per_view = FORWARD_AND_BACKWARD * forward_flops(declaration.arch, declaration.data.canvas)
            return declaration.views * per_view + declaration.steps * STEP_OVERHEAD
        case Embedding():
            training = declaration.training
            return _images(training) * forward_flops(training.arch, training.data.canvas)
        case Estimation():
            return _critics_work(declaration) + _probe_work(declaration)
        case LinearEvaluation():
            return _probe_work(declaration)
        case _:
            assert_never(declaration)


def job_work(job: Job) -> float:
    """Floating-point operations of all cells of a job."""
    return sum(predicted_work(cell.declaration) for cell in job.cells)


def rates(cells: Iterable[CommittedCell]) -> dict[str, float]:
    """Operations per second by kind of cell: the median of what finished cells took; kinds not seen are absent."""
    seen: dict[str, list[float]] = {}
    for manifest in (cell.manifest for cell in cells):
        if manifest["attempt"] > 1:  # a resumed cell's seconds are those of its last attempt alone
            continue
        seen.setdefault(manifest["kind"], []).append(manifest["work"] / max(manifest["seconds"], 1e-3))
    return {kind: median(values) for kind, values in seen.items()}


def _critics_work(declaration: Estimation) -> float:
    training = declaration.embedding.training
    fitted = FORWARD_AND_BACKWARD * 2 * declaration.k_fit * declaration.steps * 2 * _critic_size(training)
    images = min(training.data.test_images, 2 * declaration.batches * declaration.k_est)
    return declaration.critics * (fitted + 2 * images**2 * training.out)


def _probe_work(question: Question) -> float:
    training = question.embedding.training
    columns = task_of(question).n_classes * len(question.penalties)
    return PROBE_PASSES * 4 * training.data.train_images * width(training.arch) * columns


def _images(training: Training) -> int:
    return training.data.train_images + training.data.validation_images + training.data.test_images


def _critic_size(training: Training) -> int:
    return width(training.arch) * training.hidden + training.hidden * training.out
