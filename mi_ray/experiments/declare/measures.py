"""Measures: the numbers that a cell's result holds, each with its name, unit, standard error, label and direction.

Results, MLflow metrics, the screen, sweeps and figures take a name from here; no other file spells one. A question of
a user's own declares its measures beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A number in the result of a cell.

    ``name``: its key in the result, which is its metric in MLflow and its column in tables. ``error``: the key of its
    standard error; empty if it has none. ``sign``: 1 where larger is better, -1 where smaller is.
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


# of trainings

LOSS = Measure(name="loss_nats", label="loss", unit="nats", sign=-1)
IN_TRAINING = Measure(
    name="in_training_bits", error="in_training_standard_error_bits", label="in-training estimate", unit="bits"
)

# of estimations

NOMINAL = Measure(name="nominal_bits", error="nominal_standard_error_bits", label="post-training estimate", unit="bits")
VALIDATION = Measure(name="validation_bits", label="validation", unit="bits")

# of linear evaluations

ACCURACY = Measure(name="linear_accuracy", error="linear_standard_error", label="linear accuracy")
BALANCED_ACCURACY = Measure(
    name="linear_balanced_accuracy", error="linear_balanced_standard_error", label="linear balanced accuracy"
)
BALANCED_VALIDATION_ACCURACY = Measure(
    name="linear_balanced_validation_accuracy", label="linear balanced validation accuracy"
)

# of geometry

ALIGNMENT = Measure(name="alignment", error="alignment_standard_error", label="alignment", sign=-1)
UNIFORMITY = Measure(name="uniformity", error="uniformity_standard_error", label="uniformity", sign=-1)
TOLERANCE = Measure(name="tolerance", error="tolerance_standard_error", label="tolerance")

MEASURES = (
    LOSS, IN_TRAINING, NOMINAL, VALIDATION, ACCURACY, BALANCED_ACCURACY, BALANCED_VALIDATION_ACCURACY, ALIGNMENT,
    UNIFORMITY, TOLERANCE,
)  # fmt: skip


def measure_named(name: str) -> Measure:
    """The measure of that name; of a name that is not here, one without a standard error, in the unit that ends it."""
    for measure in MEASURES:
        if measure.name == name:
            return measure
    stem, _, unit = name.rpartition("_")
    known = unit if unit in ("bits", "nats") else ""
    return Measure(name=name, label=(stem if known else name).replace("_", " "), unit=known)
