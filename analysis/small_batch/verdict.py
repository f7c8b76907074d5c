"""The verdict of Fig. 4: does a small K_tr limit the in-training estimate alone (Sec. IV-A)?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import hypot

import pandas as pd

from analysis.small_batch.table import ACCURACY, IN_TRAINING, POST_TRAINING
from analysis.tables.per_encoder import panel_title
from analysis.tables.settings import settings_of
from analysis.verdict import Verdict, all_hold, lacking, undecided
from mi_ray.theory.tasks import Task
from sweeps.small_batch import STUDY, TASK

CLAIM = (
    "A small K_tr limits the in-training estimate, but neither the information in the representation nor downstream "
    "performance: over K_tr, in-training estimates follow their ceilings while post-training estimates and linear "
    "accuracies are flat (Sec. IV-A, Fig. 4)."
)
FLAT = {POST_TRAINING: 0.25, ACCURACY: 0.03}
"""The widest range over K_tr that counts as flat: bits of the estimate, share of right answers."""

FOLLOWS_BITS = 0.5
"""The largest distance below its ceiling, in bits, at which an estimate still follows it; above it, it does not."""

SURE = 2.0
"""A value this many spreads or more from a limit is surely on its side of it."""


@dataclass(frozen=True)
class Finding:
    """One part of the claim in one panel: whether it holds, its sentence, and the numbers behind it."""

    holds: bool | None
    sentence: str
    numbers: Mapping[str, float | str] = field(default_factory=dict)


def verdict(tidy: pd.DataFrame) -> Verdict:
    """The verdict from the table: undecided if cells are missing or too near a limit."""
    readings = tidy[tidy["quantity"] == IN_TRAINING]
    if readings["k_tr"].nunique() < 2 or not (readings["bound_bits"] < Task(TASK).entropy_bits).any():
        return undecided(STUDY.name, CLAIM, "it takes two K_tr, one with log2(2 K_tr - 1) below H(C)")
    names = settings_of(tidy.columns, "k_tr")[1:]
    panels = [(panel_title(names, values), panel) for values, panel in tidy.groupby(names, sort=False)]
    findings = [finding for name, panel in panels for finding in findings_of(name, panel)]
    numbers = {name: value for finding in findings for name, value in finding.numbers.items()}
    absent = lacking(tidy)
    if absent:
        return undecided(STUDY.name, CLAIM, absent, numbers)
    holds = all_hold(finding.holds for finding in findings)
    sentences = [finding.sentence for finding in findings if finding.holds is holds or holds]
    return Verdict(STUDY.name, CLAIM, holds, ". ".join(sentences) + ".", numbers)


def findings_of(name: str, panel: pd.DataFrame) -> list[Finding]:
    """The four parts of the claim in a panel."""
    by_quantity = {quantity: rows.set_index("k_tr") for quantity, rows in panel.groupby("quantity", sort=False)}
    return [
        flat(name, POST_TRAINING, by_quantity[POST_TRAINING], "bits", 1),
        beyond_bound(name, by_quantity[IN_TRAINING], by_quantity[POST_TRAINING]),
        follows_ceiling(name, by_quantity[IN_TRAINING]),
        flat(name, ACCURACY, by_quantity[ACCURACY], "points", 100),
    ]


def flat(name: str, quantity: str, rows: pd.DataFrame, unit: str, scale: float) -> Finding:
    """Whether the range over K_tr is within `FLAT`."""
    limit, known = FLAT[quantity], rows.dropna(subset="mean").fillna({"spread": 0.0})
    if known.empty:
        return Finding(None, f"{name}: no {quantity} is known")
    low, high = known.loc[known["mean"].idxmin()], known.loc[known["mean"].idxmax()]
    width, doubt = high["mean"] - low["mean"], SURE * hypot(high["spread"], low["spread"])
    holds = False if width - doubt > limit else True if width + doubt <= limit else None
    sentence = (
        f"{name}: {quantity} ranges over {scale * width:.2f} {unit}, from {scale * low['mean']:.2f}"
        f" at K_tr = {low.name} to {scale * high['mean']:.2f} at {high.name}; flat is {scale * limit:g} or less"
    )
    return Finding(holds, sentence + _unsure(holds), {f"{name}, {quantity}, range in {unit}": scale * width})


def beyond_bound(name: str, in_training: pd.DataFrame, post_training: pd.DataFrame) -> Finding:
    """Whether the post-training estimate at the smallest K_tr is above the bound of the in-training estimate."""
    k_tr = in_training.index.min()
    bound, estimate = in_training.loc[k_tr, "bound_bits"], post_training.fillna({"spread": 0.0}).loc[k_tr]
    above, doubt = estimate["mean"] - bound, SURE * float(estimate["spread"])
    holds = True if above > doubt else False if above < -doubt else None
    sentence = (
        f"{name}: at K_tr = {k_tr} the post-training estimate is {estimate['mean']:.2f} bits,"
        f" {'above' if above > 0 else 'not above'} the bound {bound:.2f}"
    )
    return Finding(holds, sentence + _unsure(holds), {f"{name}, bits beyond the bound of K_tr = {k_tr}": above})


def follows_ceiling(name: str, rows: pd.DataFrame) -> Finding:
    """Whether every in-training estimate is below its ceiling through a cosine, and near it."""
    below = rows["cosine_ceiling_bits"] - rows["mean"]
    doubt = SURE * rows["spread"].fillna(0)
    surely_off = (below - doubt > FOLLOWS_BITS) | (below + doubt < 0)
    surely_near = (below + doubt <= FOLLOWS_BITS) & (below - doubt >= 0)
    holds = False if surely_off.any() else True if surely_near.all() else None
    sentence = (
        f"{name}: in-training estimates lie {below.min():.2f} to {below.max():.2f} bits below their ceilings"
        f" (farthest at K_tr = {below.fillna(-1).idxmax()}); to follow is 0 to {FOLLOWS_BITS:g}"
    )
    numbers = {f"{name}, least below a ceiling, bits": below.min(), f"{name}, most below a ceiling, bits": below.max()}
    return Finding(holds, sentence + _unsure(holds), numbers)


def _unsure(holds: bool | None) -> str:
    return f", within {SURE:g} spreads of that limit" if holds is None else ""
