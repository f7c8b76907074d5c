"""Columns of a table of encoders (Tables IV to IX): accuracy and measures, each with the result that it is read from.

The same columns are written by the sweeps `encoder_zoo` and `temperature` and read from a csv of printed rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from mi_ray.experiments.declare import measures
from mi_ray.experiments.declare.measures import BALANCED_ACCURACY, LOSS, NOMINAL, Measure

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, kw_only=True)
class EncoderColumn:
    """A number of each encoder: ``scale`` times a measure in the result of a cell of a kind.

    ``of_views``: of SimCLR views, not of same-class pairs. ``label``: the oriented measure, larger is better.
    """

    name: str
    label: str
    kind: str
    measure: Measure
    of_views: bool = False
    scale: float = 1

    @property
    def sign(self) -> int:
        """1 where larger is better, -1 where smaller is."""
        return self.measure.sign


ACCURACY = EncoderColumn(
    name="acc", label="accuracy", kind="evaluation", measure=BALANCED_ACCURACY, scale=100
)  # in percent
I_CLASS = EncoderColumn(name="i_class_bits", label="estimate, class pairs", kind="estimation", measure=NOMINAL)
I_SIMCLR = EncoderColumn(
    name="i_simclr_bits", label="estimate, SimCLR pairs", kind="estimation", measure=NOMINAL, of_views=True
)
ALIGNMENT = EncoderColumn(
    name=measures.ALIGNMENT.name, label=f"{MINUS}alignment", kind="geometry", measure=measures.ALIGNMENT
)
UNIFORMITY = EncoderColumn(
    name=measures.UNIFORMITY.name, label=f"{MINUS}uniformity", kind="geometry", measure=measures.UNIFORMITY
)
TOLERANCE = EncoderColumn(name=measures.TOLERANCE.name, label="tolerance", kind="geometry", measure=measures.TOLERANCE)
CONTRASTIVE_LOSS = EncoderColumn(
    name="contrastive_loss_nats", label=f"{MINUS}contrastive loss", kind="training", measure=LOSS
)
ALIGNMENT_SIMCLR = EncoderColumn(
    name="alignment_simclr", label=f"{MINUS}alignment, SimCLR pairs", kind="geometry", measure=measures.ALIGNMENT,
    of_views=True,
)  # fmt: skip
UNIFORMITY_SIMCLR = EncoderColumn(
    name="uniformity_simclr", label=f"{MINUS}uniformity, SimCLR views", kind="geometry", measure=measures.UNIFORMITY,
    of_views=True,
)  # fmt: skip

MEASURES = (I_CLASS, I_SIMCLR, ALIGNMENT, UNIFORMITY, TOLERANCE, CONTRASTIVE_LOSS)
OF_VIEWS = (ALIGNMENT_SIMCLR, UNIFORMITY_SIMCLR)
"""The unsupervised versions of alignment and uniformity, which the paper mentions without a table (Sec. IV-B)."""

NAMES = ("table", "dataset", "pool", "model")
COLUMNS = (*NAMES, ACCURACY.name, *(column.name for column in MEASURES))
"""The columns of the csv."""


def measures_of(rows: pd.DataFrame) -> list[EncoderColumn]:
    """The measures that a table's rows have."""
    return [column for column in (*MEASURES, *OF_VIEWS) if column.name in rows and rows[column.name].notna().any()]
