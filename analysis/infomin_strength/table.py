"""The table of Fig. 5: one row per encoder, augmentation, strength and task, with accuracy and estimate."""

from __future__ import annotations

import pandas as pd

from analysis.tables.frame import over_seeds
from analysis.tables.per_encoder import beside, by_encoder, panel_names
from mi_ray.experiments.declare import SimCLR
from mi_ray.experiments.declare.identity import own_fields
from mi_ray.experiments.declare.measures import ACCURACY, NOMINAL
from mi_ray.experiments.plan.plan import Plan
from sweeps.infomin_strength import kind_and_strength

KINDS = EVALUATION, ESTIMATION = ("evaluation", "estimation")
AUGMENTED = {name for field in own_fields(SimCLR()) for name in (field, f"view_{field}")}
"""Parameters of an augmentation, which its name already tells."""


def table(plan: Plan, mirrored: pd.DataFrame) -> pd.DataFrame:
    """One row per panel, augmentation, strength and task, strengths ascending: accuracy and estimate, each with mean
    over seeds, spread and seeds found; the meaning of spreads and the number of planned seeds.

    The accuracy is the plain one: pairs of views weigh classes by their share of the images too.
    """
    panels = panel_names(plan, ESTIMATION, {"pairing", "task", "view_seed", *AUGMENTED})
    evaluations, estimations = (by_encoder(plan, mirrored, kind) for kind in KINDS)
    of_estimations = [name for name in panels if name not in evaluations]
    cells = beside(evaluations, estimations, *of_estimations, NOMINAL.name, NOMINAL.error)
    places = [*panels, "pairing"]
    accuracies = over_seeds(cells, [*places, "task"], ACCURACY.name, ACCURACY.error)
    estimates = over_seeds(cells.drop_duplicates([*places, "encoder"]), places, NOMINAL.name, NOMINAL.error)
    names = {"mean": "estimate_bits", "spread": "estimate_spread_bits", "n_seeds": "n_estimates"}
    estimates = estimates.rename(columns=names)[[*places, *names.values()]]
    return by_strength(accuracies.rename(columns={"mean": "accuracy"}).merge(estimates, on=places), panels)


def by_strength(tidy: pd.DataFrame, panels: list[str]) -> pd.DataFrame:
    """Rows with ``jitter 0.5`` as ``augmentation`` and ``strength``, sorted by both; augmentations keep their order."""
    kinds, strengths = zip(*map(kind_and_strength, tidy.pop("pairing")), strict=True)
    order = {kind: place for place, kind in enumerate(dict.fromkeys(kinds))}
    tidy.insert(len(panels), "augmentation", kinds)
    tidy.insert(len(panels) + 1, "strength", strengths)
    tidy["place"] = [order[kind] for kind in kinds]
    return tidy.sort_values(["place", "strength"], kind="stable", ignore_index=True).drop(columns="place")
