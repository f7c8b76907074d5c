"""Names of the values in a cell's result: measures, which are numbers with unit, error, label and direction, and texts.

Results, MLflow, the screen, sweeps and figures import these names from here; no name that two files use is spelt out in
another file. A user's own question declares its measures itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A number in the result of a cell.

    ``name``: its key in the result, which is its metric in MLflow and its column in tables. ``error``: the key of its
    standard error; empty if it has none. ``digits``: decimals on the screen. ``sign``: 1 where larger is better, -1
    where smaller is.
    """

    name: str
    label: str
    unit: str = ""
    error: str = ""
    digits: int = 2
    sign: int = 1

    @property
    def heading(self) -> str:
        """The label with its unit."""
        return f"{self.label}, {self.unit}" if self.unit else self.label

    def value(self, result: Mapping[str, Any]) -> float | None:
        """The number in a result; None where the result lacks it."""
        return result.get(self.name)

    def standard_error(self, result: Mapping[str, Any]) -> float | None:
        """Its standard error in a result; None where the result lacks it."""
        return result.get(self.error)


# Trainings

LOSS = Measure(name="loss_nats", label="loss", unit="nats", sign=-1)
FIRST_LOSS = Measure(name="first_loss_nats", label="loss of the first step", unit="nats", sign=-1)
IN_TRAINING = Measure(
    name="in_training_bits", error="in_training_standard_error_bits", label="in-training estimate", unit="bits"
)
IN_TRAINING_BOUND = Measure(name="in_training_bound_bits", label="bound of the in-training estimate", unit="bits")

# Embeddings

EFFECTIVE_RANK = Measure(name="effective_rank", label="effective rank")

# Checkpoints: columns of the cells that are read from MLflow

READ_LAYOUT, READ_SHA256 = "read_layout", "read_sha256"
"""Layout and sha256 of the file that the encoder was read from."""

LEARNING_RATE, VIEWS_PER_SECOND = "learning_rate", "views_per_second"
"""Values of a running training, beside its loss and estimate."""

ONLINE_KNN = "online_knn_accuracy_"
"""Before a task: the kNN accuracy of a checkpoint of a running training, on validation images (``--probe``)."""

# Estimations

NOMINAL = Measure(name="nominal_bits", error="nominal_standard_error_bits", label="post-training estimate", unit="bits")
VALIDATION = Measure(name="validation_bits", label="validation", unit="bits")
LOWER = Measure(name="lower_bits", label="lower end of the bracket", unit="bits")
UPPER = Measure(name="upper_bits", label="upper end of the bracket", unit="bits")
CLASS_ENTROPY = Measure(name="class_entropy_bits", label="class entropy", unit="bits")

CERTIFIED, NOT_CERTIFIED = "certified", "not_certified"
"""Whether the bracket is certified, and the reasons why it is not, joined by "; "."""
STATEMENT, NOMINAL_OUTSIDE = "statement", "nominal_outside"
"""Tags in MLflow: the estimate in words, and where the nominal estimate lies outside the bracket."""

# Linear evaluations

LINEAR = "linear_"
"""Before the name of a value of `compute.probes.accuracy.LinearAccuracy`, in a result."""
ACCURACY = Measure(name="linear_accuracy", error="linear_standard_error", label="linear accuracy")
BALANCED_ACCURACY = Measure(
    name="linear_balanced_accuracy", error="linear_balanced_standard_error", label="linear balanced accuracy"
)
BALANCED_VALIDATION_ACCURACY = Measure(
    name="linear_balanced_validation_accuracy", label="linear balanced validation accuracy"
)

# Geometry

ALIGNMENT = Measure(name="alignment", error="alignment_standard_error", label="alignment", sign=-1)
UNIFORMITY = Measure(name="uniformity", error="uniformity_standard_error", label="uniformity", sign=-1)
TOLERANCE = Measure(name="tolerance", error="tolerance_standard_error", label="tolerance")

# Texts of several kinds of cell

NOT_LEARNED = "not_learned"
"""Why an encoder did not learn, in results of trainings and embeddings; empty if nothing is against it."""
NOTE = "note"
"""A caution about a result: test images that the fit has seen, critics that are undertrained."""

MEASURES = (
    LOSS, FIRST_LOSS, IN_TRAINING, IN_TRAINING_BOUND, EFFECTIVE_RANK, NOMINAL, VALIDATION, LOWER, UPPER, CLASS_ENTROPY,
    ACCURACY, BALANCED_ACCURACY, BALANCED_VALIDATION_ACCURACY, ALIGNMENT, UNIFORMITY, TOLERANCE,
)  # fmt: skip


def measure_named(name: str) -> Measure:
    """The measure in `MEASURES` called ``name``, or a new one if there is none.

    A new measure takes everything from its name: the unit is the last word, if that is ``bits`` or ``nats``, the other
    words are the label, and the standard error of ``nwj_bits`` is ``nwj_standard_error_bits``.
    """
    for measure in MEASURES:
        if measure.name == name:
            return measure
    stem, _, unit = name.rpartition("_")
    if unit not in ("bits", "nats"):
        return Measure(name=name, label=name.replace("_", " "), error=f"{name}_standard_error")
    return Measure(name=name, label=stem.replace("_", " "), unit=unit, error=f"{stem}_standard_error_{unit}")
