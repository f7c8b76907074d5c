"""Predicted cost of a cell in floating-point operations, so that long jobs can start first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import TYPE_CHECKING

from mi_ray.compute.training.sizes import forward_flops, width
from mi_ray.experiments.declare import Declaration, Encoder, encoder_of, n_classes
from mi_ray.experiments.declare.images import counts
from mi_ray.experiments.declare.kind import MOST_CLASSES, Counts
from mi_ray.experiments.plan.fit import input_side

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mi_ray.experiments.plan.plan import Cell, Job
    from mi_ray.experiments.store.store import CommittedCell

DEFAULT_RATE = 7e10
"""Operations per second of one CPU core, used until cells of the store have been timed."""


@dataclass(frozen=True)
class EncoderSizes:
    """Sizes of an encoder, measured on shapes, and of its images (`declare.kind.Sizes`); ValueError names an arch that
    cannot be built."""

    encoder: Encoder
    counts: Counts

    @property
    def forward(self) -> float:
        """Operations for one image at the side that the encoder sees, which for a checkpoint may differ from the
        images' own."""
        return forward_flops(self.encoder.arch, input_side(self.encoder), self.encoder.stem)

    @property
    def width(self) -> int:
        """Width of h."""
        return width(self.encoder.arch, self.encoder.stem)

    def classes(self, task: str) -> int:
        """Classes of a downstream task: declared, else counted, else `MOST_CLASSES`."""
        return n_classes(self.encoder.data, task) or self.counts.classes or MOST_CLASSES


@lru_cache(maxsize=4096)
def predicted_work(declaration: Declaration, counted: Counts | None = None) -> float:
    """Floating-point operations of a cell, roughly; ``counted``: what its images hold, if that is known better than
    the declaration tells."""
    encoder = encoder_of(declaration)
    return declaration.work(EncoderSizes(encoder, counted or counts(encoder.data)))


def cell_work(cell: Cell) -> float:
    """Floating-point operations of a cell with the images that were counted."""
    return predicted_work(cell.declaration, cell.counts)


def job_work(job: Job) -> float:
    """Floating-point operations of all cells of a job."""
    return sum(map(cell_work, job.cells))


def rates(cells: Iterable[CommittedCell]) -> dict[str, float]:
    """Operations per second by kind of cell: the median over finished cells; kinds without any are absent."""
    by_kind: dict[str, list[float]] = {}
    for manifest in (cell.manifest for cell in cells):
        if manifest["attempt"] > 1:  # the seconds of a resumed cell are those of its last attempt alone
            continue
        by_kind.setdefault(manifest["kind"], []).append(manifest["work"] / max(manifest["seconds"], 1e-3))
    return {kind: median(values) for kind, values in by_kind.items()}
