"""Declarations: frozen values that state a training and the questions to its encoder. Building one does no work.

Train, freeze, ask: a `Training` (or a published `Checkpoint`) gives an encoder, an `Embedding` holds h of the images
(`Views`: of fresh views of them), and the questions `Estimation`, `LinearEvaluation` and `Geometry` read that. Each
declaration holds its upstream, so a question is a whole story. A new kind of cell has a file of its own here, its
members are those of `kind.Kind`, and it enters one of the unions below.
"""

from typing import get_args

from mi_ray.experiments.declare.checkpoint import Checkpoint, Encoder
from mi_ray.experiments.declare.embedding import Embedding, Frozen, Views
from mi_ray.experiments.declare.estimation import Estimation
from mi_ray.experiments.declare.evaluation import LinearEvaluation
from mi_ray.experiments.declare.geometry import Geometry, Quality
from mi_ray.experiments.declare.graph import data_of, encoder_of, task_of, training_of, upstream
from mi_ray.experiments.declare.images import BUNDLED, CDP, Crops, Data, Labelled, Noise, entropy_bits, n_classes, side
from mi_ray.experiments.declare.knn import NearestNeighbours
from mi_ray.experiments.declare.own.base import Own, refuse_faults
from mi_ray.experiments.declare.own.images import OwnImages
from mi_ray.experiments.declare.own.pairing import OwnPairing
from mi_ray.experiments.declare.own.question import OwnQuestion
from mi_ray.experiments.declare.pairings import (
    Augmentation,
    Pairing,
    SameClass,
    SimCLR,
    SimCLRWithBlur,
    color_jitter,
    pairing_called,
    pairing_name,
    resized_crop,
)
from mi_ray.experiments.declare.training import NTXent, Objective, SupCon, Training

Question = Estimation | LinearEvaluation | NearestNeighbours | Geometry | Quality | OwnQuestion
Declaration = Encoder | Frozen | Question

TAKEN = frozenset(
    name
    for declared in get_args(Declaration | Pairing | Data)
    if not issubclass(declared, Own)
    for name in (declared.__name__, getattr(declared, "kind", declared.__name__))
)
"""Names of classes and kinds that a class of a user's own cannot have."""

__all__ = [
    "BUNDLED",
    "CDP",
    "TAKEN",
    "Augmentation",
    "Checkpoint",
    "Crops",
    "Data",
    "Declaration",
    "Embedding",
    "Encoder",
    "Estimation",
    "Frozen",
    "Geometry",
    "Labelled",
    "LinearEvaluation",
    "NTXent",
    "NearestNeighbours",
    "Noise",
    "Objective",
    "OwnImages",
    "OwnPairing",
    "OwnQuestion",
    "Pairing",
    "Quality",
    "Question",
    "SameClass",
    "SimCLR",
    "SimCLRWithBlur",
    "SupCon",
    "Training",
    "Views",
    "color_jitter",
    "data_of",
    "encoder_of",
    "entropy_bits",
    "n_classes",
    "pairing_called",
    "pairing_name",
    "refuse_faults",
    "resized_crop",
    "side",
    "task_of",
    "training_of",
    "upstream",
]
