"""Fig. 5: accuracy on four tasks over the MI of augmented views, as a table first and then as curves.

Reads MLflow alone, and the axes from the sweep. ``infomin-curves.csv`` has a row per encoder, augmentation, strength
and task: linear accuracy as a share of 1 and, the same for all tasks, the post-training estimate of the MI of two views
through the augmentation, in bits. Drawn as .png and .pdf: (a) colour jitter, (b) resized crops; accuracy up, the
estimate across, a curve per task, every encoder's strength above it; the verdict as verdict.json.

    python analysis/infomin_curves.py --preset laptop
    python analysis/infomin_curves.py --axis seed=0,1 --partial    # leave out what is not there yet
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis import command
from analysis.cells import mirrored_cells
from analysis.infomin_strength.figure import STYLE, curves
from analysis.infomin_strength.verdict import verdict
from analysis.style import save
from analysis.tables.frame import over_seeds
from analysis.tables.per_encoder import beside, by_encoder, panel_names
from analysis.verdict import publish
from mi_ray.experiments.declare import SimCLR
from mi_ray.experiments.declare.identity import own_fields
from mi_ray.experiments.plan.plan import Plan
from sweeps.infomin_strength import STUDY, kind_and_strength

STEM = "infomin-curves"
KINDS = ("evaluation", "estimation")
AUGMENTED = {name for field in own_fields(SimCLR()) for name in (field, f"view_{field}")}
"""Parameters that say of an augmentation what its name says too."""

ESTIMATE = ("nominal_bits", "nominal_standard_error_bits")
ACCURACY = ("linear_accuracy", "linear_standard_error")
"""The plain accuracy: pairs of views weigh classes by their share of the images too."""


def table(plan: Plan, mirrored: pd.DataFrame) -> pd.DataFrame:
    """One row per panel, augmentation, strength and task, strengths ascending: accuracy and estimate, each with mean
    over seeds, spread and seeds found; what spreads are and how many seeds are asked for."""
    panels = panel_names(plan, "estimation", {"pairing", "task", "view_seed", *AUGMENTED})
    found = _per_evaluation(plan, mirrored, panels)
    places = [*panels, "pairing"]
    accuracies = over_seeds(found, [*places, "task"], *ACCURACY)
    estimates = over_seeds(found.drop_duplicates([*places, "encoder"]), places, *ESTIMATE)
    told = {"mean": "estimate_bits", "spread": "estimate_spread_bits", "n_seeds": "n_estimates"}
    estimates = estimates.rename(columns=told)[[*places, *told.values()]]
    return _by_strength(accuracies.rename(columns={"mean": "accuracy"}).merge(estimates, on=places), panels)


def _per_evaluation(plan: Plan, mirrored: pd.DataFrame, panels: list[str]) -> pd.DataFrame:
    """Every linear evaluation asked for, beside the estimate under the same encoder's own augmentation."""
    evaluations, estimations = (by_encoder(plan, mirrored, kind) for kind in KINDS)
    own = [name for name in panels if name not in evaluations]
    return beside(evaluations, estimations, *own, *ESTIMATE)


def _by_strength(tidy: pd.DataFrame, panels: list[str]) -> pd.DataFrame:
    """``jitter 0.5`` as ``augmentation`` and ``strength``, in their order."""
    named = [kind_and_strength(name) for name in tidy["pairing"]]
    tidy.insert(len(panels), "augmentation", [kind for kind, _ in named])
    tidy.insert(len(panels) + 1, "strength", [strength for _, strength in named])
    order = {name: place for place, name in enumerate(dict.fromkeys(tidy["augmentation"]))}
    places = tidy["augmentation"].map(order)
    return (
        tidy.assign(place=places).sort_values(["place", "strength"], kind="stable").drop(columns=["place", "pairing"])
    )


def draw(plan: Plan, tracking_uri: str, out: Path, *, partial: bool = False) -> list[Path]:
    """Read the cells of ``plan`` from MLflow and write the table, the figure and the verdict to ``out``.

    Raises `MissingCells` when one is not there, unless ``partial``, which leaves its point out and says so.
    """
    mirrored = mirrored_cells(STUDY, plan, tracking_uri, KINDS, partial=partial)
    out.mkdir(parents=True, exist_ok=True)
    tidy, stem = table(plan, mirrored).reset_index(drop=True), out / STEM
    tidy.to_csv(stem.with_suffix(".csv"), index=False)
    written = [stem.with_suffix(".csv"), *save(lambda: curves(tidy), stem, **STYLE)]
    return publish(plan, out, written, verdict(tidy), mirrored=mirrored)


if __name__ == "__main__":
    sys.exit(command.main(STUDY, draw))
