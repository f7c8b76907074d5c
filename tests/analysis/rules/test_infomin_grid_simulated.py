"""Figs. 6 and 7's rule at the laptop's one seed: high entries are found high, a low or a harmed one is not."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest

from analysis.infomin_grid.table import ACCURACY, COLUMN, ESTIMATE, ROW
from analysis.infomin_grid.verdict import HARM, HIGH, PLACES, harmless, high
from analysis.rules.claim import Claim, Every
from sweeps.infomin_grid import PAIRINGS, STUDY
from tests.analysis.rules.simulated import LEAST_TRUE, MOST_FALSE, chance, laptop, of_one, over_seeds, rate

ERRORS = {ACCURACY: 0.006, ESTIMATE: 0.04}
"""Standard errors of a laptop's cells over test images: of a share of right answers, and in bits of 2."""

PAIRED = [(task, pairing) for task in PAIRINGS for pairing in PAIRINGS]
ZERO, WIDTH = {ACCURACY: 0.25, ESTIMATE: 0.0}, {ACCURACY: 0.75, ESTIMATE: 2.0}
ROWS = {
    heatmap: pd.DataFrame(PAIRED, columns=[ROW, COLUMN]).assign(zero=ZERO[heatmap], width=WIDTH[heatmap])
    for heatmap in ERRORS
}
AT = {heatmap: {place: rows[PLACES[place](rows)] for place in PLACES} for heatmap, rows in ROWS.items()}


def matrices(rng: np.random.Generator, *, position: float = 0.87, harm: float = 0.0, seeds: int = 1) -> Claim:
    """Entries of .97 of what there is to know; task position after colour at ``position``, and digit after pairing all
    lower than after its own by ``harm`` of the margin."""
    claims: list[Claim] = []
    for heatmap in ERRORS:
        truths = dict.fromkeys(PAIRED, 0.97) | {("position", "color"): position}
        values = {at: ZERO[heatmap] + WIDTH[heatmap] * share for at, share in truths.items()}
        values["digit", "all"] += harm * HARM[heatmap]
        read = {i: drawn(rng, values[at], ERRORS[heatmap], seeds) for i, at in enumerate(PAIRED)}
        claims += [high(heatmap, rows, read) for rows in AT[heatmap].values()]
        own = [i for i, (task, pairing) in enumerate(PAIRED) if task == pairing != "all"]
        pairs = {PAIRED[i][0]: (read[PAIRED.index((PAIRED[i][0], "all"))], read[i]) for i in own}
        claims.append(harmless(heatmap, pairs))
    return Every(claims)


def drawn(rng: np.random.Generator, truth: float, error: float, seeds: int):
    return of_one(truth, error, rng) if seeds == 1 else over_seeds(rng.normal(truth, error, seeds))


def test_what_is_high_is_found_high_by_the_laptop() -> None:
    assert laptop(STUDY) == 1 and rate(matrices, draws=150) >= LEAST_TRUE


@pytest.mark.parametrize("seeds", [1, 4])
def test_what_is_low_or_harmed_is_not(seeds: int) -> None:
    assert rate(partial(matrices, seeds=seeds, position=HIGH - 0.05), draws=80) <= MOST_FALSE
    assert rate(partial(matrices, seeds=seeds, harm=1.3), draws=80) <= MOST_FALSE
    assert rate(partial(matrices, seeds=seeds, position=HIGH), draws=80) <= chance(80)


def test_what_is_surely_low_is_found_against_the_claim() -> None:
    assert rate(partial(matrices, position=0.6), False, 100) >= LEAST_TRUE
