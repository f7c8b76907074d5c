"""Predicted cost of a cell in floating-point operations, so that long jobs can start first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import TYPE_CHECKING

from mi_ray.compute.training.networks import forward_flops, width
from mi_ray.experiments.declare import Declaration, Encoder, encoder_of
from mi_ray.experiments.plan.fit import input_side

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mi_ray.experiments.plan.plan import Job
    from mi_ray.experiments.store.store import CommittedCell

DEFAULT_RATE = 7e10
"""Operations per second of one CPU core, used until cells of the store have been timed."""


@dataclass(frozen=True)
class EncoderSizes:
    """Sizes of an encoder, measured on shapes (`declare.kind.Sizes`); ValueError names an arch that cannot be built."""

    encoder: Encoder

    @property
    def forward(self) -> float:
        """Operations for one image at the side that the encoder sees, which for a checkpoint may differ from the
        images' own."""
        return forward_flops(self.encoder.arch, input_side(self.encoder), self.encoder.stem)

    @property
    def width(self) -> int:
        """Width of h."""
        return width(self.encoder.arch, self.encoder.stem)


@lru_cache(maxsize=4096)
def predicted_work(declaration: Declaration) -> float:
    """Floating-point operations of a cell, roughly."""
    return declaration.work(EncoderSizes(encoder_of(declaration)))


def job_work(job: Job) -> float:
    """Floating-point operations of all cells of a job."""
    return sum(predicted_work(cell.declaration) for cell in job.cells)


def rates(cells: Iterable[CommittedCell]) -> dict[str, float]:
    """Operations per second by kind of cell: the median over finished cells; kinds without any are absent."""
    by_kind: dict[str, list[float]] = {}
    for manifest in (cell.manifest for cell in cells):
        if manifest["attempt"] > 1:  # the seconds of a resumed cell are those of its last attempt alone
            continue
        by_kind.setdefault(manifest["kind"], []).append(manifest["work"] / max(manifest["seconds"], 1e-3))
    return {kind: median(values) for kind, values in by_kind.items()}
