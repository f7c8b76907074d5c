"""Declarations: frozen values that say what is trained and what is asked of it. Building one does no work.

Train, freeze, ask: a `Training` (or a `Checkpoint` of others) gives an encoder, an `Embedding` freezes what it makes of
the images (`Views`: of fresh views of them), and the questions `Estimation`, `LinearEvaluation` and `Geometry` read
that. Each holds what is upstream of it, so a question is a whole story.
"""

from mi_ray.experiments.declare.encoders import Checkpoint, Encoder, NTXent, Objective, SupCon, Training
from mi_ray.experiments.declare.graph import Declaration, data_of, encoder_of, training_of, upstream
from mi_ray.experiments.declare.images import BUNDLED, CDP, Crops, Data, Labelled, Noise, entropy_bits, n_classes, side
from mi_ray.experiments.declare.pairings import (
    Pairing,
    SameClass,
    SimCLR,
    color_jitter,
    pairing_called,
    pairing_name,
    resized_crop,
)
from mi_ray.experiments.declare.questions import (
    Embedding,
    Estimation,
    Frozen,
    Geometry,
    LinearEvaluation,
    Question,
    Views,
    task_of,
)

__all__ = [
    "BUNDLED",
    "CDP",
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
    "Noise",
    "Objective",
    "Pairing",
    "Question",
    "SameClass",
    "SimCLR",
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
    "resized_crop",
    "side",
    "task_of",
    "training_of",
    "upstream",
]
