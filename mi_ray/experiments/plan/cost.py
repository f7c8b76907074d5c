"""What a cell will cost, before it has run: floating-point operations, so that long jobs can start first."""

from __future__ import annotations

from functools import lru_cache
from statistics import median
from typing import TYPE_CHECKING, assert_never

from mi_ray.compute.training.networks import forward_flops, width
from mi_ray.experiments.declare import (
    CDP,
    Checkpoint,
    Data,
    Declaration,
    Embedding,
    Encoder,
    Estimation,
    Geometry,
    Labelled,
    LinearEvaluation,
    Question,
    Training,
    Views,
    data_of,
    encoder_of,
    n_classes,
    task_of,
)
from mi_ray.experiments.plan.fit import input_side

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mi_ray.experiments.plan.plan import Job
    from mi_ray.experiments.store.store import CommittedCell

FORWARD_AND_BACKWARD = 3
STEP_OVERHEAD = 1e9
"""Operations that the fixed cost of one optimiser step is worth: small K_tr makes long jobs."""

PROBE_PASSES = 40
MOST_CLASSES = 100
"""Classes that a folder is taken to have until it is read."""

IMAGES = {
    "cifar-10": 60_000, "cifar-100": 60_000, "stl-10": 13_000, "mnist": 70_000, "imagenet-1k": 1_331_167,
    "imagenet-100": 133_000, "pacs": 9_991, "folder": 50_000, "digits": 1_797,
}  # fmt: skip
"""Images of a data set, all splits together; a folder's is a guess."""

DEFAULT_RATE = 7e10
"""Operations per second of one CPU core, used until the store knows better."""


@lru_cache(maxsize=4096)
def predicted_work(declaration: Declaration) -> float:
    """Floating-point operations that a cell will take, roughly."""
    match declaration:
        case Training():
            per_view = FORWARD_AND_BACKWARD * _forward(declaration)
            seen = declaration.views * (2 if _against_another(declaration.data) else 1)
            return seen * per_view + declaration.steps * STEP_OVERHEAD
        case Checkpoint():
            return STEP_OVERHEAD
        case Embedding():
            return images(declaration.encoder.data) * _forward(declaration.encoder)
        case Views():
            return declaration.per_image * images(declaration.encoder.data) * _forward(declaration.encoder)
        case Estimation():
            probe = 0.0 if isinstance(declaration.embedding, Views) else _probe_work(declaration)
            return _critics_work(declaration) + probe
        case LinearEvaluation():
            return _probe_work(declaration)
        case Geometry():
            return 2.0 * _test_images(data_of(declaration)) ** 2 * _width(encoder_of(declaration))
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


def _against_another(data: Data) -> bool:
    """Whether negatives come from another data set: then a step sees as many views of that as of the images."""
    return isinstance(data, Labelled) and data.negatives is not None


def _critics_work(declaration: Estimation) -> float:
    encoder = encoder_of(declaration)
    fitted = FORWARD_AND_BACKWARD * 2 * declaration.k_fit * declaration.steps * 2 * _critic_size(encoder)
    read = min(_test_images(encoder.data), 2 * declaration.batches * declaration.k_est)
    return declaration.critics * (fitted + 2 * read**2 * encoder.out)


def _probe_work(question: Estimation | LinearEvaluation) -> float:
    encoder = encoder_of(question)
    columns = _classes(question) * len(question.penalties)
    return PROBE_PASSES * 4 * _train_images(encoder.data) * _width(encoder) * columns


def _classes(question: Question) -> int:
    return n_classes(data_of(question), task_of(question)) or MOST_CLASSES


def _forward(encoder: Encoder) -> int:
    """Operations of one image; a checkpoint of others sees images at the size that it was trained on."""
    return forward_flops(encoder.arch, input_side(encoder), encoder.stem)


def _width(encoder: Encoder) -> int:
    return width(encoder.arch, encoder.stem)


def _critic_size(encoder: Encoder) -> int:
    return _width(encoder) * encoder.hidden + encoder.hidden * encoder.out


def images(data: Data) -> int:
    """Images of all splits."""
    match data:
        case CDP():
            return data.train_images + data.validation_images + data.test_images
        case Labelled():
            return IMAGES[data.name] // (2 if data.half else 1)
        case _:
            assert_never(data)


def _train_images(data: Data) -> int:
    return data.train_images if isinstance(data, CDP) else images(data)


def _test_images(data: Data) -> int:
    return data.test_images if isinstance(data, CDP) else images(data) // 5
