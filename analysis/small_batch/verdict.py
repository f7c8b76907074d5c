"""The verdict of Fig. 4: does a small K_tr limit the in-training estimate alone (Sec. IV-A)?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import hypot

import pandas as pd

from analysis.tables.per_encoder import panel_title
from analysis.verdict import Verdict, all_hold, lacking, undecided
from mi_ray.theory.tasks import Task
from sweeps.small_batch import STUDY, TASK

CLAIM = (
    "A small K_tr limits the in-training estimate, but neither the information in the representation nor downstream "
    "performance: over K_tr, in-training estimates follow their ceilings while post-training estimates and linear "
    "accuracies are flat (Sec. IV-A, Fig. 4)."
)
IN_TRAINING, POST_TRAINING, ACCURACY = "in-training", "post-training", "accuracy"
FLAT = {POST_TRAINING: 0.25, ACCURACY: 0.03}
"""Flat is a range over K_tr of at most so many bits, and of at most so large a share of right answers."""

FOLLOWS_BITS = 0.5
"""An estimate follows its ceiling when it lies at most so far below it, and nowhere above it."""

SURE = 2.0
"""What is this many spreads from a limit, or more, is surely on its side."""


@dataclass(frozen=True)
class Finding:
    """One part of the claim in one panel: whether it holds, in words, and the numbers behind it."""

    holds: bool | None
    sentence: str
    numbers: Mapping[str, float | str] = field(default_factory=dict)


def verdict(tidy: pd.DataFrame) -> Verdict:
    """The verdict from the table: not given where cells are missing or too near a limit."""
    if _too_few(tidy):
        return undecided(STUDY.name, CLAIM, "it takes two K_tr, one with log2(2 K_tr - 1) below H(C)")
    findings = [finding for name, panel in _panels(tidy) for finding in _findings(name, panel)]
    numbers = {name: value for finding in findings for name, value in finding.numbers.items()}
    absent = lacking(tidy)
    if absent:
        return undecided(STUDY.name, CLAIM, absent, numbers)
    holds = all_hold(finding.holds for finding in findings)
    told = [finding.sentence for finding in findings if finding.holds is holds or holds]
    return Verdict(STUDY.name, CLAIM, holds, ". ".join(told) + ".", numbers)


def _too_few(tidy: pd.DataFrame) -> bool:
    readings = tidy[tidy["quantity"] == IN_TRAINING]
    return readings["k_tr"].nunique() < 2 or not (readings["bound_bits"] < Task(TASK).entropy_bits).any()


def _panels(tidy: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    names = list(tidy.columns[1 : tidy.columns.get_loc("k_tr")])
    return [(panel_title(names, values), panel) for values, panel in tidy.groupby(names, sort=False)]


def _findings(name: str, panel: pd.DataFrame) -> list[Finding]:
    of = {quantity: rows.set_index("k_tr") for quantity, rows in panel.groupby("quantity", sort=False)}
    return [
        _flat(name, POST_TRAINING, of[POST_TRAINING], "bits", 1),
        _beyond(name, of[IN_TRAINING], of[POST_TRAINING]),
        _follows(name, of[IN_TRAINING]),
        _flat(name, ACCURACY, of[ACCURACY], "points", 100),
    ]


def _flat(name: str, quantity: str, rows: pd.DataFrame, unit: str, scale: float) -> Finding:
    """Is the range over K_tr within `FLAT`?"""
    limit, known = FLAT[quantity], rows.dropna(subset="mean")
    if known.empty:
        return Finding(None, f"{name}: no {quantity} is known")
    low, high = known.loc[known["mean"].idxmin()], known.loc[known["mean"].idxmax()]
    wide, doubt = high["mean"] - low["mean"], SURE * hypot(_spread(high), _spread(low))
    holds = False if wide - doubt > limit else True if wide + doubt <= limit else None
    told = (
        f"{name}: {quantity} ranges over {scale * wide:.2f} {unit}, from {scale * low['mean']:.2f} at K_tr = {low.name}"
        f" to {scale * high['mean']:.2f} at {high.name}; flat is {scale * limit:g} or less"
    )
    return Finding(holds, told + _unsure(holds), {f"{name}, {quantity}, range in {unit}": scale * wide})


def _beyond(name: str, in_training: pd.DataFrame, post_training: pd.DataFrame) -> Finding:
    """Does the encoder of the smallest K_tr hold more than its training could tell?"""
    k_tr = in_training.index.min()
    bound, found = in_training.loc[k_tr, "bound_bits"], post_training.loc[k_tr]
    above, doubt = found["mean"] - bound, SURE * _spread(found)
    holds = True if above > doubt else False if above < -doubt else None
    side = "above" if above > 0 else "not above"
    told = (
        f"{name}: at K_tr = {k_tr} the post-training estimate is {found['mean']:.2f} bits, {side} the bound {bound:.2f}"
    )
    return Finding(holds, told + _unsure(holds), {f"{name}, bits beyond the bound of K_tr = {k_tr}": above})


def _follows(name: str, rows: pd.DataFrame) -> Finding:
    """Is every in-training estimate below its ceiling through a cosine, and near it?"""
    below = rows["cosine_ceiling_bits"] - rows["mean"]
    doubt = SURE * rows["spread"].fillna(0)
    surely_off = (below - doubt > FOLLOWS_BITS) | (below + doubt < 0)
    surely_near = (below + doubt <= FOLLOWS_BITS) & (below - doubt >= 0)
    holds = False if surely_off.any() else True if surely_near.all() else None
    told = (
        f"{name}: in-training estimates lie {below.min():.2f} to {below.max():.2f} bits below their ceilings"
        f" (farthest at K_tr = {below.fillna(-1).idxmax()}); to follow is 0 to {FOLLOWS_BITS:g}"
    )
    numbers = {f"{name}, least below a ceiling, bits": below.min(), f"{name}, most below a ceiling, bits": below.max()}
    return Finding(holds, told + _unsure(holds), numbers)


def _spread(row: pd.Series) -> float:
    return 0.0 if pd.isna(row["spread"]) else float(row["spread"])


def _unsure(holds: bool | None) -> str:
    return f", within {SURE:g} spreads of that limit" if holds is None else ""
