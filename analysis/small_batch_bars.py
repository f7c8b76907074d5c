"""Fig. 4: in-training and post-training estimates and linear accuracy over K_tr, as a table first and then as bars.

Reads MLflow alone, and the axes from the sweep. ``small-batch.csv`` has a row per encoder, K_tr and quantity:
``in-training`` is Eq. 4 on the training's own batches, averaged over its last tenth, with the standard error by which
its reports differ, ``post-training`` the nominal estimate on the frozen encoder, both in bits, with the bound
log2(2K - 1) and the ceiling of 64 classes at the K of that very reading; ``accuracy`` a share of 1. Drawn as .png and
.pdf; the verdict as verdict.json.

    python analysis/small_batch_bars.py --preset laptop
    python analysis/small_batch_bars.py --axis k_tr=8,64 --partial    # leave out what is not there yet
"""

from __future__ import annotations

import sys
from math import nan
from pathlib import Path

import pandas as pd

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis import command
from analysis.cells import mirrored_cells
from analysis.small_batch.figure import STYLE, bars
from analysis.small_batch.verdict import ACCURACY, IN_TRAINING, POST_TRAINING, verdict
from analysis.style import save
from analysis.tables.frame import certificates_over_seeds, over_seeds
from analysis.tables.per_encoder import beside, by_encoder, panel_names
from analysis.verdict import publish
from mi_ray.experiments.plan.plan import Plan
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import nominal_bound_bits
from mi_ray.theory.tasks import Task
from sweeps.small_batch import STUDY, TASK

STEM = "small-batch"
QUANTITIES = {
    IN_TRAINING: ("in_training_bits", "in_training_standard_error_bits"),
    POST_TRAINING: ("nominal_bits", "nominal_standard_error_bits"),
    ACCURACY: ("linear_balanced_accuracy", "linear_balanced_standard_error"),
}
"""Value and standard error of each quantity, as results call them."""

CHANNEL = LabelChannel.uniform(Task(TASK).n_classes)


def table(plan: Plan, mirrored: pd.DataFrame) -> pd.DataFrame:
    """One row per quantity, panel and K_tr: mean over seeds, spread and what it is, seeds found and asked for.

    Readings have their K, bound and ceiling too, in-training ones also the most that a cosine at the training's
    temperature can tell; a post-training one has its bracket and whether that certifies it.
    """
    found = _per_estimation(plan, mirrored)
    places = [*panel_names(plan, "estimation", {"k_tr"}), "k_tr"]
    settings = found.drop_duplicates(places)[list(dict.fromkeys([*places, "k_est", "temperature"]))]
    tidy = pd.concat([_quantity(name, found, places) for name in QUANTITIES], ignore_index=True)
    return _against(tidy.merge(settings, on=places)).drop(columns=settings.columns.difference(places))


def _per_estimation(plan: Plan, mirrored: pd.DataFrame) -> pd.DataFrame:
    """Every estimation asked for, beside what the training and the linear evaluation say of the same encoder."""
    estimations, trainings, evaluations = (
        by_encoder(plan, mirrored, kind) for kind in ("estimation", "training", "evaluation")
    )
    return beside(beside(estimations, trainings, *QUANTITIES[IN_TRAINING]), evaluations, *QUANTITIES[ACCURACY])


def _quantity(name: str, found: pd.DataFrame, places: list[str]) -> pd.DataFrame:
    """Means and spreads of one quantity; the certificates of the post-training one."""
    value, standard_error = QUANTITIES[name]
    tidy = over_seeds(found, places, value, standard_error)
    if name == POST_TRAINING:
        tidy = tidy.join(certificates_over_seeds(found, places).drop(columns=places))
    tidy.insert(0, "quantity", name)
    return tidy


def _against(tidy: pd.DataFrame) -> pd.DataFrame:
    """The K of each reading, and at that K its bound, its ceiling, and its ceiling through a cosine."""
    k_of = {IN_TRAINING: "k_tr", POST_TRAINING: "k_est"}
    k = [int(row[k_of[row["quantity"]]]) if row["quantity"] in k_of else None for _, row in tidy.iterrows()]
    cosines = [
        float(t) if q == IN_TRAINING else None for q, t in zip(tidy["quantity"], tidy["temperature"], strict=True)
    ]
    return tidy.assign(
        k_tr=tidy["k_tr"].astype(int),
        k=pd.array(k, dtype="Int64"),
        bound_bits=[nominal_bound_bits(n) if n else nan for n in k],
        ceiling_bits=[CHANNEL.nominal_ceiling_bits(n) if n else nan for n in k],
        cosine_ceiling_bits=[
            CHANNEL.nominal_ceiling_bits(n, temperature=t) if n and t else nan for n, t in zip(k, cosines, strict=True)
        ],
    )


def draw(plan: Plan, tracking_uri: str, out: Path, *, partial: bool = False) -> list[Path]:
    """Read the cells of ``plan`` from MLflow and write the table, the figure and the verdict to ``out``.

    Raises `MissingCells` when one is not there, unless ``partial``, which leaves its bar out and says so.
    """
    mirrored = mirrored_cells(STUDY, plan, tracking_uri, list(STUDY.matrix.panels), partial=partial)
    out.mkdir(parents=True, exist_ok=True)
    tidy, stem = table(plan, mirrored), out / STEM
    tidy.to_csv(stem.with_suffix(".csv"), index=False)
    written = [stem.with_suffix(".csv"), *save(lambda: bars(tidy), stem, **STYLE)]
    return publish(plan, out, written, verdict(tidy), mirrored=mirrored)


if __name__ == "__main__":
    sys.exit(command.main(STUDY, draw))
