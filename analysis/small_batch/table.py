"""The table of Fig. 4: one row per encoder, K_tr and quantity, with bound and ceilings at the K of each reading."""

from __future__ import annotations

from math import nan

import pandas as pd

from analysis.tables.frame import certificates_over_seeds, over_seeds
from analysis.tables.per_encoder import beside, by_encoder, panel_names
from mi_ray.experiments.declare import measures
from mi_ray.experiments.plan.plan import Plan
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import nominal_bound_bits
from mi_ray.theory.tasks import Task
from sweeps.small_batch import TASK

IN_TRAINING, POST_TRAINING, ACCURACY = "in-training", "post-training", "accuracy"
QUANTITIES = {
    IN_TRAINING: ("training", measures.IN_TRAINING),
    POST_TRAINING: ("estimation", measures.NOMINAL),
    ACCURACY: ("evaluation", measures.BALANCED_ACCURACY),
}
"""The kind of cell and the measure of each quantity."""

CHANNEL = LabelChannel.uniform(Task(TASK).n_classes)


def table(plan: Plan, mirrored: pd.DataFrame) -> pd.DataFrame:
    """One row per quantity, panel and K_tr: mean over seeds, spread and its meaning, seeds found and planned.

    A reading also has its K, bound and ceiling; an in-training one the ceiling through a cosine at the temperature of
    the training; a post-training one its bracket and whether that is certified.
    """
    cells = by_encoder(plan, mirrored, "estimation")
    for quantity in (IN_TRAINING, ACCURACY):
        kind, measure = QUANTITIES[quantity]
        cells = beside(cells, by_encoder(plan, mirrored, kind), measure.name, measure.error)
    places = [*panel_names(plan, "estimation", {"k_tr"}), "k_tr"]
    settings = cells.drop_duplicates(places)[list(dict.fromkeys([*places, "k_est", "temperature"]))]
    quantities = [quantity_over_seeds(quantity, cells, places) for quantity in QUANTITIES]
    tidy = pd.concat(quantities, ignore_index=True).merge(settings, on=places)
    return with_bounds(tidy).drop(columns=settings.columns.difference(places))


def quantity_over_seeds(quantity: str, cells: pd.DataFrame, places: list[str]) -> pd.DataFrame:
    """Means and spreads of one quantity; of the post-training estimate also the certificates."""
    _, measure = QUANTITIES[quantity]
    tidy = over_seeds(cells, places, measure.name, measure.error)
    if quantity == POST_TRAINING:
        tidy = tidy.join(certificates_over_seeds(cells, places).drop(columns=places))
    tidy.insert(0, "quantity", quantity)
    return tidy


def with_bounds(tidy: pd.DataFrame) -> pd.DataFrame:
    """The table with the K of each reading, and its bound, its ceiling, and its ceiling through a cosine at that K.

    NaN for accuracies; the last for in-training readings only. In bits.
    """
    k_of = {IN_TRAINING: "k_tr", POST_TRAINING: "k_est"}
    k = [int(row[k_of[row["quantity"]]]) if row["quantity"] in k_of else None for _, row in tidy.iterrows()]
    cosine = [
        CHANNEL.nominal_ceiling_bits(int(row["k_tr"]), temperature=float(row["temperature"]))
        if row["quantity"] == IN_TRAINING
        else nan
        for _, row in tidy.iterrows()
    ]
    return tidy.assign(
        k_tr=tidy["k_tr"].astype(int),
        k=pd.array(k, dtype="Int64"),
        bound_bits=[nominal_bound_bits(n) if n else nan for n in k],
        ceiling_bits=[CHANNEL.nominal_ceiling_bits(n) if n else nan for n in k],
        cosine_ceiling_bits=cosine,
    )
