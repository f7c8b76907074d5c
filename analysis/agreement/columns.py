"""Columns of a table of encoders (Tables IV to IX): accuracy and measures, each with the result that it is read from.

The same columns are written by the sweeps `encoder_zoo` and `temperature` and read from a csv of printed rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from mi_ray.experiments.declare import measures
from mi_ray.experiments.declare.geometry import BAO_UPPER, RANK_ME
from mi_ray.experiments.declare.knn import KNN_BALANCED_ACCURACY
from mi_ray.experiments.declare.measures import BALANCED_ACCURACY, LOSS, NOMINAL, Measure

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, kw_only=True)
class EncoderColumn:
    """A number of each encoder: ``scale`` times a measure in the result of a cell of a kind.

    ``of_views``: of SimCLR views, not of same-class pairs.
    """

    name: str
    title: str
    kind: str
    measure: Measure
    of_views: bool = False
    scale: float = 1

    @property
    def sign(self) -> int:
        """1 where larger is better, -1 where smaller is."""
        return self.measure.sign

    @property
    def label(self) -> str:
        """The title of the measure times its sign, of which larger is better."""
        return self.title if self.sign > 0 else f"{MINUS}{self.title}"


def _geometry(measure: Measure) -> EncoderColumn:
    return EncoderColumn(name=measure.name, title=measure.label, kind="geometry", measure=measure)


def _of_simclr_views(column: EncoderColumn, name: str, pairs: str) -> EncoderColumn:
    return replace(column, name=name, title=f"{column.title}, {pairs}", of_views=True)


ACCURACY = EncoderColumn(name="acc", title="accuracy, %", kind="evaluation", measure=BALANCED_ACCURACY, scale=100)
I_CLASS = EncoderColumn(name="i_class_bits", title="estimate, class pairs", kind="estimation", measure=NOMINAL)
I_SIMCLR = EncoderColumn(
    name="i_simclr_bits", title="estimate, SimCLR pairs", kind="estimation", measure=NOMINAL, of_views=True
)
ALIGNMENT, UNIFORMITY, TOLERANCE = map(_geometry, (measures.ALIGNMENT, measures.UNIFORMITY, measures.TOLERANCE))
CONTRASTIVE_LOSS = EncoderColumn(name="contrastive_loss_nats", title="contrastive loss", kind="training", measure=LOSS)
ALIGNMENT_SIMCLR = _of_simclr_views(ALIGNMENT, "alignment_simclr", "SimCLR pairs")
UNIFORMITY_SIMCLR = _of_simclr_views(UNIFORMITY, "uniformity_simclr", "SimCLR views")

MEASURES = (I_CLASS, I_SIMCLR, ALIGNMENT, UNIFORMITY, TOLERANCE, CONTRASTIVE_LOSS)
OF_VIEWS = (ALIGNMENT_SIMCLR, UNIFORMITY_SIMCLR)
"""The unsupervised versions of alignment and uniformity, which the paper mentions without a table (Sec. IV-B)."""

KNN = EncoderColumn(
    name="knn_acc", title="kNN accuracy, %", kind="knn", measure=KNN_BALANCED_ACCURACY, scale=ACCURACY.scale
)
RANKME = EncoderColumn(name=RANK_ME.name, title=RANK_ME.label, kind="quality", measure=RANK_ME)
EFFECTIVE_RANK = EncoderColumn(
    name="effective_rank", title="effective rank", kind="embedding", measure=measures.EFFECTIVE_RANK
)
BAO = EncoderColumn(name=BAO_UPPER.name, title="bound of Bao et al.", kind="quality", measure=BAO_UPPER)

OTHERS = (KNN, RANKME, EFFECTIVE_RANK, BAO)
"""Measures that no table of the paper has, and that stores from before they were asked for lack: they are ranked where
every encoder of a table has them, and are no rivals in the paper's claim. Sec. IV-B tries the analytic bounds; all of
them order encoders alike (`mi_ray.theory.surrogate`), so one stands for them."""

NAMES = ("table", "dataset", "pool", "model")
COLUMNS = (*NAMES, ACCURACY.name, *(column.name for column in MEASURES))
"""The columns of the csv; those of `OTHERS` may follow."""


def measures_of(rows: pd.DataFrame) -> list[EncoderColumn]:
    """The measures that a table's rows have: those of `OTHERS` where every row has them and they tell rows apart."""
    own = [column for column in (*MEASURES, *OF_VIEWS) if column.name in rows and rows[column.name].notna().any()]
    complete = [column for column in OTHERS if column.name in rows and rows[column.name].notna().all()]
    return own + [column for column in complete if rows[column.name].nunique() > 1]


def heads_of_others(rows: pd.DataFrame) -> dict[str, str]:
    """Headings of the columns of `OTHERS` that some of a table's rows have, by name."""
    there = [column for column in OTHERS if column.name in rows and rows[column.name].notna().any()]
    return {column.name: f"{column.title} {'↑' if column.sign > 0 else '↓'}" for column in there}


def not_asked(rows: pd.DataFrame) -> str:
    """Which of `OTHERS` no row has, and how to get them; empty if there is none."""
    lacking = [column.title for column in OTHERS if column.name not in heads_of_others(rows)]
    return f"Not asked of these encoders yet: {', '.join(lacking)}; run the study again to ask." if lacking else ""


def of_the_claim(agreement: pd.DataFrame) -> pd.DataFrame:
    """The rows of an agreement whose measures are those of the paper, without `OTHERS`."""
    return agreement[~agreement["measure"].isin([column.name for column in OTHERS])]
