"""Disk, memory and loader cores that cells need: pure functions of declarations, of what was counted, and of a machine.

Facts: resident images take one byte a channel and are mapped into memory, one copy a node; streamed images are decoded
for every view and stay in their files. h is kept in float32. A checkpoint holds weights and two moments, two are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

from mi_ray.compute.images.labelled import RESIDENT_BUDGET
from mi_ray.compute.training.sizes import activation_bytes, encoder_bytes, forward_flops, width
from mi_ray.experiments.declare import (
    Checkpoint,
    Data,
    Embedding,
    Encoder,
    Labelled,
    Training,
    Views,
    data_of,
    encoder_of,
    side,
)
from mi_ray.experiments.declare.images import counts, has_image_files
from mi_ray.experiments.declare.kind import FORWARD_AND_BACKWARD, Counts
from mi_ray.experiments.plan.cost import DEFAULT_RATE
from mi_ray.experiments.plan.fit import input_side
from mi_ray.experiments.plan.forecast import H100_FLOPS, H100_STEP_SECONDS
from mi_ray.experiments.plan.plan import UNPREPARED, Cell

LOADER_VIEWS = 250.0
"""Views that one loader core makes in a second, from photographs of ImageNet's sizes, at a side of 224 pixels: 214 to
298 on an Intel Xeon (`benchmarks/README.md`); other processors are assumed alike."""

IDLE = 0.25
"""Loader cores needed below which a training decodes its images itself."""

PROCESS_BYTES = 600 * 2**20
"""Memory of a process beside networks and images: Python, PyTorch, blocks of h and of scores."""

LOADER_BYTES = 300 * 2**20
"""Memory of a loader process with the views that it has made ahead."""

FLOAT = 4
CHECKPOINT_COPIES = 3
"""Weights, and the two moments of the optimiser."""
CHECKPOINTS_KEPT = 2
TRAINED_COPIES = CHECKPOINT_COPIES + 1
"""What a training holds in memory: these, and gradients."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Memory and free disk in bytes, and CPU cores, of one node."""

    memory: int
    disk: int
    cores: float


@dataclass(frozen=True, kw_only=True)
class Disk:
    """Bytes that cells add to a store."""

    images: int
    embeddings: int
    encoders: int
    checkpoints: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.images + self.embeddings + self.encoders + self.checkpoints


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes of a node: ``resident`` images once, ``process`` for the largest job that runs on CPU cores, without its
    loaders; ``side_by_side``: networks and activations of the largest trainings that run at the same time."""

    resident: int
    process: int
    side_by_side: int


# Images


def counted(cell: Cell) -> Counts:
    """What the images of a cell hold: counted, else as declared."""
    return cell.counts or counts(data_of(cell.declaration))


def array_bytes(data: Data, held: Counts) -> int:
    """Bytes of all images, those of another set D- too, as squares of the declared side."""
    return (held.images + held.negatives) * 3 * side(data) ** 2


def is_streamed(data: Data, held: Counts) -> bool:
    """Whether views are decoded from image files: photographs that are cropped, or squares beyond `RESIDENT_BUDGET`."""
    if not isinstance(data, Labelled) or not has_image_files(data):
        return False
    return data.form == "photograph" or array_bytes(data, held) > RESIDENT_BUDGET


def stored_bytes(data: Data, held: Counts, *, in_bucket: bool) -> int:
    """Bytes of the prepared images in a store: arrays, or encoded files that a store in a bucket packs."""
    if is_streamed(data, held):
        return held.file_bytes if in_bucket else 0
    return array_bytes(data, held)


# Networks


def projector_bytes(encoder: Training) -> int:
    """Bytes of the weights of a training's projector."""
    h = width(encoder.arch, encoder.stem)
    return FLOAT * (h * encoder.hidden + encoder.hidden + encoder.hidden * encoder.out + encoder.out)


# Cells


def disk(missing: Iterable[Cell], *, in_bucket: bool, slots: int) -> Disk:
    """Bytes that the ``missing`` cells add to a store; ``slots``: jobs, and so trainings, that run side by side."""
    cells = list(missing)
    unprepared = {data_of(cell.declaration): counted(cell) for cell in cells if cell.data_digest == UNPREPARED}
    running = sorted((_checkpoint_bytes(cell.declaration) for cell in cells if cell.kind == "training"), reverse=True)
    return Disk(
        images=sum(stored_bytes(data, held, in_bucket=in_bucket) for data, held in unprepared.items()),
        embeddings=sum(map(embedding_bytes, cells)),
        encoders=sum(_encoder_bytes(cell.declaration) for cell in cells),
        checkpoints=sum(running[:slots]),
    )


def embedding_bytes(cell: Cell) -> int:
    """Bytes of h that a cell writes; 0 unless it embeds."""
    declaration = cell.declaration
    if not isinstance(declaration, Embedding | Views):
        return 0
    per_image = declaration.per_image if isinstance(declaration, Views) else 1
    return counted(cell).images * per_image * width(declaration.encoder.arch, declaration.encoder.stem) * FLOAT


def _encoder_bytes(declaration: object) -> int:
    """Bytes of the networks that a cell writes; a training that is written to a file and read back is there twice."""
    if isinstance(declaration, Training):
        return encoder_bytes(declaration.arch, declaration.stem) + projector_bytes(declaration)
    if isinstance(declaration, Checkpoint):
        copies = 2 if isinstance(declaration.source, Training) else 1
        return copies * encoder_bytes(declaration.arch, declaration.stem)
    return 0


def _checkpoint_bytes(declaration: object) -> int:
    return CHECKPOINTS_KEPT * CHECKPOINT_COPIES * _encoder_bytes(declaration)


def memory(missing: Iterable[Cell], *, on_gpu: bool, slots: int = 1) -> Memory:
    """Bytes that a node needs for the ``missing`` cells; ``on_gpu``: networks are in the memory of a GPU; ``slots``:
    jobs that run side by side."""
    cells = list(missing)
    held = {data_of(cell.declaration): counted(cell) for cell in cells}
    resident = sum(array_bytes(data, found) for data, found in held.items() if not is_streamed(data, found))
    trainings = [] if on_gpu else [cell.declaration for cell in cells if isinstance(cell.declaration, Training)]
    working = sorted(map(_training_bytes, trainings), reverse=True)[:slots]
    largest = max(working, default=0)
    return Memory(resident=resident, process=PROCESS_BYTES + largest, side_by_side=sum(working))


def _training_bytes(training: Training) -> int:
    seen = 2 * training.k_tr * activation_bytes(training.arch, side(training.data), training.stem)
    return seen + TRAINED_COPIES * _encoder_bytes(training)


# Loaders


def views_per_second(declaration: object, *, on_gpu: bool) -> float:
    """Views that an encoder takes in a second, at the rates that the forecast assumes of a GPU and of a core."""
    assert isinstance(declaration, Training | Embedding | Views)
    encoder: Encoder = encoder_of(declaration)
    forward = forward_flops(encoder.arch, input_side(encoder), encoder.stem)
    if isinstance(declaration, Training):
        views = 2 * declaration.k_tr
        work = FORWARD_AND_BACKWARD * forward * views
        return views / (work / H100_FLOPS + H100_STEP_SECONDS if on_gpu else work / DEFAULT_RATE)
    return (H100_FLOPS if on_gpu else DEFAULT_RATE) / forward


def loaders_needed(cell: Cell, *, on_gpu: bool) -> int:
    """Loader cores with which a training or an embedding waits for no image; 0 if it streams none."""
    declaration = cell.declaration
    if not isinstance(declaration, Training | Embedding | Views) or not is_streamed(
        data_of(declaration), counted(cell)
    ):
        return 0
    needed = views_per_second(declaration, on_gpu=on_gpu) / LOADER_VIEWS
    return 0 if needed < IDLE else ceil(needed)


def loaders_of(cell: Cell, wanted: int | None, room: float, *, on_gpu: bool) -> int:
    """Loader cores of a cell where ``room`` cores are left for them: those it needs, or ``wanted`` if it needs any."""
    needed = loaders_needed(cell, on_gpu=on_gpu)
    return max(0, min(needed if wanted is None or not needed else wanted, int(room)))


def most_needed(cells: Sequence[Cell], *, on_gpu: bool) -> Cell | None:
    """The cell that needs most loader cores; None if no cell streams images."""
    streamed = [cell for cell in cells if loaders_needed(cell, on_gpu=True)]
    return max(streamed, key=lambda cell: loaders_needed(cell, on_gpu=on_gpu), default=None)
