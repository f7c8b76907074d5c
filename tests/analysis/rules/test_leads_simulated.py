"""Over encoders that agree as the paper's do, I_class is found to lead; over encoders where another is as good, not."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.agreement.columns import ACCURACY, I_CLASS, MEASURES
from analysis.agreement.leading import LOSES, STATISTICS, claimed
from analysis.rules.claim import Claim, Every
from analysis.rules.reading import Reading
from mi_ray.theory.lead import kendall_lead, pearson_lead
from sweeps import encoder_zoo, temperature
from tests.analysis.rules.simulated import LEAST_TRUE, MOST_FALSE, NEEDED, laptop, rate

PRINTED = pd.read_csv(Path(__file__).parents[3] / "analysis" / "paper" / "printed.csv")
DRAWS = 100
LEADS = {"pearson": pearson_lead, "kendall": kendall_lead}
SIZES = {
    "IX": (laptop(encoder_zoo.STUDY, "encoder"), NEEDED["encoder_zoo, encoders"]),
    "V": (
        laptop(temperature.STUDY, "arch") * laptop(temperature.STUDY, "temperature"),
        NEEDED["temperature, encoders"],
    ),
}
"""The table whose correlations are the population's, the encoders of the laptop, and those that are needed."""


def population(table: str) -> tuple[list[str], np.ndarray]:
    """The rivals of I_class in a table, and the oriented correlations of accuracy, I_class and them."""
    rows = PRINTED[PRINTED["table"] == table]
    measures = [measure for measure in MEASURES if rows[measure.name].notna().all() and measure != I_CLASS]
    columns = [rows[ACCURACY.name], rows[I_CLASS.name], *(measure.sign * rows[measure.name] for measure in measures)]
    return [measure.name for measure in measures], np.corrcoef(np.stack(columns))


POPULATIONS = {table: population(table) for table in SIZES}


def drawn(rng: np.random.Generator, *, table: str, n: int, rival: str = "") -> Claim:
    """The claim over ``n`` encoders of a table's population, in which ``rival`` agrees as well as I_class."""
    names, correlations = POPULATIONS[table]
    values, vectors = np.linalg.eigh(correlations)
    sample = rng.standard_normal((n, len(values))) @ (vectors * np.sqrt(values.clip(0))).T
    if rival:
        r = correlations[0, 1]
        sample[:, 2 + names.index(rival)] = r * sample[:, 0] + np.sqrt(1 - r**2) * rng.standard_normal(n)
    columns = sample.T
    claims = []
    for statistic in STATISTICS:
        leads = {name: LEADS[statistic](columns[1], columns[2 + i], columns[0]) for i, name in enumerate(names)}
        readings = {
            name: Reading(value=lead.difference, error=lead.error, degrees=n - LOSES[statistic], n=n)
            for name, lead in leads.items()
        }
        claims.append(claimed(statistic, readings))
    return Every(claims)


@pytest.mark.parametrize("table", SIZES)
def test_the_papers_agreement_is_found_over_as_many_encoders_as_are_needed(table: str) -> None:
    assert rate(partial(drawn, table=table, n=SIZES[table][1]), draws=DRAWS) >= LEAST_TRUE


@pytest.mark.parametrize(("table", "rival"), [("IX", "i_simclr_bits"), ("V", "i_simclr_bits"), ("V", "alignment")])
def test_a_lead_that_is_not_there_is_not_found(table: str, rival: str) -> None:
    for n in SIZES[table]:
        assert rate(partial(drawn, table=table, n=n, rival=rival), draws=DRAWS) <= MOST_FALSE
